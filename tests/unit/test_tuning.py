"""Tuned parameters do better where it was measured, are kept, and give way to the configuration."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from jobs.cli.tune import as_toml
from jobs.settings import load_config, tuned_path
from jobs.tuning import Tuned, tune, with_sections
from recsys.config import Config
from recsys.evaluation.splits import Pairs
from recsys.evaluation.trial import DataSet
from recsys.interactions.training import Descriptions
from recsys.models import als
from recsys.models.registry import GENERATORS, Generators

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
    held = data.held_back(data.pairs, 1)
    (found,) = tune(held, np.arange(ITEMS), slow_memory, 0.03, heard.append)
    assert found.after > found.before
    assert len(heard) == found.trials
    half_life = found.section.model_dump()["half_life_days"]
    assert half_life < 60

    file = tmp_path / "recsys.toml"
    file.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    tuned_path(file).write_text(as_toml([found], "2026-01-01", slow_memory), encoding="utf-8")
    kept = load_config(file).generators.used()["trending"].model_dump()["half_life_days"]
    assert kept == pytest.approx(half_life, rel=1e-5)
    changed = with_sections(slow_memory, {found.name: found.section})
    assert changed.generators.used()["trending"] == found.section
    assert changed.fingerprint() != slow_memory.fingerprint()

    with file.open("a", encoding="utf-8") as out:
        out.write("\n[generators.trending]\nhalf_life_days = 11\n")
    assert load_config(file).generators.used()["trending"].model_dump()["half_life_days"] == 11


def test_the_engine_is_not_kept_with_tuned_parameters(slow_memory: Config) -> None:
    found = Tuned("als", als.Config(engine="spark"), before=0.1, after=0.2, trials=3)
    text = as_toml([found], "2026-01-01", slow_memory)
    kept = tomllib.loads(text)["generators"]["als"]
    assert kept["factors"] == 64
    assert not {"engine", "weight"} & set(kept)


def test_the_present_parameters_stay_where_nothing_is_better(slow_memory: Config) -> None:
    data = fashions()
    (found,) = tune(data.held_back(data.pairs, 1), np.arange(ITEMS), slow_memory, 0.0, print)
    assert found.trials <= 2
    assert found.after >= found.before
