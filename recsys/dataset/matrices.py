"""The user-item matrix: an Arrow list column is already one in compressed rows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from recsys import columns as c
from recsys.arrays import Ints, Ragged, offsets_of
from recsys.dataset.training import Descriptions, Holdout, Training
from recsys.people.eligibility import Eligibility


def training(
    histories: pa.Table,
    items: Descriptions,
    users: Descriptions,
    segments: npt.NDArray[np.int32],
    people: Eligibility | None = None,
) -> Training:
    """Training data at the as-of itself.

    histories: the `histories` table in order of user_row.
    """
    offsets, rows = list_arrays(histories[c.ITEM_ROWS])
    _, weights = list_arrays(histories[c.WEIGHTS])
    ages, last_ages = (
        list_arrays(histories[name])[1].astype(np.float32) for name in (c.AGES, c.LAST_AGES)
    )
    history = _matrix(weights, rows, offsets, len(items.text))
    return Training(history, ages, last_ages, items, users, segments, people)


def holdout(histories: pa.Table, now: Training, holdout_days: int) -> Holdout:
    """The holdout: what was known so many days earlier, and what active users turned to since.

    histories: the table that `now` was made from.
    """
    offsets, rows = list_arrays(histories[c.ITEM_ROWS])
    _, earlier = list_arrays(histories[c.EARLIER_WEIGHTS])
    _, last_ages = list_arrays(histories[c.EARLIER_LAST_AGES])
    lines = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    known = ~np.isnan(earlier)
    active = histories[c.ACTIVE].to_numpy()
    new = ~known & (now.history.data > 0) & active[lines]
    users, counts = np.unique(lines[new], return_counts=True)
    before = offsets_of(np.bincount(lines[known], minlength=len(active)))
    history = _matrix(earlier[known], rows[known], before, now.history.shape[1])
    ages = np.maximum(now.ages[known] - np.float32(holdout_days), np.float32(0))
    return Holdout(
        Training(
            history,
            ages,
            last_ages[known].astype(np.float32),
            now.items,
            now.users,
            now.segments,
            now.people,
        ),
        users,
        Ragged.of_lengths(counts, rows[new].astype(np.int64)),
        now.ages[new],
    )


def met(histories: pa.Table) -> Ints:
    """(u,) ascending rows of the active users who touched anything new in the days held back,
    whether or not they turned to it."""
    offsets, _ = list_arrays(histories[c.ITEM_ROWS])
    _, earlier = list_arrays(histories[c.EARLIER_WEIGHTS])
    lines = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    new = np.isnan(earlier) & histories[c.ACTIVE].to_numpy()[lines]
    return np.unique(lines[new])


def _matrix(
    weights: npt.NDArray[np.generic],
    rows: npt.NDArray[np.generic],
    offsets: npt.NDArray[np.int64],
    items: int,
) -> sparse.csr_matrix:
    shape = (len(offsets) - 1, items)
    return sparse.csr_matrix((weights, rows, offsets), shape=shape, dtype=np.float32)


def list_arrays(
    column: pa.Array | pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
    """Offsets (n + 1,) from 0 and flat values of a list column; null values become NaN."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    offsets = lists.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    return offsets - offsets[0], lists.flatten().to_numpy(zero_copy_only=False)
