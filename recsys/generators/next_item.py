"""What comes next: items that users turned to soon after those that a user has just touched.

Sequential rules (Ludewig and Jannach 2018) over a user's items in the order of their last events.
Where times lack nothing comes after anything, and all scores are 0.
"""

from typing import Annotated, Final

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys.arrays import Floats, Ints
from recsys.dataset.changes import IndexAlignment, aligned_square
from recsys.dataset.training import Training
from recsys.generators import aging
from recsys.generators.contract import Search, Span
from recsys.generators.neighbours import ItemNeighbours, strongest
from recsys.sections.base import Count, NonNegative, Positive

MODEL: Final = ItemNeighbours
SEARCH: Final[Search] = {
    "distance": Span(0.5, 30.0, log=True),
    "recency": Span(0.5, 100.0, log=True),
    "smoothing": Span(1.0, 100.0, log=True),
    "to_exponent": Span(0.0, 0.7),
    **aging.SEARCH,
}


class Config(aging.Aging):
    """weight of j after i = followers_ij / (followers_i + smoothing) followed_j^-to_exponent.

    A follower k places later counts exp(-(k - 1) / distance), and fades.
    """

    weight: NonNegative = 0.0
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    reach: Count = 10
    """Places after an item up to which others follow it."""
    distance: Positive = 10.0
    """Places after which a follower counts 1/e."""
    recency: Positive = 10.0
    """Places from the end of a user's sequence from which on an item says 1/e as much."""
    smoothing: NonNegative = 20.0
    """Followers' worth of doubt about items that few others follow."""
    to_exponent: Annotated[float, Field(ge=0, le=2)] = 0.3
    """Discount of items that follow many."""
    neighbours: Count = 500
    """Followers kept of each item."""


def fit(training: Training, config: Config, seed: int) -> ItemNeighbours:  # noqa: ARG001
    """Rules of what follows what, and each user's last items."""
    rules = _followers(training, config)
    before, after = (np.asarray(rules.sum(axis=axis)).ravel() for axis in (1, 0))
    doubtful = np.divide(
        1.0, before + config.smoothing, out=np.zeros_like(before), where=before > 0
    )
    discount = np.power(after, -config.to_exponent, out=np.zeros_like(after), where=after > 0)
    weights = (sparse.diags(doubtful) @ rules @ sparse.diags(discount)).tocsr().astype(np.float32)
    return ItemNeighbours(_recent(training, config), strongest(weights, config.neighbours))


def updated(
    model: ItemNeighbours, training: Training, config: Config, alignment: IndexAlignment
) -> ItemNeighbours:
    """Rules as they were, last items as they are."""
    return ItemNeighbours(
        _recent(training, config), aligned_square(model.similarity, alignment.items)
    )


def _followers(training: Training, config: Config) -> sparse.csr_matrix:
    """(items, items) followers of the row's item; of one time, neither follows the other."""
    order, users = _sequences(training)
    items, ages = training.history.indices[order], training.last_ages[order]
    left = aging.fading(training, config)[order].astype(np.float64)
    size = training.history.shape[1]
    rules = sparse.csr_matrix((size, size))
    for places in range(1, config.reach + 1):
        later = np.flatnonzero(users[places:] == users[:-places]) + places
        later = later[ages[later] < ages[later - places]]
        counts = np.exp(-(places - 1) / config.distance) * left[later]
        rules += sparse.csr_matrix((counts, (items[later - places], items[later])), (size, size))
    rules.setdiag(0)
    rules.eliminate_zeros()
    return rules


def _recent(training: Training, config: Config) -> sparse.csr_matrix:
    """(users, items) exp(-n / recency) of what a user liked; n of the user's items came later."""
    order, users = _sequences(training)
    ends = np.searchsorted(users, users, side="right")
    cells = np.zeros(training.history.nnz, np.float32)
    cells[order] = np.exp(-(ends - 1 - np.arange(len(order))) / config.recency)
    return aging.faded(training, cells)


def _sequences(training: Training) -> tuple[Ints, Ints]:
    """(c,) places of liked cells, user by user, the oldest first, and the user of each."""
    users = np.repeat(np.arange(training.history.shape[0]), np.diff(training.history.indptr))
    ages: Floats = training.last_ages.astype(np.float64)
    order = np.lexsort((training.history.indices, -ages, users))
    order = order[aging.liked(training)[order]]
    return order, users[order]
