"""From scores to chances: whoever multiplies scores of two people needs them as probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from scipy.special import expit, xlogy
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from recsys.arrays import Floats, Ints, Mask
from recsys.ranking.weighing import Curve

BINS: Final = 10
"""Bins of the calibration error, each of as many pairs."""
FOLDS: Final = 5
"""Parts of the pairs, on each of which calibrations fitted on the others are compared."""
_SLOPE: Final = 0.01
"""Share of Platt's chance in an isotonic one: it keeps the order of scores on a level stretch, and
no chance is 0, which would mean that the pair must not be listed."""


class Calibration(Protocol):
    """Turns scores into chances without changing their order."""

    def chances(self, scores: Floats) -> Floats:
        """(n,) chance of a yes by (n,) score."""

    def as_curve(self) -> Curve:
        """The same in numbers, to be kept."""


@dataclass(frozen=True)
class Platt:
    """A logistic curve (Platt 1999)."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, scores: Floats, outcomes: Mask) -> Self:
        """scores, outcomes: (n,) of pairs; some said yes and some no."""
        size = max(float(scores.std()), np.finfo(float).tiny)
        found = LogisticRegression(C=1e6).fit(scores[:, np.newaxis] / size, outcomes)
        return cls(max(float(found.coef_[0, 0]), 0.0) / size, float(found.intercept_[0]))

    def chances(self, scores: Floats) -> Floats:
        """See `Calibration`."""
        return np.asarray(expit(self.slope * scores + self.intercept))

    def as_curve(self) -> Curve:
        """See `Calibration`."""
        return Curve(slope=self.slope, intercept=self.intercept)


@dataclass(frozen=True)
class Isotonic:
    """The rising steps nearest to the outcomes (Zadrozny and Elkan 2002), joined by lines."""

    steps: IsotonicRegression
    curve: Platt

    @classmethod
    def fit(cls, scores: Floats, outcomes: Mask) -> Self:
        """See `Platt`."""
        steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        return cls(steps.fit(scores, outcomes.astype(np.float64)), Platt.fit(scores, outcomes))

    def chances(self, scores: Floats) -> Floats:
        """See `Calibration`."""
        level = self.steps.predict(scores)
        return np.asarray((1.0 - _SLOPE) * level + _SLOPE * self.curve.chances(scores))

    def as_curve(self) -> Curve:
        """See `Calibration`."""
        bends = (self.steps.X_thresholds_.tolist(), self.steps.y_thresholds_.tolist())
        levels, share = tuple(zip(*bends, strict=True)), 1.0 - _SLOPE
        return self.curve.as_curve().model_copy(update={"levels": levels, "share": share})


KINDS: Final[Mapping[str, type[Platt] | type[Isotonic]]] = {"Platt": Platt, "isotonic": Isotonic}


@dataclass(frozen=True)
class Calibrated:
    """The better of both calibrations."""

    kind: str
    losses: Mapping[str, float]
    """Log loss of each kind on pairs that it was not fitted on."""
    calibration: Calibration
    error: float
    """Expected calibration error of the better one on pairs that it was not fitted on."""

    @classmethod
    def fit(cls, scores: Floats, outcomes: Mask, seed: int) -> Self:
        """Choose by log loss on pairs held back, the smoother one where both are as good; then fit
        it on all.

        scores, outcomes: (n,) of pairs whose scores know nothing of the outcomes.
        """
        parts = folds(outcomes.astype(np.int64), FOLDS, seed)
        held = {name: np.empty(len(scores)) for name in KINDS}
        for part in range(FOLDS):
            inside = parts == part
            for name, kind in KINDS.items():
                fitted = kind.fit(scores[~inside], outcomes[~inside])
                held[name][inside] = fitted.chances(scores[inside])
        losses = {name: log_loss(chances, outcomes) for name, chances in held.items()}
        best = min(KINDS, key=lambda name: losses[name])
        error = calibration_error(held[best], outcomes)
        return cls(best, losses, KINDS[best].fit(scores, outcomes), error)


def folds(classes: Ints, count: int, seed: int) -> Ints:
    """(n,) number of each row's fold; every fold has its share of each of (n,) classes."""
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    parts = np.empty(len(classes), np.int64)
    parts[order] = np.arange(len(classes)) % count
    return parts


def log_loss(chances: Floats, outcomes: Mask) -> float:
    """Mean of -log of the chance that what came out had. chances, outcomes: (n,)."""
    held = np.clip(chances, 1e-12, 1.0 - 1e-12)
    return float(-(xlogy(outcomes, held) + xlogy(~outcomes, 1.0 - held)).mean())


def calibration_error(chances: Floats, outcomes: Mask, bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015): the mean distance between the mean chance
    and the share of yeses, over bins of as many pairs each, by rising chance.

    chances, outcomes: (n,). By chance alone it is about 0.8 sqrt(bins p (1 - p) / n).
    """
    order = np.argsort(chances, kind="stable")
    gaps = chances[order] - outcomes[order]
    parts = np.array_split(gaps, min(bins, max(len(gaps), 1)))
    return float(sum(abs(part.sum()) for part in parts)) / max(len(gaps), 1)
