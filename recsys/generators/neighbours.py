"""Models of which items go together: the score is the sum over a user's items."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Mask, offsets_of
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


def strongest(similarity: Scores | sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """The `most` greatest cells of each row; of equal ones those of lower columns.

    similarity: (n, m); dense, its cells of 0 are none.
    """
    if isinstance(similarity, np.ndarray):
        kept = similarity != 0
        for row, values in enumerate(similarity):
            kept[row] &= _greatest(values, most)
        offsets = offsets_of(kept.sum(axis=1))
        columns = np.nonzero(kept)[1]
        return sparse.csr_matrix((similarity[kept], columns, offsets), similarity.shape)
    matrix = similarity.sorted_indices()
    lengths = np.diff(matrix.indptr)
    kept = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(lengths > most).tolist():
        cells = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[cells] = _greatest(matrix.data[cells], most)
    offsets = offsets_of(np.minimum(lengths, most))
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], offsets), matrix.shape)


def _greatest(values: npt.NDArray[np.floating], most: int) -> Mask:
    """True at the `most` greatest values; of equal ones at the first."""
    if len(values) <= most:
        return np.ones(len(values), np.bool_)
    edge = np.partition(values, -most)[-most]
    kept = values > edge
    kept[np.flatnonzero(values == edge)[: most - np.count_nonzero(kept)]] = True
    return np.asarray(kept)


def _packed(name: str, matrix: sparse.csr_matrix) -> list[tuple[str, npt.NDArray[Any]]]:
    arrays = (("data", matrix.data), ("indices", matrix.indices), ("indptr", matrix.indptr))
    shape = np.array(matrix.shape, np.int64)
    return [*((f"{name}_{key}", array) for key, array in arrays), (f"{name}_shape", shape)]


def _unpacked(name: str, arrays: Arrays) -> sparse.csr_matrix:
    data, indices, indptr = (arrays[f"{name}_{key}"] for key in ("data", "indices", "indptr"))
    rows, columns = arrays[f"{name}_shape"].tolist()
    return sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))
