"""Differences between two dates, each of which numbers users and items its own way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from recsys import columns as c
from recsys.arrays import Ints, Mask, Ragged, offsets_of
from recsys.dataset.matrices import list_arrays

T = TypeVar("T", bound=np.generic)
_ROUNDING: Final = 2.0**-23
"""Two float32 ages are off by half of this share each, so their difference by it at most."""


@dataclass(frozen=True)
class IndexAlignment:
    """Rows of users and items in the index of an earlier as-of, and the users who changed since."""

    users: Ints
    """(users,) the earlier row of each user; -1 of one who had none."""
    items: Ints
    """(items,) the earlier row of each item; -1 of one that had none."""
    changed: Mask
    """(users,) whether history, blocks or membership are others than they were."""


def changed(now: pa.Table, before: pa.Table, users: Ints, items: Ints, days: float) -> Mask:
    """(users,) True for new users and those whose items, blocks, first-event times or active flag
    changed.

    now, before: `histories` tables in order of user_row. users, items: as in `IndexAlignment`.
    days: between the two. That everything is older and weighs less by now is no change; that
    something was done once more with an item touched before does not show here.
    """
    there = np.flatnonzero(users >= 0)
    then = users[there]
    same = now[c.ACTIVE].to_numpy()[there] == before[c.ACTIVE].to_numpy()[then]
    for names in ((c.ITEM_ROWS, c.AGES), (c.BLOCKED_ROWS,)):
        offsets, new = _lists(now, names, there)
        old_offsets, old = _lists(before, names, then)
        lengths = np.diff(offsets)
        alike = lengths == np.diff(old_offsets)
        same &= alike
        new, old = _of(offsets, new, alike), _of(old_offsets, old, alike)
        equal = items[new[0]] == old[0]
        for age, earlier_age in zip(new[1:], old[1:], strict=True):
            equal &= _apart(age, earlier_age, days)
        lines = np.repeat(np.flatnonzero(alike), lengths[alike])
        same[lines[~equal]] = False
    result = np.ones(len(users), dtype=bool)
    result[there] = ~same
    return result


def _apart(ages: npt.NDArray[Any], earlier: npt.NDArray[Any], days: float) -> Mask:
    """(n,) True where float32 ages are so many days greater, but for their rounding."""
    return np.asarray(np.abs(ages.astype(np.float64) - earlier - days) <= ages * _ROUNDING)


def _lists(
    table: pa.Table, names: Sequence[str], users: Ints
) -> tuple[Ints, list[npt.NDArray[Any]]]:
    """Offsets, and values of list columns of the same lengths, of some users."""
    columns = [list_arrays(table[name]) for name in names]
    offsets = columns[0][0]
    bounds, places = Ragged(offsets, np.arange(offsets[-1])).take(users)
    return bounds, [values[places] for _, values in columns]


def _of(offsets: Ints, values: Sequence[npt.NDArray[Any]], lists: Mask) -> list[npt.NDArray[Any]]:
    """The values of some of the lists."""
    inside = np.repeat(lists, np.diff(offsets))
    return [own[inside] for own in values]


def aligned_rows(rows: npt.NDArray[T], earlier: Ints) -> npt.NDArray[T]:
    """(n, …) vectors, or single values, in today's order; zeros where there were none.

    rows: (m, …) in the earlier order. earlier: (n,) the earlier row of each, or -1.
    """
    result = np.zeros((len(earlier), *rows.shape[1:]), rows.dtype)
    known = earlier >= 0
    result[known] = rows[earlier[known]]
    return result


def aligned_square(matrix: sparse.csr_matrix, earlier: Ints) -> sparse.csr_matrix:
    """(n, n) similarities in today's order of items; empty where an item is new.

    matrix: (m, m) in the earlier order. earlier: (n,) ascending earlier rows, -1 in between.
    """
    return aligned_cells(matrix, earlier, earlier)


def aligned_cells(matrix: sparse.csr_matrix, rows: Ints, earlier: Ints) -> sparse.csr_matrix:
    """(u, n) cells in today's order; empty where a row or a column is new.

    matrix: in the earlier order. rows: (u,) the earlier row of each, or -1. earlier: (n,) ascending
    earlier columns, -1 in between.
    """
    if all(
        np.array_equal(old, np.arange(n))
        for old, n in zip((rows, earlier), matrix.shape, strict=True)
    ):
        return matrix
    columns = np.full(matrix.shape[1], -1, np.int64)
    columns[earlier[earlier >= 0]] = np.flatnonzero(earlier >= 0)
    lengths = np.diff(matrix.indptr)
    new = columns[matrix.indices]
    lines = np.repeat(np.arange(matrix.shape[0]), lengths)
    kept = new >= 0
    counts = np.bincount(lines[kept], minlength=matrix.shape[0])
    # One empty row at the end stands for those that had none.
    offsets = offsets_of(np.append(counts, 0))
    shape = (matrix.shape[0] + 1, len(earlier))
    padded = sparse.csr_matrix((matrix.data[kept], new[kept], offsets), shape=shape)
    return padded[np.where(rows >= 0, rows, matrix.shape[0])]
