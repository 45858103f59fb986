"""Tuned parameters do better where it was measured, are kept, and give way to the configuration."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.app.tuning import Tuned, tune, with_sections
from jobs.cli.tune import as_toml, keep
from jobs.run.settings import load_config, tuned_path
from recsys.arrays import Ragged
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.training import Descriptions, Holdout
from recsys.dataset.trial import DataSet
from recsys.errors import DataError
from recsys.evaluation.significance import Gain
from recsys.evaluation.splits import Pairs
from recsys.generators import als, graph, trending
from recsys.generators.registry import GENERATORS, Generators
from recsys.sections.ranking import Ranking

USERS, ITEMS, DAY = 150, 60, 86_400_000_000
SHIPPED = Path(__file__).parents[2] / "recsys.toml"


def fashions() -> DataSet:
    """Everybody goes for the item of the day, so only a short memory knows what comes next."""
    rng = np.random.default_rng(4)
    days = rng.integers(0, 50, 4_000)
    items = (days // 5 + rng.integers(0, 5, 4_000)) % ITEMS
    users = rng.integers(0, USERS, 4_000)
    pairs = Pairs(users, items, np.ones(4_000, np.float32), days * DAY)
    blank = Descriptions.blank(USERS), Descriptions.blank(ITEMS)
    return DataSet(pairs, *blank, np.full(USERS, -1, np.int32))


@pytest.fixture
def slow_memory() -> Config:
    values = {n: {"weight": float(n == "trending")} for n in GENERATORS}
    values["trending"]["half_life_days"] = 300.0
    generators = Generators.model_validate(values)
    return load_config(SHIPPED).model_copy(update={"generators": generators})


def test_a_better_memory_is_found_kept_and_overruled(slow_memory: Config, tmp_path: Path) -> None:
    data = fashions()
    heard: list[str] = []
    held = data.holdout(data.pairs, 1)
    (found,) = tune(held, np.arange(ITEMS), slow_memory, 0.03, heard.append)
    assert found.taken
    assert found.after > found.before
    assert f"on {found.users} users" in found.outcome
    assert len(heard) == found.trials
    half_life = found.section.model_dump()["half_life_days"]
    assert half_life < 60

    file = tmp_path / "recsys.toml"
    file.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    assert keep([found], tuned_path(file), AsOf.parse("2026-01-01"), slow_memory)
    kept = load_config(file).generators.used()["trending"].model_dump()["half_life_days"]
    assert kept == pytest.approx(half_life, rel=1e-5)
    changed = with_sections(slow_memory, {found.name: found.section})
    assert changed.generators.used()["trending"] == found.section
    assert changed.fingerprint() != slow_memory.fingerprint()

    with file.open("a", encoding="utf-8") as out:
        out.write("\n[generators.trending]\nhalf_life_days = 11\n")
    assert load_config(file).generators.used()["trending"].model_dump()["half_life_days"] == 11


def test_the_engine_is_not_kept_with_tuned_parameters(slow_memory: Config) -> None:
    section, gain = als.Config(engine="spark"), Gain(0.1, 0.01)
    found = Tuned("als", section, 0.1, 0.2, gain, users=90, trials=3, taken=True)
    text = as_toml([found], AsOf.parse("2026-01-01"), slow_memory)
    kept = tomllib.loads(text)["generators"]["als"]
    assert kept["factors"] == 64
    assert not {"engine", "weight"} & set(kept)


def test_the_present_parameters_stay_where_nothing_is_better(slow_memory: Config) -> None:
    data = fashions()
    (found,) = tune(data.holdout(data.pairs, 1), np.arange(ITEMS), slow_memory, 0.0, print)
    assert found.trials <= 2
    assert not found.taken
    assert found.after == found.before


def without_taste() -> DataSet:
    """Everybody takes anything at any time, so nothing is better than anything else."""
    rng = np.random.default_rng(6)
    days, items = rng.integers(0, 50, 4_000), rng.integers(0, ITEMS, 4_000)
    pairs = Pairs(rng.integers(0, USERS, 4_000), items, np.ones(4_000, np.float32), days * DAY)
    blank = Descriptions.blank(USERS), Descriptions.blank(ITEMS)
    return DataSet(pairs, *blank, np.full(USERS, -1, np.int32))


@pytest.mark.parametrize(
    ("data", "least"),
    [
        pytest.param(fashions(), USERS + 1, id="too few users"),
        pytest.param(without_taste(), 60, id="a gain by chance"),
    ],
)
def test_without_evidence_parameters_are_kept_and_nothing_is_written(
    data: DataSet, least: int, slow_memory: Config, tmp_path: Path
) -> None:
    ranking = Ranking(least_users=least)
    config = slow_memory.model_copy(update={"ranking": ranking})
    (found,) = tune(data.holdout(data.pairs, 1), np.arange(ITEMS), config, 0.01, print)
    assert not found.taken
    assert found.section == config.generators.used()["trending"]
    assert found.outcome.startswith("kept as it was: NDCG@20 ")
    assert found.outcome.endswith(f"on {found.users} users")
    path = tmp_path / "recsys.tuned.toml"
    assert not keep([found], path, AsOf.parse("2026-01-01"), config)
    assert not path.exists()


def test_what_was_tuned_before_stays_in_the_file(slow_memory: Config, tmp_path: Path) -> None:
    path = tmp_path / "recsys.tuned.toml"
    gain = Gain(0.1, 0.01)
    als_found = Tuned("als", als.Config(), 0.1, 0.2, gain, users=90, trials=3, taken=True)
    graph_found = Tuned("graph", graph.Config(), 0.1, 0.2, gain, users=90, trials=3, taken=True)
    assert keep([als_found], path, AsOf.parse("2026-01-01"), slow_memory)
    kept = replace(als_found, taken=False)
    assert keep([kept, graph_found], path, AsOf.parse("2026-01-02"), slow_memory)
    assert set(tomllib.loads(path.read_text(encoding="utf-8"))["generators"]) == {"als", "graph"}


def test_nobody_held_back_is_one_clear_error_before_any_trial(slow_memory: Config) -> None:
    held = fashions().holdout(fashions().pairs, 1)
    nobody = Holdout(
        held.training,
        held.users[:0],
        Ragged(held.relevant[0][:1], held.relevant[1][:0]),
        held.ages[:0],
    )
    heard: list[str] = []
    with pytest.raises(DataError, match=r"0 users turned to 0 new items .* ranking\.holdout_days"):
        list(tune(nobody, np.arange(ITEMS), slow_memory, 0.01, heard.append))
    assert heard == []


def test_a_generator_without_a_search_is_used_as_configured(
    slow_memory: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(trending, "SEARCH")
    held = fashions().holdout(fashions().pairs, 1)
    assert list(tune(held, np.arange(ITEMS), slow_memory, 0.01, print)) == []


def test_halves_are_the_earlier_and_the_later_days() -> None:
    held = fashions().holdout(fashions().pairs, 1)
    earlier, later = held.halves(1)
    assert earlier.ages.min() > later.ages.max()
    assert len(earlier.ages) + len(later.ages) == len(held.ages)
    pairs = {
        (user, item)
        for part in (earlier, later)
        for user, rows in zip(
            part.users.tolist(), np.split(part.relevant[1], part.relevant[0][1:-1]), strict=True
        )
        for item in rows.tolist()
    }
    assert len(pairs) == len(held.ages)


def test_halves_without_times_are_dealt_at_random() -> None:
    held = fashions().holdout(fashions().pairs, 1)
    timeless = replace(held, ages=np.zeros_like(held.ages))
    earlier, later = timeless.halves(1)
    share = len(later.ages) / len(held.ages)
    assert 0.4 < share < 0.6
    assert np.array_equal(later.relevant[1], timeless.halves(1)[1].relevant[1])
    assert len(earlier.ages) + len(later.ages) == len(held.ages)
