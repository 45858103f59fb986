"""Loops that NumPy and SciPy have no fast call for, compiled by Numba.

A sparse matrix is three arrays here, as in `scipy.sparse.csr_matrix`: the offsets of its rows, its
columns and its values. Numba compiles a function when it is first called, and keeps what it made
beside this file or in the user's cache; where neither can be written, every process compiles anew.
Importing it takes a third of a second, so this module is imported where a loop is about to run.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from recsys.generators.factors import Factors

Loop = TypeVar("Loop", bound=Callable[..., object])
Places = npt.NDArray[np.int32] | npt.NDArray[np.int64]

_ROOM = 2048
"""Cells whose vectors are copied side by side: as many as fit into the processor's cache."""
_TOGETHER = 64
"""Rows that take a step together at most."""
_SOLVED = np.float32(1e-20)
"""Squared length of the residual at which a row is taken as solved."""
_ONE = np.float32(1)


def _compiled(*, in_order: bool = True) -> Callable[[Loop], Loop]:
    """Machine code that lets other threads run. in_order: whether sums are made in the order that
    is written; several terms at once are faster, and rounded otherwise by another processor."""
    fast = set[str]() if in_order else {"reassoc", "contract", "nsz"}

    def compiled(loop: Loop) -> Loop:
        with suppress(RuntimeError, OSError):
            kept = numba.njit(loop, cache=True, nogil=True, fastmath=fast)
            # Of code in an archive Numba does not ask whether the user's cache can be written.
            folder = Path(kept.stats.cache_path)
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                return cast("Loop", kept)
        return cast("Loop", numba.njit(loop, nogil=True, fastmath=fast))

    return compiled


@_compiled()
def add_product(
    sums: Factors,
    offsets: Places,
    columns: Places,
    values: Factors,
    right_offsets: Places,
    right_columns: Places,
    right_values: Factors,
) -> None:
    """Add to (n, m) sums the product of two matrices, (n, j) and (j, m)."""
    for row in range(len(offsets) - 1):
        own = sums[row]
        for cell in range(offsets[row], offsets[row + 1]):
            value, middle = values[cell], columns[cell]
            for other in range(right_offsets[middle], right_offsets[middle + 1]):
                own[right_columns[other]] += value * right_values[other]


@_compiled()
def add_among(
    sums: Factors,
    chosen: Places,
    offsets: Places,
    columns: Places,
    values: Factors,
    latest: npt.NDArray[np.int32],
) -> None:
    """Add to (m, m) sums the products of m rows of a matrix with each other.

    chosen: (m,) rows. latest: (columns,) room to work in, -1 before and after. Each cell is put on
    a list of its column after it has been multiplied with those that are on it, so nothing is spent
    on columns that only one of the rows has.
    """
    size = 0
    for row in chosen:
        size += offsets[row + 1] - offsets[row]
    before, lines = np.empty(size, np.int32), np.empty(size, np.int32)
    cells = np.empty(size, np.int64)
    count = 0
    for line in range(len(chosen)):
        row = chosen[line]
        for cell in range(offsets[row], offsets[row + 1]):
            column, value = columns[cell], values[cell]
            sums[line, line] += value * value
            entry = latest[column]
            before[count], lines[count], cells[count] = entry, line, cell
            latest[column] = count
            count += 1
            while entry >= 0:
                sums[lines[entry], line] += value * values[cells[entry]]
                entry = before[entry]
    for entry in range(count):
        latest[columns[cells[entry]]] = -1
    for line in range(len(chosen)):
        for other in range(line):
            sums[line, other] = sums[other, line]


