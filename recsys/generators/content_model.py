"""Words, tags and attributes of users and items, with what the users' come from."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Floats
from recsys.errors import SchemaError
from recsys.generators.contract import Arrays, Contributions, Rows
from recsys.generators.neighbours import NeighbourModel, packed, unpacked


@dataclass(frozen=True)
class ContentModel(NeighbourModel):
    """A `NeighbourModel` over terms that `Explains` its scores by the items that terms are from."""

    terms: sparse.csr_matrix
    """(terms, items) of all items, whichever are scored."""
    touched: sparse.csr_matrix
    """(users, items) faded weights of what users liked."""
    scale: Floats
    """(users,) what a touched item's terms are multiplied by, besides its weight."""

    def restricted(self, items: Rows) -> Self:
        """The model of some items alone."""
        return replace(self, similarity=self.similarity[:, items])

    def of_users(self, users: Rows) -> Self:
        """The model of some users alone."""
        history, touched = self.history[users], self.touched[users]
        return replace(self, history=history, touched=touched, scale=self.scale[users])

    def contributions(self, user: int, items: Rows) -> Contributions:
        """Products over the terms that the user has; see `Explains`.

        The rest of a score comes from the user's own profile.
        """
        cells = slice(*self.touched.indptr[user : user + 2].tolist())
        own = self.touched.indices[cells].astype(np.int64)
        weights = self.touched.data[cells].astype(np.float64) * self.scale[user]
        kept = self.history[user].indices
        mine = self.terms[kept][:, own].astype(np.float64)
        theirs = self.similarity[kept][:, items].astype(np.float64)
        return Contributions(own, (theirs.T @ mine).toarray() * weights)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to keep."""
        return super().arrays() | dict(packed("touched", self.touched)) | {"scale": self.scale}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The model that `arrays()` came from; raises SchemaError for an earlier version's."""
        if "scale" not in arrays:
            raise SchemaError(
                "the content model was made by an earlier version; run train_generators again"
            )
        terms, touched = unpacked("similarity", arrays), unpacked("touched", arrays)
        return cls(unpacked("history", arrays), terms, terms, touched, arrays["scale"])
