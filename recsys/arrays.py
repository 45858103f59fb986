"""Arrays that many modules pass on: row numbers, masks, and rows of differing lengths."""

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
UserRows = Ints
"""Places in the user index."""
ItemRows = Ints
"""Places in the item index."""


class Ragged(NamedTuple):
    """Lists of integers of differing lengths, stored one after the other: a list a user, say."""

    offsets: Ints
    """(n + 1,) from 0; list i is values[offsets[i]:offsets[i + 1]]."""
    values: Ints
    """(p,) all lists' entries."""

    @classmethod
    def of_lengths(cls, lengths: npt.NDArray[np.integer], values: Ints) -> Self:
        """Cut values into lists. lengths: (n,) entries of each, p in all."""
        return cls(offsets_of(lengths), values)

    @classmethod
    def of_matrix(cls, matrix: sparse.csr_matrix) -> Self:
        """List the stored columns of each row."""
        return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))

    @property
    def lengths(self) -> Ints:
        """(n,) entries of each list."""
        return np.diff(self.offsets)

    def lines(self) -> Ints:
        """(p,) the number of the list that each entry is in."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def pairs(self) -> Ints:
        """(p,) one number for the list and the value of each entry. values: below 2**32."""
        return self.lines() << 32 | self.values

    def take(self, lists: Ints) -> "Ragged":
        """Some of the lists, in the order of their numbers (m,)."""
        offsets, places = ranges(self.offsets[lists], self.lengths[lists])
        return Ragged(offsets, self.values[places])

    def where(self, kept: Mask) -> "Ragged":
        """The same lists with some of their entries, by (p,) mask."""
        lengths = np.bincount(self.lines()[kept], minlength=len(self.offsets) - 1)
        return Ragged.of_lengths(lengths, self.values[kept])

    def cut(self, length: int) -> "Ragged":
        """The first entries of each list, so many at most."""
        offsets, places = ranges(self.offsets[:-1], np.minimum(self.lengths, length))
        return Ragged(offsets, self.values[places])

    def without(self, others: "Ragged") -> "Ragged":
        """The lists without what the other list of the same number has."""
        return self.where(~np.isin(self.pairs(), others.pairs()))


def cells_of(matrix: sparse.csr_matrix, rows: Ints, columns: Ints) -> npt.NDArray[Any]:
    """(n,) values of some cells of a matrix, 0 of those that are not stored."""
    # Of no cells at all scipy makes a matrix.
    if not len(rows):
        return np.empty(0, matrix.dtype)
    return np.asarray(matrix[rows, columns]).ravel()


def offsets_of(lengths: npt.NDArray[np.integer]) -> Ints:
    """(n + 1,) offsets of lists of these lengths, from 0."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def ranges(starts: Ints, lengths: Ints) -> Ragged:
    """The numbers of n ranges, each a list. starts, lengths: (n,)."""
    offsets = offsets_of(lengths)
    # Each range is a run of consecutive numbers, shifted from its place in the result to its start.
    return Ragged(offsets, np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths))