@_compiled(in_order=False)
def _begin(
    row: Factors, residual: Factors, places: Places, c: Factors, vectors: Factors, near: Factors
) -> np.float32:
    """Make -A x into the residual V'c - (A + V'(C - I)V) x, and give its squared length.

    places, c: (cells,) of the row. near: (cells, k) becomes V.
    """
    for cell in range(len(places)):
        far, vector = vectors[places[cell]], near[cell]
        product = np.float32(0)
        for place in range(len(row)):
            vector[place] = far[place]
            product += far[place] * row[place]
        factor = c[cell] - (c[cell] - _ONE) * product
        for place in range(len(row)):
            residual[place] += factor * vector[place]
    size = np.float32(0)
    for place in range(len(row)):
        size += residual[place] * residual[place]
    return size


@_compiled(in_order=False)
def _step(
    row: Factors,
    residual: Factors,
    direction: Factors,
    image: Factors,
    c: Factors,
    near: Factors,
    size: np.float32,
) -> np.float32:
    """Make a step of conjugate gradients, and give the residual's new squared length.

    direction, image: (k,) p, and A p before. c: (cells,). near: (cells, k) V. size: before it.
    """
    for cell in range(len(c)):
        vector, product = near[cell], np.float32(0)
        for place in range(len(row)):
            product += vector[place] * direction[place]
        factor = (c[cell] - _ONE) * product
        for place in range(len(row)):
            image[place] += factor * vector[place]
    along = np.float32(0)
    for place in range(len(row)):
        along += direction[place] * image[place]
    stride, left = size / along, np.float32(0)
    for place in range(len(row)):
        row[place] += stride * direction[place]
        residual[place] -= stride * image[place]
        left += residual[place] * residual[place]
    turn = left / size
    for place in range(len(row)):
        direction[place] = residual[place] + turn * direction[place]
    return left


@_compiled(in_order=False)
def move_rows(
    rows: Factors,
    offsets: Places,
    columns: Places,
    confidence: Factors,
    vectors: Factors,
    everybody: Factors,
    steps: int,
) -> None:
    """Move (n, k) rows by steps of conjugate gradients towards (A + V'(C - I)V) x = V'c.

    offsets, columns, confidence: (n, m) C, 1 or more in its cells; a row without cells becomes
    zeros. vectors: (m, k), V being those of a row's cells. everybody: (k, k) A. Takacs, Pilaszy
    and Tikk, Applications of the conjugate gradient method for implicit feedback collaborative
    filtering (2011). Some rows step together, so that A is multiplied with all of them at once.
    Their vectors are copied side by side, so that those far away in memory are waited for once and
    not in each step. Which rows go together depends on the matrix alone.
    """
    longest = _ROOM
    for row in range(len(rows)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    near = np.empty((longest, rows.shape[1]), np.float32)
    residuals = np.empty((_TOGETHER, rows.shape[1]), np.float32)
    directions, images = np.empty_like(residuals), np.empty_like(residuals)
    sizes = np.zeros(_TOGETHER, np.float32)
    first = 0
    while first < len(rows):
        end = first + 1
        while end < min(len(rows), first + _TOGETHER) and (
            offsets[end + 1] - offsets[first] <= longest
        ):
            end += 1
        count, base = end - first, offsets[first]
        np.dot(rows[first:end], everybody, residuals[:count])
        for line in range(count):
            cells = slice(offsets[first + line], offsets[first + line + 1])
            sizes[line] = 0.0
            if cells.start == cells.stop:
                rows[first + line] = 0.0
                continue
            own, residual = rows[first + line], residuals[line]
            for place in range(len(own)):
                residual[place] = -residual[place]
            copied = near[cells.start - base : cells.stop - base]
            sizes[line] = _begin(own, residual, columns[cells], confidence[cells], vectors, copied)
            directions[line] = residual
        for _ in range(steps):
            np.dot(directions[:count], everybody, images[:count])
            for line in range(count):
                if sizes[line] < _SOLVED:
                    continue
                cells = slice(offsets[first + line], offsets[first + line + 1])
                sizes[line] = _step(
                    rows[first + line],
                    residuals[line],
                    directions[line],
                    images[line],
                    confidence[cells],
                    near[cells.start - base : cells.stop - base],
                    sizes[line],
                )
        first = end
