"""Intervals and tests against distributions whose truth is known."""

import numpy as np
import pytest

from recsys.arrays import Floats
from recsys.errors import DataError
from recsys.evaluation import significance
from recsys.evaluation.significance import Interval, holm, mean_intervals, paired


def interval(values: Floats, seed: int = 1, **options: float) -> Interval:
    found = mean_intervals({"metric": values}, seed, **options)["metric"]  # type: ignore[arg-type]
    assert found is not None
    return found


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    drawn = rng.exponential(2.0, (300, 120))
    found = [interval(sample, seed, resamples=300) for seed, sample in enumerate(drawn)]
    share = np.mean([i.low <= 2.0 <= i.high for i in found])
    # 95 % less what percentiles lose on a skewed sample of 120; three deviations are 0.038.
    assert 0.90 <= share <= 0.98


def test_an_interval_is_that_of_the_central_limit() -> None:
    values = np.random.default_rng(2).random(2_000)
    found = interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    narrower = interval(values, level=0.5)
    assert found.low < narrower.low < narrower.high < found.high


def test_a_seed_decides_the_interval() -> None:
    values = np.random.default_rng(2).random(100)
    assert interval(values) == interval(values)
    assert interval(values) != interval(values, seed=2)


def test_blocks_bound_memory_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(2).random((2, 64))
    whole = interval(a), paired(a, b, 3)
    monkeypatch.setattr(significance, "_CELLS", 640)
    assert (interval(a), paired(a, b, 3)) == whole


def test_users_without_the_metric_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan])
    found = mean_intervals({"some": values, "none": values * np.nan}, 1)
    some = found["some"]
    assert some is not None
    assert (some.estimate, some.low, some.high) == (2.0, 1.0, 3.0)
    assert found["none"] is None
    assert mean_intervals({"metric": np.empty(0)}, 1) == {"metric": None}


def test_p_is_uniform_where_models_are_equal() -> None:
    rng = np.random.default_rng(8)
    pairs = rng.normal(size=(400, 2, 40))
    found = np.array(
        [paired(a, b, seed, resamples=199).p_value for seed, (a, b) in enumerate(pairs)]
    )
    for level in (0.05, 0.2, 0.5, 0.8):
        slack = 3.5 * np.sqrt(level * (1 - level) / len(found))
        assert (found <= level).mean() == pytest.approx(level, abs=slack)


def test_p_is_small_under_a_shift_and_the_intervals_say_how_much() -> None:
    rng = np.random.default_rng(8)
    level = rng.random(1_000)
    better, worse = level + 1.1 + 0.1 * rng.normal(size=1_000), level + 1.0
    found = paired(better, worse, 1)
    assert found.p_value == 1 / 1_001
    assert found.users == 1_000
    assert found.difference.low < 0.1 < found.difference.high
    # Users differ by 0.3, models by 0.1: only pairs can tell them apart so well.
    assert found.difference.high - found.difference.low < 0.02
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(better.mean() / worse.mean())
    assert 1.0 < found.ratio.low < found.ratio.estimate < found.ratio.high
    other = paired(worse, better, 1)
    assert other.difference.estimate == -found.difference.estimate
    assert other.p_value == found.p_value


def test_p_is_exact_where_all_flips_can_be_counted() -> None:
    # Signs of (1, 1, 1, 1): |sum| = 4 in 2 of 16. Of (3, 1, -1): |sum| >= 3 in 6 of 8.
    flips = 20_000
    four = paired(np.ones(4), np.zeros(4), 1, resamples=flips)
    three = paired(
        np.array([3.0, 1.0, 0.0, 5.0]), np.array([0.0, 0.0, 1.0, 5.0]), 1, resamples=flips
    )
    assert four.p_value == pytest.approx(2 / 16, abs=0.01)
    assert three.p_value == pytest.approx(6 / 8, abs=0.01)


def test_equal_models_do_not_differ() -> None:
    values = np.array([0.0, 0.5, 1.0])
    found = paired(values, values, 1)
    assert found.p_value == 1.0
    assert found.difference == Interval(0.0, 0.0, 0.0)


def test_a_ratio_to_nothing_is_none() -> None:
    assert paired(np.ones(3), np.zeros(3), 1).ratio is None
    assert paired(np.ones(3), np.array([0.0, 0.0, 1.0]), 1).ratio is None


def test_only_users_with_both_are_compared() -> None:
    found = paired(np.array([1.0, np.nan, 3.0]), np.array([0.0, 2.0, np.nan]), 1)
    assert (found.users, found.difference.estimate) == (1, 1.0)
    with pytest.raises(DataError, match="nothing to compare"):
        paired(np.array([np.nan]), np.array([1.0]), 1)
    with pytest.raises(DataError, match="2 users cannot be paired with 1"):
        paired(np.ones(2), np.ones(1), 1)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.5
    assert holm([0.03, 0.5, 0.01, 0.02]).tolist() == pytest.approx([0.06, 0.5, 0.04, 0.06])
    # 0.4 * 3, 0.45 * 2, 0.5 * 1: never above 1, never below a smaller one
    assert holm([0.4, 0.5, 0.45]).tolist() == [1.0, 1.0, 1.0]
    assert holm([]).tolist() == []
