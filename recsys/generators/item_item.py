"""Item-item weights by ridge regression: each item from the other items that a user liked.

In closed form over all items at once (EASE, Steck 2019; with a dropout penalty EDLAE, Steck 2020);
where that would be too many, item by item over the items most similar to it, as SLIM with
neighbourhoods does (fsSLIM, Ning and Karypis 2011), with a ridge penalty alone.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Final

import numpy as np
from pydantic import Field
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys.arrays import ItemRows, ranges
from recsys.dataset.changes import IndexAlignment, aligned_square
from recsys.dataset.training import Training
from recsys.generators import aging
from recsys.generators.contract import Search, Span
from recsys.generators.factors import Factors
from recsys.generators.neighbours import NeighbourModel, strongest, strongest_products
from recsys.sections.base import Count, NonNegative, Positive

MODEL: Final = NeighbourModel
SEARCH: Final[Search] = {
    "regularization": Span(5.0, 1000.0, log=True),
    "user_exponent": Span(0.0, 0.8),
    "to_exponent": Span(-0.3, 0.3),
    "dropout": Span(0.0, 0.7),
    **aging.SEARCH,
}
_SPAN: Final = 256
"""Items that a thread solves in turn."""
_DENSE: Final = 16_000
"""Items up to which sums of products are kept of all pairs, in 1 GiB at most."""


class Config(aging.Aging):
    """The weights of item i are (G + D)^-1 G_i over the other items, G = R' Du^-user_exponent R.

    D is regularization + dropout / (1 - dropout) G_jj for item j. Cells of R fade.
    """

    weight: NonNegative = 0.0
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    regularization: Positive = 60.0
    """Ridge penalty."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of what users liked that an item's weights must do without: a penalty that grows with
    popularity."""
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


def fit(training: Training, config: Config, seed: int) -> NeighbourModel:  # noqa: ARG001
    """R is 1 where a user liked an item and fades; items that nobody liked get no weights."""
    # Products of two cells fade as one, hence the root.
    cells = aging.faded(training, np.sqrt(aging.fading(training, config)))
    items = np.flatnonzero(np.bincount(cells.indices, minlength=cells.shape[1]))
    known = _discounted(cells[:, items], config.user_exponent)
    sums = np.asarray(known.multiply(known).sum(axis=0)).ravel()
    penalty = config.regularization + config.dropout / (1.0 - config.dropout) * sums
    with threadpool_limits(limits=1, user_api="blas"):
        solve = _at_once if len(items) <= config.max_items else _one_by_one
        found = solve(known, penalty.astype(np.float32), config)
    weights = sparse.coo_matrix(found)
    data = weights.data * np.power(sums, -config.to_exponent)[weights.col]
    shape = (cells.shape[1], cells.shape[1])
    similarity = sparse.csr_matrix((data, (items[weights.row], items[weights.col])), shape=shape)
    return NeighbourModel(_ones(training), similarity.astype(np.float32))


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


def _discounted(cells: sparse.csr_matrix, exponent: float) -> sparse.csr_matrix:
    """(users, items) cells times the root of the user's discount, so that G is their product."""
    sizes = np.asarray(cells.multiply(cells).sum(axis=1), np.float64).ravel()
    discounts = np.power(sizes, -exponent, out=np.zeros(len(sizes)), where=sizes > 0)
    mean = (sizes @ discounts) / max(sizes.sum(), 1e-9)
    result = (sparse.diags(np.sqrt(discounts / max(mean, 1e-9))) @ cells).tocsr()
    return result.astype(np.float32)


def _at_once(known: sparse.csr_matrix, penalty: Factors, config: Config) -> sparse.csr_matrix:
    """(items, items) I - P / diag(P) with P = (G + D)^-1. known: (users, items). penalty: (items,)
    diagonal of D."""
    inverse = (known.T @ known).toarray()
    inverse[np.diag_indices_from(inverse)] += penalty
    inverse = linalg.inv(inverse, overwrite_a=True, check_finite=False)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return strongest(sparse.csr_matrix(weights), config.neighbours)


def _one_by_one(known: sparse.csr_matrix, penalty: Factors, config: Config) -> sparse.csr_matrix:
    """(items, items) column i holds the weights of item i over its neighbourhood."""
    near = _neighbourhoods(known, config.neighbourhood)
    products = _products(known)
    (solved,) = linalg.get_lapack_funcs(("posv",), dtype=np.float32)

    def solve(items: range) -> None:
        for item in items:
            own = slice(near.indptr[item], near.indptr[item + 1])
            others = near.indices[own]
            system = products(np.append(others, item))
            together = system[:-1, -1].copy()
            system = system[:-1, :-1]
            system[np.diag_indices_from(system)] += penalty[others]
            if len(others):
                near.data[own] = solved(system, together)[1]

    with ThreadPoolExecutor() as pool:
        list(pool.map(solve, _spans(known.shape[1])))
    return near.T.tocsr()


def _spans(count: int) -> Iterator[range]:
    return (range(start, min(start + _SPAN, count)) for start in range(0, count, _SPAN))


def _neighbourhoods(known: sparse.csr_matrix, size: int) -> sparse.csr_matrix:
    """(items, items) the `size` items of the highest cosine with each."""
    lengths = np.sqrt(np.asarray(known.multiply(known).sum(axis=0)).ravel())
    scaled = (known @ sparse.diags(1.0 / lengths)).tocsr().astype(np.float32)
    return strongest_products(scaled.T.tocsr(), scaled, size)


def _products(known: sparse.csr_matrix) -> Callable[[ItemRows], Factors]:
    """A function that gives the (m, m) part of G of m items, the caller's own."""
    fans = known.T.tocsr()
    if fans.shape[0] <= _DENSE:
        gram = _gram(fans)
        return lambda items: gram[np.ix_(items, items)]

    def among(items: ItemRows) -> Factors:
        offsets, places = ranges(fans.indptr[items], np.diff(fans.indptr)[items])
        users = np.unique(fans.indices[places], return_inverse=True)[1]
        cells = (fans.data[places], users, offsets)
        own = sparse.csr_matrix(cells, shape=(len(items), int(users.max(initial=-1)) + 1))
        return np.asarray((own @ own.T).toarray())

    return among


def _gram(fans: sparse.csr_matrix) -> Factors:
    """(items, items) G, some rows by a thread each. fans: (items, users)."""
    back, gram = fans.T.tocsr(), np.empty((fans.shape[0], fans.shape[0]), np.float32)

    def fill(items: range) -> None:
        gram[items.start : items.stop] = (fans[items.start : items.stop] @ back).toarray()

    with ThreadPoolExecutor() as threads:
        list(threads.map(fill, _spans(len(gram))))
    return gram
