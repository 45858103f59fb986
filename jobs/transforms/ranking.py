"""Arrow batches of users in, their lists out: what an executor does when lists are made."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys import columns as c
from recsys.config import Ids
from recsys.ids import IdIndex
from recsys.interactions.matrices import list_arrays
from recsys.models.factors import FactorModel
from recsys.ranking.topn import TopN, top_n
from recsys.schemas import TOP_N


@dataclass(frozen=True)
class Ranker:
    """Everything that making lists needs, the same for every user."""

    models: tuple[FactorModel, ...]
    """Standardised and weighted; a list's sources are positions in this tuple."""
    items: IdIndex
    available: npt.NDArray[np.int64]
    """Ascending rows of the items that may be recommended."""
    length: int
    ids: Ids

    def lists(self, users: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Rows of the `topn` table for rows of the `interactions` table."""
        users = users.sort_by(c.USER_ROW)
        rows = users[c.USER_ROW].to_numpy().astype(np.int64)
        if not len(rows):
            return
        start = 0
        excluded = _excluded(users)
        for block in top_n(self.models, rows, excluded, self.available, self.length):
            size = len(block.offsets) - 1
            yield self._rows(users[c.USER_ID].slice(start, size), block)
            start += size

    def _rows(self, user_ids: pa.Array, block: TopN) -> pa.RecordBatch:
        offsets = pa.array(block.offsets, pa.int32())
        columns = [
            user_ids,
            pa.ListArray.from_arrays(offsets, self.items.ids(block.item_rows)),
            pa.ListArray.from_arrays(offsets, pa.array(block.scores)),
            pa.ListArray.from_arrays(offsets, pa.array(block.sources)),
            pa.ListArray.from_arrays(offsets, pa.array(np.ones(len(block.sources), np.float32))),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=TOP_N.arrow(self.ids))


def _excluded(users: pa.RecordBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Offsets and item rows of what each user has touched or blocked."""
    parts = [list_arrays(users[name]) for name in (c.ITEM_ROWS, c.BLOCKED_ROWS)]
    lines = [np.repeat(np.arange(users.num_rows), np.diff(offsets)) for offsets, _ in parts]
    order = np.argsort(np.concatenate(lines), kind="stable")
    rows = np.concatenate([rows for _, rows in parts])[order].astype(np.int64)
    return parts[0][0] + parts[1][0], rows
