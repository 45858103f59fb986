"""On made data of which the best is known, tuning finds what was planted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.run.settings import load_config
from jobs.tuning.tuner import Budget, Tuned, tune, with_sections
from recsys.config import Config
from recsys.dataset.trial import DataSet
from recsys.generators import graph
from recsys.generators.registry import GENERATORS, Generators
from tests.planted_sets import best_half_life, drift, order, tail

SHIPPED = Path(__file__).parents[2] / "recsys.toml"
NEXT_ITEM = "next_item"


def only(name: str, **values: Any) -> Config:
    sections = {each: {"weight": float(each == name)} for each in GENERATORS}
    sections[name] |= values
    generators = Generators.model_validate(sections)
    return load_config(SHIPPED).model_copy(update={"generators": generators})


def tuned(data: DataSet, config: Config, trials: int, *searched: str) -> Tuned:
    """The result for the one generator of a configuration."""
    items, (name,) = np.arange(data.shape[1]), config.generators.used()
    held = data.holdout(data.pairs, config.seed)
    fixed = {name: set(GENERATORS[name].Config.model_fields) - set(searched)}
    (found,) = tune(held, items, config, Budget(trials=trials), lambda _: None, fixed=fixed)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_half_life_is_recovered_within_a_factor_of_two(seed: int) -> None:
    config = only("trending", half_life_days=300.0)
    found = tuned(drift(seed), config, 16, "half_life_days")
    assert found.taken
    assert 0.5 < float(found.setting["half_life_days"]) / best_half_life() < 2.0


def test_an_exponent_goes_towards_the_tail_or_the_head_as_it_was_planted() -> None:
    config = only("graph")
    configured = graph.Config().to_exponent
    to_tail, to_head = (tuned(tail(3, e), config, 8, "to_exponent") for e in (-1.0, 1.0))
    assert to_tail.taken
    assert to_head.taken
    assert float(to_head.setting["to_exponent"]) < configured
    assert float(to_tail.setting["to_exponent"]) > configured


@pytest.mark.parametrize(("data", "on"), [(order(1), True), (tail(3, 1.0), False)])
def test_the_model_of_order_is_switched_on_where_order_was_planted(
    data: DataSet, *, on: bool
) -> None:
    config = load_config(SHIPPED)
    held, items = data.holdout(data.pairs, config.seed), np.arange(data.shape[1])
    found = tune(held, items, config, Budget(trials=1), lambda _: None)
    (own,) = (each for each in found if each.name == NEXT_ITEM)
    assert own.taken == on
    assert float(own.section.weight) == float(on)
    assert own.outcome.startswith("switched on" if on else "stays off")
    if on:
        assert own.after > 1.2 * own.before
        # It is in use then, and what later searches find leaves it there.
        used = with_sections(config, {NEXT_ITEM: own.section})
        again = tune(held, items, used, Budget(trials=1), lambda _: None)
        (later,) = (each for each in again if each.name == NEXT_ITEM)
        assert (own.setting["weight"], later.setting["weight"], later.rival) == (1.0, 1.0, "")
