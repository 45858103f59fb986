"""Items that the same people like: two steps on the graph of users and items.

A graph filter without training (GF-CF, Shen et al. 2021), whose sparse part is a weighted random
walk (RP3beta, Paudel et al. 2017), with the degree of users and items discounted by exponents of
their own, and each similarity raised to a power (Turbo-CF, Park et al. 2024).
"""

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from recsys.dataset.changes import IndexAlignment, aligned_square
from recsys.dataset.training import Training
from recsys.generators import aging
from recsys.generators.contract import Search, Span
from recsys.generators.factors import Factors
from recsys.generators.gram import Gram
from recsys.generators.neighbours import ItemNeighbours
from recsys.sections.base import Count, NonNegative, Positive

MODEL: Final = ItemNeighbours
SEARCH: Final[Search] = {
    "from_exponent": Span(0.2, 0.8),
    "to_exponent": Span(0.1, 0.7),
    "user_exponent": Span(0.1, 1.0),
    "power": Span(0.6, 1.6),
    "neighbours": (100, 200, 500, 1000),
    **aging.SEARCH,
}

Exponent = Annotated[float, Field(ge=0, le=2)]


class Config(aging.Aging):
    """similarity = (Di^-from_exponent R' Du^-user_exponent R Di^-to_exponent)^power, cell by cell.

    Cells of R fade; D are sums of its cells.
    """

    weight: NonNegative = 0.7
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    from_exponent: Exponent = 0.5
    """Discount of the popularity of the item that a user has touched."""
    to_exponent: Exponent = 0.4
    """Discount of the popularity of the item that is recommended."""
    user_exponent: Exponent = 0.4
    """Discount of users who touched many items."""
    power: Positive = 1.0
    """Above 1, one strong similarity counts for more than several weak ones."""
    neighbours: Count = 500
    """Items kept beside each."""


def fit(training: Training, config: Config, seed: int) -> ItemNeighbours:  # noqa: ARG001
    """R is 1 where a user liked an item and fades with age; evidence is log2(1 + weight)."""
    cells = aging.faded(training, aging.fading(training, config))
    users, items = (np.asarray(cells.sum(axis=axis)).ravel() for axis in (1, 0))
    halves = sparse.diags(_discount(users, config.user_exponent / 2)) @ cells
    similarity = Gram.of(halves.tocsr().astype(np.float32)).nearest(
        config.neighbours,
        _discount(items, config.from_exponent),
        _discount(items, config.to_exponent),
        config.power,
    )
    return ItemNeighbours(_evidence(training.liked()), similarity)


def updated(
    model: ItemNeighbours,
    training: Training,
    config: Config,  # noqa: ARG001
    alignment: IndexAlignment,
) -> ItemNeighbours:
    """Similarities as they were, evidence as it is."""
    return ItemNeighbours(
        _evidence(training.liked()), aligned_square(model.similarity, alignment.items)
    )


def _evidence(liked: sparse.csr_matrix) -> sparse.csr_matrix:
    history = liked.copy()
    history.data = np.log2(1.0 + liked.data)
    return history


def _discount(degrees: npt.NDArray[np.floating], exponent: float) -> Factors:
    """(n,) degree^-exponent; 0 where the degree is 0."""
    sums = degrees.astype(np.float64)
    powers = np.power(sums, -exponent, out=np.zeros(len(sums)), where=sums > 0)
    return powers.astype(np.float32)
