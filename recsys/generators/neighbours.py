"""Models of which items go together: the score is the sum over a user's items."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Mask, Ragged, offsets_of
from recsys.generators.contract import Arrays, Contributions, Rows, Scores, Strongest
from recsys.generators.products import dense_product
from recsys.generators.speaking import strongest_of

_TOGETHER: Final = 32
"""Users whose lists are explained at once: more would not fit into the processor's cache."""


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
        return dense_product(self.history[users], self.similarity)

    def scores_of(self, users: Rows, items: Ragged) -> Scores:
        """(entries,) summed similarities; see `Model`."""
        starts = range(0, len(users), _TOGETHER)
        parts = [self._scores_of(users, items, start) for start in starts]
        return np.concatenate([np.empty(0, np.float32), *parts])

    def _scores_of(self, users: Rows, items: Ragged, start: int) -> Scores:
        """(entries,) scores of the items of some users from one on."""
        some = items.take(np.arange(start, min(start + _TOGETHER, len(users))))
        history = self.history[users[start : start + _TOGETHER]]
        touched = np.unique(history.indices)
        # Of what none of them has touched there is a column of zeros at the end.
        evidence = np.zeros((history.shape[0], len(touched) + 1), np.float32)
        evidence[:, :-1] = history[:, touched].toarray()
        places = np.full(history.shape[1], len(touched))
        places[touched] = np.arange(len(touched))
        beside = self._by_column[some.values]
        entries = np.repeat(np.arange(len(some.values)), np.diff(beside.indptr))
        parts = beside.data * evidence[some.lines()[entries], places[beside.indices]]
        return np.bincount(entries, parts, len(some.values)).astype(np.float32)

    @cached_property
    def _by_column(self) -> sparse.csr_matrix:
        """(items, j) the similarities, turned."""
        return self.similarity.T.tocsr()

    def restricted(self, items: Rows) -> Self:
        """The model of some items alone."""
        return type(self)(self.history, self.similarity[:, items])

    def of_users(self, users: Rows) -> Self:
        """The model of some users alone."""
        return type(self)(self.history[users], self.similarity)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to keep."""
        parts = (("history", self.history), ("similarity", self.similarity))
        return {key: array for name, matrix in parts for key, array in packed(name, matrix)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The model that `arrays()` came from."""
        return cls(unpacked("history", arrays), unpacked("similarity", arrays))


@dataclass(frozen=True)
class ItemNeighbours(NeighbourModel):
    """A `NeighbourModel` of which each j is an item: it `Explains` its scores."""

    def contributions(self, user: int, items: Rows) -> Contributions:
        """history[user, j] similarity[j, i]; see `Explains`."""
        cells = slice(*self.history.indptr[user : user + 2].tolist())
        own = self.history.indices[cells].astype(np.int64)
        weights = self.history.data[cells].astype(np.float64)
        beside = self.similarity[own][:, items].toarray().astype(np.float64)
        return Contributions(own, (beside * weights[:, np.newaxis]).T)

    def without(self, items: Ragged) -> Self:
        """See `ExplainsLists`."""
        return replace(self, history=without_cells(self.history, items))

    def strongest(self, users: Rows, lists: Ragged) -> Strongest:
        """See `ExplainsLists`; this is exact."""
        starts = range(0, len(users), _TOGETHER)
        parts = [self._strongest(users, lists, start) for start in starts]
        own = [part.own for part in parts] or [np.empty(0, np.int64)]
        shares = [part.shares for part in parts] or [np.empty(0, np.float32)]
        return Strongest(np.concatenate(own), np.concatenate(shares))

    def _strongest(self, users: Rows, lists: Ragged, start: int) -> Strongest:
        some = users[start : start + _TOGETHER]
        lengths = lists.lengths[start : start + _TOGETHER]
        lines = np.repeat(np.arange(len(some)), lengths)
        first = lists.offsets[start]
        beside = self._by_column[lists.values[first : first + len(lines)]]
        entries = np.repeat(np.arange(len(lines)), np.diff(beside.indptr))
        evidence = self.history[some].toarray()
        parts = beside.data * evidence[lines[entries], beside.indices]
        hits = np.flatnonzero(parts > 0)
        return strongest_of(entries[hits], beside.indices[hits], parts[hits], len(lines))


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


def without_cells(matrix: sparse.csr_matrix, barred: Ragged) -> sparse.csr_matrix:
    """The matrix without some cells of each row, itself where it has none of them."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    kept = ~np.isin(rows << 32 | matrix.indices.astype(np.int64), barred.pairs())
    if kept.all():
        return matrix
    offsets = offsets_of(np.bincount(rows[kept], minlength=matrix.shape[0]))
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], offsets), matrix.shape)


def packed(name: str, matrix: sparse.csr_matrix) -> list[tuple[str, npt.NDArray[Any]]]:
    """The arrays of a matrix, each with its name."""
    arrays = (("data", matrix.data), ("indices", matrix.indices), ("indptr", matrix.indptr))
    shape = np.array(matrix.shape, np.int64)
    return [*((f"{name}_{key}", array) for key, array in arrays), (f"{name}_shape", shape)]


def unpacked(name: str, arrays: Arrays) -> sparse.csr_matrix:
    """The matrix of arrays that `packed` gave."""
    data, indices, indptr = (arrays[f"{name}_{key}"] for key in ("data", "indices", "indptr"))
    rows, columns = arrays[f"{name}_shape"].tolist()
    return sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))
