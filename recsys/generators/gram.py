"""Sums over users of products of two items' cells, which similarities are made of."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
from scipy import sparse

from recsys.arrays import ItemRows, ranges
from recsys.generators.factors import Factors
from recsys.generators.neighbours import strongest

T = TypeVar("T")
DENSE: Final = 16_000
"""Items up to which all sums are kept, in 1 GiB at most."""
_ROWS: Final = 256
"""Items that a thread looks at in turn."""
_SQUARE: Final = 1024
"""Items of a block of sums: each is computed for one of two symmetric halves."""


@dataclass(frozen=True)
class Gram:
    """G = X'X for (users, items) X: kept whole where items are few, else found where asked for."""

    cells: sparse.csr_matrix
    """(users, items) X, float32."""
    fans: sparse.csr_matrix
    """(items, users) X'."""
    whole: Factors | None
    """(items, items) G."""

    @classmethod
    def of(cls, cells: sparse.csr_matrix) -> Self:
        """G of float32 cells (users, items)."""
        fans = cells.T.tocsr()
        return cls(cells, fans, _whole(cells, fans) if cells.shape[1] <= DENSE else None)

    def diagonal(self) -> Factors:
        """(items,) sums of squares."""
        return np.asarray(self.cells.multiply(self.cells).sum(axis=0), np.float32).ravel()

    def among(self, items: ItemRows) -> Factors:
        """(m, m) sums of m items, the caller's own."""
        if self.whole is not None:
            return self.whole[np.ix_(items, items)]
        starts, lengths = self.fans.indptr[items], np.diff(self.fans.indptr)[items]
        offsets, places = ranges(starts, lengths)
        users = np.unique(self.fans.indices[places], return_inverse=True)[1]
        shape = (len(items), int(users.max(initial=-1)) + 1)
        own = sparse.csr_matrix((self.fans.data[places], users, offsets), shape=shape)
        return np.asarray((own @ own.T).toarray())

    def nearest(
        self, most: int, of_row: Factors, of_column: Factors, power: float = 1.0
    ) -> sparse.csr_matrix:
        """(items, items) float32 the `most` greatest of (of_row[i] G_ij of_column[j])^power a row.

        of_row, of_column: (items,) float32. No item is near itself.
        """

        def part(rows: range) -> sparse.csr_matrix:
            sums = self._rows(rows, of_row, of_column)
            cells = sums if isinstance(sums, np.ndarray) else sums.data
            if power != 1.0:
                np.power(cells, np.float32(power), out=cells)
            return strongest(sums, most)

        parts = in_threads(part, blocks(self.cells.shape[1], _ROWS))
        return sparse.vstack(parts, "csr") if parts else sparse.csr_matrix((0, 0), dtype="f4")

    def _rows(
        self, rows: range, of_row: Factors, of_column: Factors
    ) -> Factors | sparse.csr_matrix:
        """(r, items) some rows of G times both factors, the diagonal 0; dense if G is whole."""
        if self.whole is not None:
            sums = self.whole[rows.start : rows.stop] * of_column
            sums *= of_row[rows.start : rows.stop, np.newaxis]
            sums[np.arange(len(rows)), np.array(rows)] = 0.0
            return np.asarray(sums)
        scaled = sparse.diags(of_row[rows.start : rows.stop]) @ self.fans[rows.start : rows.stop]
        part = (scaled @ self.cells).tocsr()
        lines = np.repeat(np.array(rows), np.diff(part.indptr))
        part.data *= of_column[part.indices] * (lines != part.indices)
        return part


def blocks(count: int, size: int = _ROWS) -> Iterator[range]:
    """The numbers below `count`, some at a time."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def in_threads(work: Callable[[range], T], parts: Iterator[range]) -> list[T]:
    """The results of all parts, in their order."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(work, parts))


def _whole(cells: sparse.csr_matrix, fans: sparse.csr_matrix) -> Factors:
    sums = np.empty((cells.shape[1], cells.shape[1]), np.float32)

    def fill(rows: range) -> None:
        part = (fans[rows.start : rows.stop] @ cells[:, rows.start :]).toarray()
        sums[rows.start : rows.stop, rows.start :] = part
        sums[rows.start :, rows.start : rows.stop] = part.T

    in_threads(fill, blocks(len(sums), _SQUARE))
    return sums
