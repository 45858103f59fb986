"""Item-item weights in closed form (EASE, Steck 2019), on the items with the most users."""

from typing import Final

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys.interactions.training import Training
from recsys.models.contract import GeneratorConfig, Search, Span
from recsys.models.neighbours import NeighbourModel, strongest
from recsys.section import Count, NonNegative, Positive

MODEL: Final = NeighbourModel
SEARCH: Final[Search] = {"regularization": Span(20.0, 2000.0, log=True)}


class Config(GeneratorConfig):
    """B = I - P / diag(P) with P = (R'R + regularization I)^-1."""

    weight: NonNegative = 0.0
    regularization: Positive = 200.0
    max_items: Count = 6000
    """Items of the closed form, which costs the cube of their number; others get no score."""
    neighbours: Count = 500
    """Weights kept of each item."""


def fit(training: Training, config: Config, seed: int) -> NeighbourModel:  # noqa: ARG001
    """R is 1 where a user liked an item, among the `max_items` with the most users."""
    liked = training.liked()
    liked.data = np.ones_like(liked.data)
    degrees = np.asarray(liked.sum(axis=0)).ravel()
    chosen = np.sort(np.argsort(-degrees, kind="stable")[: config.max_items])
    chosen = chosen[degrees[chosen] > 0]
    weights = sparse.coo_matrix(_weights(liked[:, chosen], config))
    cells = (weights.data, (chosen[weights.row], chosen[weights.col]))
    shape = (liked.shape[1], liked.shape[1])
    return NeighbourModel(liked, sparse.csr_matrix(cells, shape=shape, dtype=np.float32))


def _weights(liked: sparse.csr_matrix, config: Config) -> sparse.csr_matrix:
    gram = (liked.T @ liked).toarray().astype(np.float32)
    if not len(gram):
        return sparse.csr_matrix((0, 0), dtype=np.float32)
    gram[np.diag_indices_from(gram)] += np.float32(config.regularization)
    with threadpool_limits(limits=1, user_api="blas"):
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return strongest(sparse.csr_matrix(weights), config.neighbours)
