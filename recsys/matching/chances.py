"""The chance of a yes from all that speaks for it: generators' scores and people's effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from sklearn.linear_model import LogisticRegression

from recsys.arrays import Floats, Mask
from recsys.matching.calibration import Calibrated
from recsys.matching.logistic import Strength, ridge

_VARIANCES: Final = (0.001, 0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Chances:
    """A logistic regression on features, and the calibration of what it says.

    It is stacking (Wolpert 1992): fitted on pairs that the features know nothing of.
    """

    names: Sequence[str]
    """Of the features."""
    means: Floats
    """(f,)"""
    deviations: Floats
    """(f,)"""
    fitted: LogisticRegression
    calibrated: Calibrated

    @classmethod
    def fit(cls, names: Sequence[str], features: Floats, outcomes: Mask, seed: int) -> Self:
        """features: (n, f) of pairs held back. outcomes: (n,) whether it was a yes.

        The calibration is chosen on scores of regressions that have not seen the pair.
        """
        means, deviations = features.mean(axis=0), features.std(axis=0)
        deviations[deviations <= 0.0] = 1.0
        scaled = (features - means) / deviations
        strength = Strength.of(scaled, outcomes, _VARIANCES, seed)
        calibrated = Calibrated.fit(strength.held, outcomes, seed)
        fitted = ridge(scaled, outcomes, strength.variance)
        return cls(names, means, deviations, fitted, calibrated)

    def of(self, features: Floats) -> Floats:
        """(n,) chances by (n, f) features."""
        scaled = (features - self.means) / self.deviations
        return self.calibrated.calibration.chances(self.fitted.decision_function(scaled))
