"""Sums over users of products of two items' cells, which similarities are made of."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
from scipy import sparse

from recsys.arrays import ItemRows
from recsys.generators.factors import Factors
from recsys.generators.neighbours import strongest
from recsys.generators.products import dense_product

T = TypeVar("T")
DENSE: Final = 16_000
"""Items up to which all sums are kept, in 1 GiB at most."""
_ROWS: Final = 256
"""Items that a thread looks at in turn."""


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

    def among(self, lists: Iterable[ItemRows]) -> Iterator[Factors]:
        """(m, m) sums of the m items of each list, the caller's own."""
        if self.whole is not None:
            yield from (self.whole[np.ix_(items, items)] for items in lists)
            return
        from recsys.generators.loops import add_among  # noqa: PLC0415 - imports Numba

        room = np.full(self.fans.shape[1], -1, np.int32)
        for items in lists:
            sums = np.zeros((len(items), len(items)), np.float32)
            add_among(sums, items, self.fans.indptr, self.fans.indices, self.fans.data, room)
            yield sums

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
    """Both halves: to turn one over takes as long as to make the other."""
    sums = np.empty((cells.shape[1], cells.shape[1]), np.float32)

    def fill(items: range) -> None:
        rows = slice(items.start, items.stop)
        sums[rows] = dense_product(fans[rows], cells)

    in_threads(fill, blocks(len(sums)))
    return sums
