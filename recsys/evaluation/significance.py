"""Confidence of means over users, and tests of one model against another.

Users are the sample: intervals are percentiles of means over users drawn with replacement (Efron
and Tibshirani 1993, chapter 13), and a difference is tested by exchanging the two models user by
user (Fisher's randomisation test; Smucker, Allan and Carterette 2007).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.arrays import Floats
from recsys.errors import DataError

ERRORS: Final = 2.0
"""Standard errors that a gain must be beyond to be acted on: chance gives as much once in forty."""
RESAMPLES: Final = 1000
LEVEL: Final = 0.95
_CELLS: Final = 2**20
"""Draws that are held at once."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds between which it lies at the level asked for."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Comparison of model a with model b on the same users."""

    users: int
    """Users for whom the metric is defined in both."""
    difference: Interval
    """mean(a) - mean(b)"""
    ratio: Interval | None
    """mean(a) / mean(b); None where mean(b) is 0, in the sample or in a resample."""
    p_value: float
    """Chance of a difference as far from 0, either way, if the models were the same."""


def mean_intervals(
    metrics: Mapping[str, Floats], seed: int, *, resamples: int = RESAMPLES, level: float = LEVEL
) -> dict[str, Interval | None]:
    """The mean over users of each metric; None where it is defined for nobody.

    metrics: (u,) each, of the same users; NaN where a metric is not defined for a user. All
    metrics see the same resamples.
    """
    values = np.stack([np.asarray(v, np.float64) for v in metrics.values()], axis=1)
    drawn = _resampled_means(values, np.random.default_rng(seed), resamples)
    return {
        name: _interval(float(np.nanmean(column)), means, level) if _defined(column) else None
        for name, column, means in zip(metrics, values.T, drawn.T, strict=True)
    }


def paired(
    a: Floats, b: Floats, seed: int, *, resamples: int = RESAMPLES, level: float = LEVEL
) -> Paired:
    """Compares two models by a metric of the same users, with as many sign flips as resamples.

    a, b: (u,) the metric of each user; users with a NaN in either are left out.
    """
    if len(a) != len(b):
        raise DataError(f"{len(a)} users cannot be paired with {len(b)}")
    values = np.stack([a, b], axis=1).astype(np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        raise DataError("no user has the metric in both models: there is nothing to compare")
    rng = np.random.default_rng(seed)
    drawn = _resampled_means(values, rng, resamples)
    mean_a, mean_b = values.mean(axis=0).tolist()
    ratio = None
    if mean_b != 0.0 and drawn[:, 1].all():
        ratio = _interval(mean_a / mean_b, drawn[:, 0] / drawn[:, 1], level)
    return Paired(
        users=len(values),
        difference=_interval(mean_a - mean_b, drawn[:, 0] - drawn[:, 1], level),
        ratio=ratio,
        p_value=_sign_flip_test(values[:, 0] - values[:, 1], rng, resamples),
    )


def standard_error(values: Floats) -> float:
    """Standard error of the mean. values: (u,) two or more."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


@dataclass(frozen=True)
class Gain:
    """The mean over users of what one way gains over another for the same users."""

    mean: float
    error: float
    """Standard error of the mean; infinite for a single user."""

    @classmethod
    def of(cls, a: Floats, b: Floats) -> "Gain":
        """The gain of a over b: (u,) a metric of the same users, defined for all of them."""
        gains = np.asarray(a, np.float64) - b
        if len(gains) < 2:
            return cls(float(gains.mean()) if len(gains) else 0.0, np.inf)
        return cls(float(gains.mean()), standard_error(gains))

    def beyond(self, errors: float = ERRORS) -> bool:
        """True if it is above 0 by more than so many standard errors."""
        return self.mean > 0.0 and self.mean > errors * self.error

    def __str__(self) -> str:
        """As reasons and comments give it."""
        return f"{self.mean:+.4f} (standard error {self.error:.4f})"


def holm(p_values: Sequence[float]) -> Floats:
    """(n,) p values of n tests made at once, so that the chance of any false alarm is held.

    The i-th smallest is multiplied by n + 1 - i, and none is below a smaller one (Holm 1979).
    """
    raw, n = np.asarray(p_values, np.float64), len(p_values)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.maximum.accumulate(raw[order] * np.arange(n, 0, -1))
    return np.minimum(adjusted, 1.0)


def _resampled_means(values: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """(resamples, m) means of the columns over u users drawn with replacement.

    values: (u, m) without a value where NaN. What is drawn is how often each user counts, so that
    a block of resamples is one product and memory is bounded.
    """
    users, m = values.shape
    defined = ~np.isnan(values)
    columns = np.concatenate([np.where(defined, values, 0.0), defined], axis=1)
    block = max(1, _CELLS // max(1, users))
    sums = np.empty((resamples, 2 * m))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        rows = rng.integers(0, users, (size, users)) + users * np.arange(size)[:, np.newaxis]
        counts = np.bincount(rows.ravel(), minlength=size * users).reshape(size, users)
        sums[start : start + size] = counts.astype(np.float64) @ columns
    nothing = np.full((resamples, m), np.nan)
    return np.asarray(np.divide(sums[:, :m], sums[:, m:], out=nothing, where=sums[:, m:] > 0))


def _sign_flip_test(differences: Floats, rng: np.random.Generator, flips: int) -> float:
    """(1 + sums as far from 0) / (1 + flips), over random signs of the users' differences.

    The ones count the sample itself, so p is never 0 (Davison and Hinkley 1997, section 4.2).
    """
    changed = differences[differences != 0.0]
    if not len(changed):
        return 1.0
    total, size = float(changed.sum()), float(np.abs(changed).sum())
    block = max(1, _CELLS // len(changed))
    beyond = 0
    for start in range(0, flips, block):
        rows = min(block, flips - start)
        packed = rng.integers(0, 256, (rows, -(-len(changed) // 8)), np.uint8)
        kept = np.unpackbits(packed, axis=1, count=len(changed))
        sums = 2.0 * (kept.astype(np.float64) @ changed) - total
        # Sums that are equal but for rounding count as equal.
        beyond += int((np.abs(sums) >= abs(total) - 1e-12 * size).sum())
    return (1 + beyond) / (1 + flips)


def _interval(estimate: float, drawn: Floats, level: float) -> Interval:
    """Percentile interval; resamples without a value are left out."""
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(drawn, [tail, 1.0 - tail]).tolist()
    return Interval(estimate, low, high)


def _defined(column: Floats) -> bool:
    return bool((~np.isnan(column)).any())
