"""What every model comes down to: vectors whose inner product is the score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recsys.errors import SchemaError

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

    def arrays(self) -> dict[str, Factors]:
        """The arrays to store."""
        return {"user_factors": self.user_factors, "item_factors": self.item_factors}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that `arrays()` came from."""
        return cls(arrays["user_factors"], arrays["item_factors"])
