"""Models that are vectors: the score is an inner product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ragged
from recsys.errors import SchemaError
from recsys.generators.contract import Rows

CHUNK: Final = 256
"""Users scored at once. Every product has this many rows, and a user stands in the same one of
them always: BLAS kernels round rows by their place, and lists must not depend on how users are
spread over tasks."""

Factors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FactorModel:
    """score(u, i) = user_factors[u] . item_factors[i].

    A user of zeros is one the model knows nothing about.
    """

    user_factors: Factors
    """(users, k) one vector a row of the user index."""
    item_factors: Factors
    """(items, k) one vector a row of the item index."""

    def __post_init__(self) -> None:
        if self.user_factors.shape[1] != self.item_factors.shape[1]:
            shapes = f"{self.user_factors.shape} and {self.item_factors.shape}"
            raise SchemaError(f"user and item factors differ in length: {shapes}; train again")

    def scores(self, users: Rows) -> Factors:
        """(u, items) inner products; see `Model`."""
        chunk = np.zeros((CHUNK, self.user_factors.shape[1]), np.float32)
        chunk[users % CHUNK] = self.user_factors[users]
        scores = chunk @ self.item_factors.T
        return np.asarray(scores if len(users) == CHUNK else scores[users % CHUNK])

    def scores_of(self, users: Rows, items: Ragged) -> Factors:
        """(entries,) inner products; see `Model`."""
        scores, lines = np.zeros(len(items.values), np.float32), items.lines()
        # Dimension by dimension, so that a sum does not depend on how many pairs there are.
        columns = np.ascontiguousarray(self.user_factors[users].T)
        for own, others in zip(columns, self.item_factors.T, strict=True):
            scores += own[lines] * others[items.values]
        return scores

    def restricted(self, items: Rows) -> Self:
        """The model of some items alone, its items laid out for products."""
        return type(self)(self.user_factors, np.asfortranarray(self.item_factors[items]))

    def of_users(self, users: Rows) -> Self:
        """The model of some users alone."""
        return type(self)(self.user_factors[users], self.item_factors)

    def arrays(self) -> dict[str, Factors]:
        """The arrays to keep."""
        return {"user_factors": self.user_factors, "item_factors": self.item_factors}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that `arrays()` came from."""
        return cls(arrays["user_factors"], arrays["item_factors"])
