"""Item-item weights by ridge regression: each item from the other items that a user liked.

In closed form over all items at once (EASE, Steck 2019); where that would be too many, item by item
over the items most similar to it, as SLIM with neighbourhoods does (fsSLIM, Ning and Karypis 2011),
with a ridge penalty alone.
"""

from typing import Annotated, Final

import numpy as np
from pydantic import Field
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys.dataset.changes import IndexAlignment, aligned_square
from recsys.dataset.training import Training
from recsys.generators import aging
from recsys.generators.contract import Search, Span
from recsys.generators.gram import Gram, blocks, in_threads
from recsys.generators.neighbours import ItemNeighbours, strongest
from recsys.sections.base import Count, NonNegative, Positive

MODEL: Final = ItemNeighbours
SEARCH: Final[Search] = {
    "regularization": Span(5.0, 1000.0, log=True),
    "user_exponent": Span(0.0, 0.8),
    "to_exponent": Span(-0.3, 0.3),
    **aging.SEARCH,
}


class Config(aging.Aging):
    """The weights of item i are (G + regularization I)^-1 G_i over the other items.

    G = R' Du^-user_exponent R. Cells of R fade.
    """

    weight: NonNegative = 0.7
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    regularization: Positive = 60.0
    """Ridge penalty."""
    user_exponent: Annotated[float, Field(ge=0, le=2)] = 0.3
    """Discount of users who touched many items; the discounts have mean 1 over all cells."""
    to_exponent: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Discount of the popularity of the item that is recommended."""
    max_items: Count = 6000
    """Items up to which all are solved at once, which costs the cube of their number."""
    neighbourhood: Count = 100
    """Beyond `max_items`, the most similar items that an item's weights are found among."""
    neighbours: Count = 500
    """Weights kept of each item, where all were solved at once."""


def fit(training: Training, config: Config, seed: int) -> ItemNeighbours:  # noqa: ARG001
    """R is 1 where a user liked an item and fades; items that nobody liked get no weights."""
    # Products of two cells fade as one, hence the root.
    cells = aging.faded(training, np.sqrt(aging.fading(training, config)))
    items = np.flatnonzero(np.bincount(cells.indices, minlength=cells.shape[1]))
    known = _discounted(cells[:, items], config.user_exponent)
    gram = Gram.of(known)
    sums = gram.diagonal()
    with threadpool_limits(limits=1, user_api="blas"):
        solve = _at_once if len(items) <= config.max_items else _one_by_one
        found = solve(gram, config)
    weights = sparse.coo_matrix(found)
    data = weights.data * np.power(sums, -config.to_exponent)[weights.col]
    shape = (cells.shape[1], cells.shape[1])
    similarity = sparse.csr_matrix((data, (items[weights.row], items[weights.col])), shape=shape)
    return ItemNeighbours(_ones(training), similarity.astype(np.float32))


def updated(
    model: ItemNeighbours,
    training: Training,
    config: Config,  # noqa: ARG001
    alignment: IndexAlignment,
) -> ItemNeighbours:
    """Weights as they were, what users liked as it is."""
    return ItemNeighbours(_ones(training), aligned_square(model.similarity, alignment.items))


def _ones(training: Training) -> sparse.csr_matrix:
    liked = training.liked()
    liked.data = np.ones_like(liked.data)
    return liked


def _discounted(cells: sparse.csr_matrix, exponent: float) -> sparse.csr_matrix:
    """(users, items) cells times the root of the user's discount, so that G is their product."""
    sizes = np.asarray(cells.multiply(cells).sum(axis=1), np.float64).ravel()
    discounts = np.power(sizes, -exponent, out=np.zeros(len(sizes)), where=sizes > 0)
    mean = (sizes @ discounts) / max(sizes.sum(), 1e-9)
    result = (sparse.diags(np.sqrt(discounts / max(mean, 1e-9))) @ cells).tocsr()
    return result.astype(np.float32)


def _at_once(gram: Gram, config: Config) -> sparse.csr_matrix:
    """(items, items) I - P / diag(P) with P = (G + regularization I)^-1."""
    (inverse,) = gram.among([np.arange(gram.cells.shape[1])])
    inverse[np.diag_indices_from(inverse)] += np.float32(config.regularization)
    inverse = linalg.inv(inverse, overwrite_a=True, check_finite=False)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return strongest(weights, config.neighbours)


def _one_by_one(gram: Gram, config: Config) -> sparse.csr_matrix:
    """(items, items) column i holds the weights of item i over the items of highest cosine."""
    scale = (1.0 / np.sqrt(gram.diagonal())).astype(np.float32)
    near = gram.nearest(config.neighbourhood, scale, scale)
    penalty = np.float32(config.regularization)
    (solved,) = linalg.get_lapack_funcs(("posv",), dtype=np.float32)

    def solve(items: range) -> None:
        cuts = [slice(near.indptr[item], near.indptr[item + 1]) for item in items]
        lists = (np.append(near.indices[own], item) for own, item in zip(cuts, items, strict=True))
        for own, sums in zip(cuts, gram.among(lists), strict=True):
            system, together = sums[:-1, :-1], sums[:-1, -1]
            system[np.diag_indices_from(system)] += penalty
            if len(system):
                near.data[own] = solved(system, together)[1]

    in_threads(solve, blocks(near.shape[0]))
    return near.T.tocsr()
