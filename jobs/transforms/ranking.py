"""Arrow batches of users in, their lists out: what an executor does when lists are made."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recsys import columns as c
from recsys.config import Ids
from recsys.ids import IdIndex, lasting_keys
from recsys.interactions.matrices import list_arrays
from recsys.interactions.training import Ints, ItemLists, taken
from recsys.ranking.explore import Explored, Explorer
from recsys.ranking.stack import Ranker
from recsys.ranking.topn import TopN
from recsys.schemas import TOP_N


@dataclass(frozen=True)
class ListMaker:
    """Everything that making lists needs, the same for every user."""

    ranker: Ranker
    items: IdIndex
    length: int
    ids: Ids
    explorer: Explorer | None
    """Who gives places to new items; None where none get any."""

    def lists(self, users: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Rows of the `topn` table for rows of the `interactions` table."""
        users = users.sort_by(c.USER_ROW)
        rows = users[c.USER_ROW].to_numpy().astype(np.int64)
        if not len(rows):
            return
        start = 0
        excluded = _excluded(users)
        for block in self.ranker.top_n(rows, excluded, self.length):
            size = len(block.offsets) - 1
            chosen = np.arange(start, start + size)
            user_ids = users[c.USER_ID].slice(start, size)
            yield self._rows(
                user_ids, self._explored(block, user_ids, rows[chosen], taken(excluded, chosen))
            )
            start += size

    def _explored(
        self, block: TopN, user_ids: pa.Array, users: Ints, excluded: ItemLists
    ) -> Explored:
        if self.explorer is not None:
            return self.explorer.explored(block, lasting_keys(user_ids), users, excluded)
        return Explored(**vars(block), propensities=np.ones(len(block.scores), np.float32))

    def _rows(self, user_ids: pa.Array, block: Explored) -> pa.RecordBatch:
        offsets = pa.array(block.offsets, pa.int32())
        columns = [
            user_ids,
            pa.ListArray.from_arrays(offsets, self.items.ids(block.item_rows)),
            pa.ListArray.from_arrays(offsets, pa.array(block.scores)),
            pa.ListArray.from_arrays(offsets, pa.array(block.sources)),
            pa.ListArray.from_arrays(offsets, pa.array(block.propensities)),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=TOP_N.arrow(self.ids))


def _excluded(users: pa.RecordBatch) -> ItemLists:
    """The items that each user has touched or blocked."""
    parts = [list_arrays(users[name]) for name in (c.ITEM_ROWS, c.BLOCKED_ROWS)]
    lines = [np.repeat(np.arange(users.num_rows), np.diff(offsets)) for offsets, _ in parts]
    order = np.argsort(np.concatenate(lines), kind="stable")
    rows = np.concatenate([rows for _, rows in parts])[order].astype(np.int64)
    return parts[0][0] + parts[1][0], rows
