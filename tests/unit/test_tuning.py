"""Tuned parameters are better on days that no search saw, or refused; searches can be resumed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.cli import output
from jobs.cli import tune as command
from jobs.run.settings import load_config
from jobs.tuning.search import Trial
from jobs.tuning.tuner import Budget, Tuned, tune, with_sections
from recsys.arrays import Ragged
from recsys.config import Config
from recsys.dataset.training import Descriptions, Holdout
from recsys.dataset.trial import DataSet
from recsys.errors import DataError
from recsys.evaluation.significance import Gain
from recsys.evaluation.splits import Pairs
from recsys.generators import trending
from recsys.generators.registry import GENERATORS, Generators
from recsys.sections.ranking import Ranking

USERS, ITEMS, DAY = 150, 60, 86_400_000_000
TWENTY = Budget(trials=20)
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


def tuned(data: DataSet, config: Config, budget: Budget, **more: Any) -> Tuned:
    """The result for the one generator of a configuration."""
    held = data.holdout(data.pairs, 1)
    (found,) = tune(held, np.arange(ITEMS), config, budget, lambda _: None, **more)
    return found


def test_a_better_memory_is_found(slow_memory: Config) -> None:
    found = tuned(fashions(), slow_memory, TWENTY)
    assert found.taken
    assert found.after > found.before
    assert found.trials == 20
    assert f"on {found.users} users" in found.outcome
    assert found.section.model_dump()["half_life_days"] < 60
    changed = with_sections(slow_memory, {found.name: found.section})
    assert changed.generators.used()["trending"] == found.section
    assert changed.fingerprint() != slow_memory.fingerprint()


def test_what_the_configuration_says_is_not_searched(slow_memory: Config) -> None:
    found = tuned(fashions(), slow_memory, TWENTY, fixed={"trending": {"half_life_days"}})
    assert (found.trials, found.taken) == (1, False)
    assert found.section.model_dump()["half_life_days"] == 300.0


def test_where_times_lack_half_lives_are_not_searched(slow_memory: Config) -> None:
    data = fashions()
    pairs = replace(data.pairs, times=None)
    assert tuned(replace(data, pairs=pairs), slow_memory, TWENTY).trials == 1


@pytest.mark.parametrize("name", ["content", "segment"])
def test_a_generator_that_has_nothing_to_go_by_is_tried_once(name: str) -> None:
    values = {each: {"weight": float(each == name)} for each in GENERATORS}
    generators = Generators.model_validate(values)
    config = load_config(SHIPPED).model_copy(update={"generators": generators})
    found = tuned(fashions(), config, TWENTY)
    assert (found.trials, found.taken) == (1, False)


class Notes:
    """A journal in memory."""

    def __init__(self, trials: Sequence[Trial] = ()) -> None:
        self.trials = trials

    def made(self, name: str) -> Sequence[Trial]:
        assert name == "trending"
        return self.trials

    def keep(self, name: str, trials: Sequence[Trial]) -> None:
        assert name == "trending"
        self.trials = list(trials)


def test_a_search_that_was_broken_off_goes_on_with_the_same_trials(slow_memory: Config) -> None:
    whole, first = Notes(), Notes()
    found = tuned(fashions(), slow_memory, TWENTY, journal=whole)
    tuned(fashions(), slow_memory, Budget(trials=12), journal=first)
    written = [trial.model_dump_json() for trial in first.trials]
    second = Notes([Trial.model_validate_json(text) for text in written])
    assert tuned(fashions(), slow_memory, TWENTY, journal=second) == found
    assert without_seconds(second.trials) == without_seconds(whole.trials)
    assert [trial.model_dump_json() for trial in second.trials[:12]] == written


def without_seconds(trials: Sequence[Trial]) -> list[Trial]:
    return [trial.model_copy(update={"seconds": ()}) for trial in trials]


def test_trials_of_another_search_are_not_gone_on_with(slow_memory: Config) -> None:
    other = Notes()
    tuned(fashions(), slow_memory, Budget(trials=5), journal=other)
    section = trending.Config(weight=1.0, half_life_days=200.0)
    config = with_sections(slow_memory, {"trending": section})
    tuned(fashions(), config, Budget(trials=1), journal=other)
    assert [trial.setting for trial in other.trials] == [{"half_life_days": 200.0}]


def test_the_present_parameters_stay_where_no_time_is_left(slow_memory: Config) -> None:
    found = tuned(fashions(), slow_memory, Budget(minutes=0.0))
    assert found.trials == 1
    assert not found.taken
    assert found.after == found.before


def without_taste() -> DataSet:
    """Everybody takes anything at any time, so nothing is better than anything else."""
    rng = np.random.default_rng(6)
    days, items = rng.integers(0, 50, 4_000), rng.integers(0, ITEMS, 4_000)
    pairs = Pairs(rng.integers(0, USERS, 4_000), items, np.ones(4_000, np.float32), days * DAY)
    blank = Descriptions.blank(USERS), Descriptions.blank(ITEMS)
    return DataSet(pairs, *blank, np.full(USERS, -1, np.int32))


def poisoned() -> DataSet:
    """Everybody goes for the item of the day, but for the last five, which make no sense."""
    data, rng = fashions(), np.random.default_rng(8)
    times = data.pairs.times
    assert times is not None
    items = np.where(times < 45 * DAY, data.pairs.item_rows, rng.integers(0, ITEMS, len(times)))
    return replace(data, pairs=replace(data.pairs, item_rows=items))


@pytest.mark.parametrize(
    ("data", "least", "reason"),
    [
        pytest.param(fashions(), USERS + 1, "fewer than 151 users", id="too few users"),
        pytest.param(without_taste(), 60, "all generators together gain", id="a gain by chance"),
        pytest.param(poisoned(), 60, "days of the check are unlike", id="a poisoned week"),
    ],
)
def test_without_evidence_parameters_are_kept(
    data: DataSet, least: int, reason: str, slow_memory: Config
) -> None:
    ranking = Ranking(least_users=least)
    section = trending.Config(weight=1.0, half_life_days=20.0)
    config = with_sections(slow_memory, {"trending": section})
    found = tuned(data, config.model_copy(update={"ranking": ranking}), TWENTY)
    assert not found.taken
    assert found.section == section
    assert found.outcome.startswith("kept as it was: NDCG@20 ")
    assert reason in found.refusal


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
        tune(nobody, np.arange(ITEMS), slow_memory, TWENTY, heard.append)
    assert heard == []


def test_a_generator_without_a_search_is_used_as_configured(
    slow_memory: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(trending, "SEARCH")
    held = fashions().holdout(fashions().pairs, 1)
    assert tune(held, np.arange(ITEMS), slow_memory, TWENTY, print) == []


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


def test_a_gain_of_one_user_has_no_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    section = load_config(SHIPPED).generators.section("als")
    gain = Gain.of(np.array([0.5]), np.array([0.4]))
    output.show_json([command._as_dict(Tuned("als", section, 0.4, 0.5, gain, 1, 3, taken=False))])
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["generator"], told["standard_error"], told["trials"]) == ("als", None, 3)
    assert told["setting"]["factors"] == 128
