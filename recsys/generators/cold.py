"""Vectors of users and items without interactions, from what is written of them."""

from typing import Final

import numpy as np
import numpy.typing as npt

from recsys.arrays import Mask
from recsys.generators.factors import Factors

_PENALTIES: Final = (0.1, 1.0, 10.0, 100.0, 1000.0)
_FOLDS: Final = 5
_LEAST: Final = 50
"""With fewer examples nothing is learnt."""


def mapped(features: Factors, factors: Factors, warm: Mask, cold: Mask) -> Factors:
    """(n, k) the factors, with the cold rows predicted from their features by ridge regression.

    features: (n, d), a row of zeros where nothing is known. factors: (n, k).
    warm, cold: (n,) rows to learn from, and rows to predict.
    The penalty is the one that predicts warm rows best that were held out as if they were cold; if
    none predicts them better than zeros, the cold rows are left as they are.
    """
    known = features.any(axis=1)
    teachers, pupils = np.flatnonzero(warm & known), np.flatnonzero(cold & known)
    if len(teachers) < _LEAST or not len(pupils):
        return factors
    x, y = features[teachers].astype(np.float64), factors[teachers].astype(np.float64)
    errors = [_error(x, y, penalty) for penalty in _PENALTIES]
    if min(errors) >= float(np.square(y).sum()):
        return factors
    result = factors.copy()
    result[pupils] = features[pupils] @ _ridge(x, y, _PENALTIES[int(np.argmin(errors))])
    return result


def _error(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], penalty: float) -> float:
    """Summed squared error on rows that were held out."""
    fold = np.arange(len(x)) % _FOLDS
    error = 0.0
    for out in range(_FOLDS):
        coefficients = _ridge(x[fold != out], y[fold != out], penalty)
        error += float(np.square(x[fold == out] @ coefficients - y[fold == out]).sum())
    return error


def _ridge(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], penalty: float
) -> npt.NDArray[np.float64]:
    gram = x.T @ x + penalty * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T @ y))
