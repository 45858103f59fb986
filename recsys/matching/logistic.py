"""Logistic regressions whose strength is chosen on decisions held back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from recsys.arrays import Floats, Mask
from recsys.matching.calibration import FOLDS, folds, log_loss


def ridge(design: Any, said: Mask, variance: float) -> LogisticRegression:
    """Fits a ridge logistic regression.

    design: (n, f) array or sparse matrix. said: (n,) whether it was a yes. variance: of the
    coefficients beforehand; the smaller, the more they are held to 0.
    """
    return LogisticRegression(C=variance, max_iter=1000).fit(design, said)


@dataclass(frozen=True)
class Strength:
    """The variance of coefficients with the least log loss on decisions held back."""

    variance: float
    held: Floats
    """(n,) logit of each decision, by the regression on the folds that it is not in."""

    @classmethod
    def of(cls, design: Any, said: Mask, variances: Sequence[float], seed: int) -> Self:
        """Try each; see `ridge`."""
        parts = folds(said.astype(np.int64), FOLDS, seed)
        held = np.empty((len(variances), len(said)))
        for place, variance in enumerate(variances):
            for part in range(FOLDS):
                inside = parts == part
                fitted = ridge(design[~inside], said[~inside], variance)
                held[place, inside] = fitted.decision_function(design[inside])
        best = int(np.argmin([log_loss(expit(each), said) for each in held]))
        return cls(variances[best], held[best])
