"""Item-item weights by ridge regression: each item from the other items that a user liked.

In closed form over all items at once (EASE, Steck 2019); where that would be too many, item by item
over the items most similar to it, as SLIM with neighbourhoods does (fsSLIM, Ning and Karypis 2011),
with a ridge penalty alone.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys.dataset.changes import IndexAlignment, aligned_square
from recsys.dataset.training import Training
from recsys.generators.contract import GeneratorConfig, Search, Span
from recsys.generators.neighbours import NeighbourModel, strongest
from recsys.sections.base import Count, NonNegative, Positive

MODEL: Final = NeighbourModel
SEARCH: Final[Search] = {"regularization": Span(10.0, 2000.0, log=True)}
_SPAN: Final = 256
"""Items that a thread solves in turn."""


class Config(GeneratorConfig):
    """The weights of item i are (G + regularization I)^-1 G_i over the other items, G = R'R."""

    weight: NonNegative = 0.0
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    regularization: Positive = 200.0
    """Ridge penalty."""
    max_items: Count = 6000
    """Items up to which all are solved at once, which costs the cube of their number."""
    neighbourhood: Count = 100
    """Beyond `max_items`, the most similar items that an item's weights are found among."""
    neighbours: Count = 500
    """Weights kept of each item, where all were solved at once."""


def fit(training: Training, config: Config, seed: int) -> NeighbourModel:  # noqa: ARG001
    """R is 1 where a user liked an item; items that nobody liked get no weights."""
    liked = _ones(training)
    items = np.flatnonzero(np.bincount(liked.indices, minlength=liked.shape[1]))
    known = liked[:, items]
    gram = (known.T @ known).tocsr()
    with threadpool_limits(limits=1, user_api="blas"):
        whole = len(items) <= config.max_items
        found = _at_once(gram, config) if whole else _one_by_one(known, gram, config)
    weights = sparse.coo_matrix(found)
    cells = (weights.data, (items[weights.row], items[weights.col]))
    shape = (liked.shape[1], liked.shape[1])
    return NeighbourModel(liked, sparse.csr_matrix(cells, shape=shape, dtype=np.float32))


def updated(
    model: NeighbourModel,
    training: Training,
    config: Config,  # noqa: ARG001
    alignment: IndexAlignment,
) -> NeighbourModel:
    """Weights as they were, what users liked as it is."""
    return NeighbourModel(_ones(training), aligned_square(model.similarity, alignment.items))


def _ones(training: Training) -> sparse.csr_matrix:
    liked = training.liked()
    liked.data = np.ones_like(liked.data)
    return liked


def _at_once(gram: sparse.csr_matrix, config: Config) -> sparse.csr_matrix:
    """(items, items) I - P / diag(P) with P = (G + regularization I)^-1."""
    inverse = gram.toarray().astype(np.float32)
    inverse[np.diag_indices_from(inverse)] += np.float32(config.regularization)
    inverse = linalg.inv(inverse, overwrite_a=True, check_finite=False)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return strongest(sparse.csr_matrix(weights), config.neighbours)


def _one_by_one(
    liked: sparse.csr_matrix, gram: sparse.csr_matrix, config: Config
) -> sparse.csr_matrix:
    """(items, items) column i holds the weights of item i over its neighbourhood."""
    near = _neighbourhoods(gram, config.neighbourhood)
    fans = liked.T.tocsr()
    penalty = np.float32(config.regularization)

    def solve(items: range) -> None:
        for item in items:
            own = slice(near.indptr[item], near.indptr[item + 1])
            users = fans[near.indices[own]]
            system = (users @ users.T).toarray()
            system[np.diag_indices_from(system)] += penalty
            together = np.asarray((users @ fans[item].T).toarray())[:, 0]
            near.data[own] = np.linalg.solve(system, together)

    with ThreadPoolExecutor() as pool:
        list(pool.map(solve, _spans(gram.shape[0])))
    return near.T.tocsr()


def _spans(count: int) -> Iterator[range]:
    return (range(start, min(start + _SPAN, count)) for start in range(0, count, _SPAN))


def _neighbourhoods(gram: sparse.csr_matrix, size: int) -> sparse.csr_matrix:
    """(items, items) the `size` items of the highest cosine with each."""
    scale = sparse.diags(1.0 / np.sqrt(gram.diagonal()))
    cosine = (scale @ gram @ scale).tocsr().astype(np.float32)
    cosine.setdiag(0)
    cosine.eliminate_zeros()
    return strongest(cosine, size)
