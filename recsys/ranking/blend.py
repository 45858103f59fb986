"""Several models' scores on one scale."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recsys.models.factors import FactorModel


def standardised(
    model: FactorModel, weight: float, available: npt.NDArray[np.bool_]
) -> FactorModel:
    """A model whose scores are the given one's, standardised for each user, times `weight`.

    available: (items,) the items over which each user's scores get mean 0 and deviation 1.
    Both moments follow from the factors alone: mean = u.m and variance = u'Cu with m and C the
    mean and covariance of the item vectors, so no score need be computed. A user to whom the model
    gives every item the same score gets zeros: it has no opinion.
    """
    if not available.any():
        return FactorModel(np.zeros_like(model.user_factors), model.item_factors)
    items = model.item_factors.astype(np.float64)
    mean = items[available].mean(axis=0)
    centred = items - mean
    covariance = centred[available].T @ centred[available] / available.sum()
    users = model.user_factors.astype(np.float64)
    deviation = np.sqrt(np.maximum(np.einsum("uk,kl,ul->u", users, covariance, users), 0.0))
    size = np.linalg.norm(users, axis=1) * np.sqrt(np.trace(covariance))
    opinionated = deviation > 1e-6 * np.maximum(size, np.finfo(np.float64).tiny)
    scale = np.divide(weight, deviation, out=np.zeros_like(deviation), where=opinionated)
    return FactorModel(
        (users * scale[:, np.newaxis]).astype(np.float32), centred.astype(np.float32)
    )


def blended(
    models: Mapping[str, FactorModel],
    weights: Mapping[str, float],
    available: npt.NDArray[np.bool_],
) -> dict[str, FactorModel]:
    """The models of positive weight, in the order of `weights`, ready to be summed."""
    return {
        name: standardised(models[name], weight, available)
        for name, weight in weights.items()
        if weight > 0
    }
