"""On made data of which the best is known, tuning finds what was planted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.fitting import fit_generator
from jobs.run.settings import load_config
from jobs.tuning.measure import Grounds
from jobs.tuning.tuner import Budget, Tuned, tune
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


def test_where_order_was_planted_the_model_of_order_is_best() -> None:
    data, config = order(1), load_config(SHIPPED)
    held = data.holdout(data.pairs, config.seed)
    grounds = Grounds.of(held, np.arange(data.shape[1]), config.seed)

    def ndcg(name: str) -> float:
        section = config.generators.section(name)
        model = fit_generator(name, held.training, section, config.seed)
        return float(grounds.check.ndcg(model).mean())

    others = [ndcg(name) for name in config.generators.used() if name != NEXT_ITEM]
    assert ndcg(NEXT_ITEM) > 1.2 * max(others)
