"""The chance of a yes from all that speaks for it: generators' scores and people's effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from recsys.arrays import Floats, Mask
from recsys.matching.calibration import Calibrated, folds


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
        scaled, held = (features - means) / deviations, np.empty(len(features))
        parts = folds(outcomes.astype(np.int64), 2, seed)
        for part in (0, 1):
            inside = parts == part
            fitted = _regression().fit(scaled[~inside], outcomes[~inside])
            held[inside] = fitted.decision_function(scaled[inside])
        calibrated = Calibrated.fit(held, outcomes, seed)
        return cls(names, means, deviations, _regression().fit(scaled, outcomes), calibrated)

    def of(self, features: Floats) -> Floats:
        """(n,) chances by (n, f) features."""
        scaled = (features - self.means) / self.deviations
        return self.calibrated.calibration.chances(self.fitted.decision_function(scaled))


def _regression() -> LogisticRegression:
    return LogisticRegression(max_iter=1000)
