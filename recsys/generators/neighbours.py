"""Models of which items go together: the score is the sum over a user's items."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Mask, offsets_of
from recsys.generators.contract import Arrays, Rows, Scores

_ROWS: Final = 256
"""Rows of a product that a thread computes in turn."""


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
    lengths = np.diff(matrix.indptr)
    kept = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(lengths > most).tolist():
        cells = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[cells] = _greatest(matrix.data[cells], most)
    offsets = offsets_of(np.minimum(lengths, most))
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], offsets), matrix.shape)


def _greatest(values: npt.NDArray[np.floating], most: int) -> Mask:
    """True at the `most` greatest of more values; of equal ones at the first."""
    edge = np.partition(values, -most)[-most]
    kept = values > edge
    kept[np.flatnonzero(values == edge)[: most - np.count_nonzero(kept)]] = True
    return np.asarray(kept)


def strongest_products(
    left: sparse.csr_matrix, right: sparse.csr_matrix, most: int, power: float = 1.0
) -> sparse.csr_matrix:
    """(n, n) the `most` greatest cells of each row of left @ right, without the diagonal.

    left: (n, m). right: (m, n). power: that each cell is raised to.
    Rows are multiplied some at a time, by a thread each, so the whole product is never there.
    """

    def part(start: int) -> sparse.csr_matrix:
        product = (left[start : start + _ROWS] @ right).tocoo()
        other = product.row + start != product.col
        data = product.data[other] if power == 1.0 else product.data[other] ** power
        cells = (data, (product.row[other], product.col[other]))
        return strongest(sparse.csr_matrix(cells, shape=product.shape), most)

    with ThreadPoolExecutor() as threads:
        parts = list(threads.map(part, range(0, left.shape[0], _ROWS)))
    return sparse.vstack(parts, "csr")


def _packed(name: str, matrix: sparse.csr_matrix) -> list[tuple[str, npt.NDArray[Any]]]:
    arrays = (("data", matrix.data), ("indices", matrix.indices), ("indptr", matrix.indptr))
    shape = np.array(matrix.shape, np.int64)
    return [*((f"{name}_{key}", array) for key, array in arrays), (f"{name}_shape", shape)]


def _unpacked(name: str, arrays: Arrays) -> sparse.csr_matrix:
    data, indices, indptr = (arrays[f"{name}_{key}"] for key in ("data", "indices", "indptr"))
    rows, columns = arrays[f"{name}_shape"].tolist()
    return sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))
