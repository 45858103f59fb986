"""Logistic regressions whose strength is chosen on decisions held back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from recsys.arrays import Floats, Mask
from recsys.matching.calibration import FOLDS, folds, log_loss


@dataclass(frozen=True)
class Regression:
    """A ridge logistic regression, and what such ones say of decisions that they did not see."""

    fitted: LogisticRegression
    held: Floats
    """(n,) logit of each decision, by the regression on the folds that it is not in."""

    @classmethod
    def fit(cls, design: Any, said: Mask, variances: Sequence[float], seed: int) -> Self:
        """Fit with the variance of coefficients that has the least log loss on held decisions.

        design: (n, f) array or sparse matrix. said: (n,) whether it was a yes. variances: the
        smaller, the more coefficients are held to 0.
        """
        parts = folds(said.astype(np.int64), FOLDS, seed)
        held = np.empty((len(variances), len(said)))
        for place, variance in enumerate(variances):
            for part in range(FOLDS):
                inside = parts == part
                fitted = _regression(variance).fit(design[~inside], said[~inside])
                held[place, inside] = fitted.decision_function(design[inside])
        best = int(np.argmin([log_loss(expit(each), said) for each in held]))
        return cls(_regression(variances[best]).fit(design, said), held[best])

    def logits(self, design: Any) -> Floats:
        """(n,) logit of the chance of a yes."""
        return np.asarray(self.fitted.decision_function(design))


def _regression(variance: float) -> LogisticRegression:
    return LogisticRegression(C=variance, max_iter=1000)
