"""Items that the same people like: two steps on the graph of users and items.

A graph filter without training (GF-CF, Shen et al. 2021), whose sparse part is a weighted random
walk (RP3beta, Paudel et al. 2017), with the degree of users and items discounted by exponents of
their own.
"""

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from recsys.dataset.changes import IndexAlignment, aligned_square
from recsys.dataset.training import Training
from recsys.generators.contract import GeneratorConfig, Search, Span
from recsys.generators.neighbours import NeighbourModel, strongest
from recsys.sections.base import Count, NonNegative

MODEL: Final = NeighbourModel
SEARCH: Final[Search] = {
    "from_exponent": Span(0.2, 0.8),
    "to_exponent": Span(0.1, 0.7),
    "user_exponent": Span(0.1, 0.9),
}

Exponent = Annotated[float, Field(ge=0, le=2)]


class Config(GeneratorConfig):
    """similarity = Di^-from_exponent R' Du^-user_exponent R Di^-to_exponent."""

    weight: NonNegative = 0.7
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    from_exponent: Exponent = 0.5
    """Discount of the popularity of the item that a user has touched."""
    to_exponent: Exponent = 0.4
    """Discount of the popularity of the item that is recommended."""
    user_exponent: Exponent = 0.4
    """Discount of users who touched many items."""
    neighbours: Count = 1000
    """Items kept beside each."""


def fit(training: Training, config: Config, seed: int) -> NeighbourModel:  # noqa: ARG001
    """R is 1 where a user liked an item; a user's evidence is log2(1 + weight)."""
    liked = training.liked()
    history = _evidence(liked)
    liked.data = np.ones_like(liked.data)
    users, items = (np.asarray(liked.sum(axis=axis)).ravel() for axis in (1, 0))
    start = liked @ sparse.diags(_discount(items, config.from_exponent))
    back = sparse.diags(_discount(users, config.user_exponent)) @ liked
    back = back @ sparse.diags(_discount(items, config.to_exponent))
    similarity = (start.T.tocsr() @ back.tocsr()).astype(np.float32)
    similarity.setdiag(0)
    similarity.eliminate_zeros()
    return NeighbourModel(history, strongest(similarity, config.neighbours))


def updated(
    model: NeighbourModel,
    training: Training,
    config: Config,  # noqa: ARG001
    alignment: IndexAlignment,
) -> NeighbourModel:
    """Similarities as they were, evidence as it is."""
    return NeighbourModel(
        _evidence(training.liked()), aligned_square(model.similarity, alignment.items)
    )


def _evidence(liked: sparse.csr_matrix) -> sparse.csr_matrix:
    history = liked.copy()
    history.data = np.log2(1.0 + liked.data)
    return history


def _discount(degrees: npt.NDArray[np.floating], exponent: float) -> npt.NDArray[np.float64]:
    return np.where(degrees > 0, np.maximum(degrees, 1.0).astype(np.float64) ** -exponent, 0.0)
