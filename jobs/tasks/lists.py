"""Arrow batches of users in, their lists out: what an executor does when lists are made or kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from jobs.lake.files import StoredFile, parquet
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import write_part
from recsys import columns as c
from recsys.arrays import Ints, Mask, Ragged
from recsys.dataset.matrices import list_arrays
from recsys.generators.factors import CHUNK
from recsys.ids import IdIndex, lasting_keys
from recsys.lists.ranked import RankedLists
from recsys.lists.steps.explore import Explored, Explorer
from recsys.ranking.stack import Ranker
from recsys.schemas import LISTS
from recsys.sections.ids import Ids

USERS_A_BATCH: Final = 8 * CHUNK
"""Users whose histories a task holds at once."""
_OF_USERS: Final = [c.USER_ROW, c.USER_ID, c.ITEM_ROWS, c.BLOCKED_ROWS]


@dataclass(frozen=True)
class ListMaker:
    """Everything that making lists needs, the same for every user."""

    ranker: Ranker
    items: IdIndex
    length: int
    ids: Ids
    explorer: Explorer | None
    """Who gives places to new items; None where none get any."""

    def write(self, file: StoredFile, due: Mask, folder: UPath) -> DataFile:
        """Writes the lists of the users of one file of the `histories` table.

        due: (all users,) who gets a list.
        """
        read = parquet(file).iter_batches(USERS_A_BATCH, columns=_OF_USERS)
        wanted = (batch.filter(pa.array(due[batch[c.USER_ROW].to_numpy()])) for batch in read)
        schema = LISTS.arrow(self.ids)
        # One row group for many blocks of users: small ones are slow to write and to read.
        lists = (pa.Table.from_batches(self.lists(batch), schema) for batch in wanted)
        groups = (table.combine_chunks().to_batches() for table in lists)
        return write_part(folder, "part", schema, chain.from_iterable(groups))

    def lists(self, users: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Rows of the `lists` table for rows of the `histories` table."""
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
                user_ids, self._explored(block, user_ids, rows[chosen], excluded.take(chosen))
            )
            start += size

    def _explored(
        self, block: RankedLists, user_ids: pa.Array, users: Ints, excluded: Ragged
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
        return pa.RecordBatch.from_arrays(columns, schema=LISTS.arrow(self.ids))


@dataclass(frozen=True)
class ListKeeper:
    """Everything that copying the lists of an earlier night needs."""

    users: IdIndex
    """The users of today."""
    unchanged: Mask
    """(users,) whose list is kept as it is, if all its items can still be recommended."""
    unavailable: pa.Array
    """Ids of the items of earlier lists that cannot be recommended any more."""
    ids: Ids

    SCHEMA: ClassVar[pa.Schema] = DataFile.SCHEMA.append(pa.field("kept", pa.list_(pa.int64())))

    def copy(self, files: Sequence[StoredFile], folder: UPath) -> pa.RecordBatch:
        """Writes the lists that are kept out of some files as one; tells its name, and the rows of
        the users whose lists they are."""
        kept: list[Ints] = [np.empty(0, np.int64)]

        def lists() -> Iterator[pa.RecordBatch]:
            for file in files:
                for batch in parquet(file).iter_batches():
                    rows = self.users.places(batch[c.USER_ID])
                    good = self._good(batch, rows)
                    kept.append(rows[good])
                    yield batch.filter(pa.array(good))

        file = write_part(folder, "kept", LISTS.arrow(self.ids), lists())
        told = file.model_dump() | {"kept": np.concatenate(kept)}
        return pa.RecordBatch.from_pylist([told], schema=self.SCHEMA)

    def _good(self, lists: pa.RecordBatch, rows: Ints) -> Mask:
        """(lists,) which are kept. rows: of their users, -1 of those that are gone."""
        good = (rows >= 0) & self.unchanged[rows]
        items = lists[c.ITEM_IDS]
        gone = pc.is_in(items.flatten(), value_set=self.unavailable)
        lines = pc.list_parent_indices(items).filter(gone)
        good[lines.to_numpy()] = False
        return np.asarray(good)


def _excluded(users: pa.RecordBatch) -> Ragged:
    """The items that each user has touched or blocked."""
    parts = [list_arrays(users[name]) for name in (c.ITEM_ROWS, c.BLOCKED_ROWS)]
    lines = [np.repeat(np.arange(users.num_rows), np.diff(offsets)) for offsets, _ in parts]
    order = np.argsort(np.concatenate(lines), kind="stable")
    rows = np.concatenate([rows for _, rows in parts])[order].astype(np.int64)
    return Ragged(parts[0][0] + parts[1][0], rows)
