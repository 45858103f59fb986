"""Models of which items go together: the score is the sum over a user's items."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import offsets_of
from recsys.generators.contract import Arrays, Rows, Scores


@dataclass(frozen=True)
class NeighbourModel:
    """score(u, i) = sum over j of history[u, j] similarity[j, i].

    j is an item that the user has touched, a segment that the user belongs to, or a word or tag of
    what the user likes.
    """

    history: sparse.csr_matrix
    """(users, j) float32 evidence of a user's interest."""
    similarity: sparse.csr_matrix
    """(j, items) float32; row j holds what interest in j says of every item."""

    def scores(self, users: Rows) -> Scores:
        """(u, items) summed similarities; see `Model`."""
        return np.asarray((self.history[users] @ self.similarity).toarray())

    def restricted(self, items: Rows) -> Self:
        """The model of some items alone."""
        return type(self)(self.history, self.similarity[:, items])

    def of_users(self, users: Rows) -> Self:
        """The model of some users alone."""
        return type(self)(self.history[users], self.similarity)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to keep."""
        parts = (("history", self.history), ("similarity", self.similarity))
        return {key: array for name, matrix in parts for key, array in _packed(name, matrix)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The model that `arrays()` came from."""
        return cls(_unpacked("history", arrays), _unpacked("similarity", arrays))


def strongest(similarity: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """The `most` greatest cells of each row; of equal ones those of lower columns."""
    matrix = similarity.sorted_indices()
    bounds = zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True)
    chosen = [start + _greatest(matrix.data[start:end], most) for start, end in bounds]
    offsets = offsets_of(np.array([len(places) for places in chosen], np.int64))
    kept = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], offsets), matrix.shape)


def _greatest(values: npt.NDArray[np.floating], most: int) -> npt.NDArray[np.int64]:
    """Ascending places of the `most` greatest values; of equal ones the first."""
    if len(values) <= most:
        return np.arange(len(values))
    edge = np.partition(values, -most)[-most]
    above = np.flatnonzero(values > edge)
    equal = np.flatnonzero(values == edge)[: most - len(above)]
    return np.sort(np.concatenate([above, equal]))


def _packed(name: str, matrix: sparse.csr_matrix) -> list[tuple[str, npt.NDArray[Any]]]:
    arrays = (("data", matrix.data), ("indices", matrix.indices), ("indptr", matrix.indptr))
    shape = np.array(matrix.shape, np.int64)
    return [*((f"{name}_{key}", array) for key, array in arrays), (f"{name}_shape", shape)]


def _unpacked(name: str, arrays: Arrays) -> sparse.csr_matrix:
    data, indices, indptr = (arrays[f"{name}_{key}"] for key in ("data", "indices", "indptr"))
    rows, columns = arrays[f"{name}_shape"].tolist()
    return sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))
