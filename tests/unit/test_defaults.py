"""Defaults of a data set are chosen on the others."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.benchmarks.defaults import TEACHERS, Measured, chosen, sections

DAYS = [float(section.model_dump()["half_life_days"]) for section in sections("trending")]


def measured(data_set: str, fields: Mapping[str, Any], gain: float, error: float) -> Measured:
    return Measured(
        data_set=data_set,
        generator="trending",
        section=dict(fields),
        seed=1,
        users=100,
        ndcg=0.2 + gain,
        gain=gain,
        error=error,
        seconds=0.1,
    )


def figures(gains: Mapping[str, Mapping[float, float]], error: float = 0.0) -> list[Measured]:
    """Gains by data set and half-life over the first candidate; 0 where none is given."""
    fields = [section.model_dump(exclude={"weight"}) for section in sections("trending")]
    return [
        measured(name, each, gains.get(name, {}).get(each["half_life_days"], 0.0), error)
        for name in TEACHERS
        for each in fields
    ]


def half_life(known: list[Measured], without: str | None) -> float:
    return float(chosen("trending", known, without).model_dump()["half_life_days"])


def test_what_a_data_set_says_counts_for_the_others_alone() -> None:
    one, other, *_ = TEACHERS
    known = figures({one: {DAYS[1]: 0.1}, other: {DAYS[2]: 0.05}})
    assert half_life(known, None) == DAYS[1]
    assert half_life(known, one) == DAYS[2]
    assert half_life(known, other) == DAYS[1]


def test_a_gain_within_its_error_has_no_say() -> None:
    known = figures({TEACHERS[0]: {DAYS[1]: 0.1}}, error=0.11)
    assert half_life(known, None) == DAYS[0]


def test_a_missing_figure_is_named() -> None:
    with pytest.raises(SystemExit, match=r"no figure of trending .*defaults"):
        chosen("trending", figures({})[1:], None)
