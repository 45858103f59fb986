"""Matrix factorisation of implicit feedback by alternating least squares (Hu et al. 2008)."""

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.config import Als
from recsys.models.factors import FactorModel


def fit_als(weights: sparse.csr_matrix, config: Als, seed: int) -> FactorModel:
    """Fits `implicit`'s ALS with confidence 1 + alpha * weight.

    weights: (users, items) float32; a cell is the decayed weight of an interaction.
    Users and items without interactions get zero vectors. The result depends on the seed, not on
    the number of threads: `implicit` solves each row by itself, and BLAS below it is held to one.
    """
    confidence = weights.astype(np.float32, copy=True)
    confidence.data = 1.0 + np.float32(config.alpha) * confidence.data
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=config.factors,
            regularization=config.regularization,
            alpha=1.0,
            iterations=config.iterations,
            random_state=seed,
        )
        model.fit(confidence, show_progress=False)
    return FactorModel(model.user_factors, model.item_factors)
