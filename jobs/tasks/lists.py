"""Ranked chunks of users in, their lists out: what an executor does when lists are made or kept."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from jobs.lake.files import StoredFile, parquet
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import write_part
from recsys import columns as c
from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.dataset.matrices import list_arrays
from recsys.generators.factors import CHUNK
from recsys.ids import IdIndex, lasting_keys
from recsys.lists.chain import Chain
from recsys.lists.contract import Recipients
from recsys.lists.pools import ranked_chunks
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker
from recsys.lists.reasons import Reasoner, Reasons
from recsys.people.eligibility import Eligibility
from recsys.schemas import LISTS, POOLS
from recsys.sections.ids import Ids

USERS_A_BATCH: Final = 8 * CHUNK
"""Users whose histories a task holds at once."""
_OF_USERS: Final = [c.USER_ROW, c.USER_ID, c.ITEM_ROWS, c.BLOCKED_ROWS]


class Chunk(NamedTuple):
    """Users who are ranked together, and their pools."""

    user_ids: pa.Array
    users: Recipients
    lists: RankedLists


class PoolSource(Protocol):
    """Source of pools: they are ranked now, or read."""

    def batches(self, file: StoredFile) -> Iterator[pa.RecordBatch]:
        """Rows of one file, some thousands of users at a time."""

    def chunks(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """The pools of the users of such rows, in order of user_row."""


@dataclass(frozen=True)
class PoolMaker:
    """Ranks the users of the `histories` table."""

    ranker: Ranker
    depth: int
    """Items of a pool."""
    due: Mask
    """(all users,) who is ranked."""
    ids: Ids
    to_complete: bool = False
    """Whether pools are as deep as `PoolCompleter` needs them."""

    def batches(self, file: StoredFile) -> Iterator[pa.RecordBatch]:
        """Rows of the `histories` table of users who are due."""
        for batch in parquet(file).iter_batches(USERS_A_BATCH, columns=_OF_USERS):
            yield batch.filter(pa.array(self.due[batch[c.USER_ROW].to_numpy()]))

    def chunks(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """See `PoolSource`."""
        batch = batch.sort_by(c.USER_ROW)
        rows, user_ids = batch[c.USER_ROW].to_numpy().astype(np.int64), batch[c.USER_ID]
        if not len(rows):
            return
        everybody, start = Recipients(rows, lasting_keys(user_ids), excluded_of(batch)), 0
        pools = ranked_chunks(self.ranker, everybody, self.depth, to_complete=self.to_complete)
        for lists, users in pools:
            yield Chunk(user_ids.slice(start, len(users.rows)), users, lists)
            start += len(users.rows)

    def write(self, file: StoredFile, folder: UPath) -> DataFile:
        """Writes the pools of the users of one file."""
        schema = POOLS.arrow(self.ids)
        pools = (
            [_pool_rows(chunk, schema) for chunk in self.chunks(batch)]
            for batch in self.batches(file)
        )
        return write_part(folder, "part", schema, _grouped(pools, schema))


def _pool_rows(chunk: Chunk, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of the `pools` table."""
    offsets = pa.array(chunk.lists.offsets, pa.int32())
    columns = [
        pa.array(chunk.users.rows, pa.int32()),
        chunk.user_ids,
        pa.ListArray.from_arrays(offsets, pa.array(chunk.lists.item_rows, pa.int32())),
        pa.ListArray.from_arrays(offsets, pa.array(chunk.lists.scores)),
        pa.ListArray.from_arrays(offsets, pa.array(chunk.lists.sources)),
        _int_lists(chunk.users.excluded),
        _bytes(chunk.lists.offsets, chunk.lists.opinions),
        _moments(chunk.lists.moments, len(chunk.user_ids)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@dataclass(frozen=True)
class PoolReader:
    """Reads pools that were written before."""

    def batches(self, file: StoredFile) -> Iterator[pa.RecordBatch]:
        """Rows of the `pools` table."""
        return iter(parquet(file).iter_batches(USERS_A_BATCH))

    def chunks(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """See `PoolSource`."""
        rows = batch[c.USER_ROW].to_numpy().astype(np.int64)
        cuts = np.flatnonzero(np.diff(rows // CHUNK)) + 1
        bounds = [0, *cuts.tolist(), len(rows)] if len(rows) else []
        for start, end in pairwise(bounds):
            yield _read_chunk(batch.slice(start, end - start))


def _read_chunk(batch: pa.RecordBatch) -> Chunk:
    offsets, items = list_arrays(batch[c.ITEM_ROWS])
    _, scores = list_arrays(batch[c.SCORES])
    _, sources = list_arrays(batch[c.SOURCES])
    bounds, excluded = list_arrays(batch[c.EXCLUDED_ROWS])
    opinions = batch[c.OPINIONS]
    return Chunk(
        batch[c.USER_ID],
        Recipients(
            batch[c.USER_ROW].to_numpy().astype(np.int64),
            lasting_keys(batch[c.USER_ID]),
            Ragged(bounds, excluded.astype(np.int64)),
        ),
        RankedLists(
            offsets,
            items.astype(np.int64),
            scores.astype(np.float32),
            sources.astype(np.int16),
            np.ones(len(items), np.float32),
            None if opinions.null_count or not len(items) else _records(opinions, len(items)),
            None if batch[c.MOMENTS].null_count else _all_moments(batch[c.MOMENTS]),
        ),
    )


def _int_lists(lists: Ragged) -> pa.ListArray:
    return pa.ListArray.from_arrays(
        pa.array(lists.offsets, pa.int32()), pa.array(lists.values, pa.int32())
    )


def _bytes(offsets: Ints, records: npt.NDArray[np.uint8] | None) -> pa.Array:
    """The records of each list as one binary value; nulls without records.

    offsets: (lists + 1,) of entries. records: (entries, bytes).
    """
    if records is None:
        return pa.nulls(len(offsets) - 1, pa.binary())
    bounds = pa.py_buffer((offsets * records.shape[1]).astype(np.int32).tobytes())
    buffers = [None, bounds, pa.py_buffer(records.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _records(values: pa.Array, entries: int) -> npt.NDArray[np.uint8]:
    """(entries, bytes) what `_bytes` was made of."""
    content = np.frombuffer(b"".join(values.to_pylist()), np.uint8)
    return content.reshape(entries, len(content) // entries)


def _moments(moments: Floats | None, users: int) -> pa.Array:
    """(users, generators, 2) as a list a user; nulls without any."""
    kind = pa.list_(pa.float64())
    if moments is None:
        return pa.nulls(users, kind)
    bounds = np.arange(users + 1) * 2 * moments.shape[1]
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(moments.ravel()))


def _all_moments(values: pa.Array) -> Floats:
    """(users, generators, 2) what `_moments` was made of."""
    _, moments = list_arrays(values)
    return np.asarray(moments).reshape(len(values), -1, 2)


def _grouped(
    batches: Iterable[Iterable[pa.RecordBatch]], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """One batch for many chunks of users: small row groups are slow to write and to read."""
    for chunks in batches:
        yield from pa.Table.from_batches(chunks, schema).combine_chunks().to_batches()


@dataclass(frozen=True)
class PoolCompleter:
    """Adds to the best of pools that were written before whom their users were asked about."""

    ranker: Ranker
    depth: int
    """Items of a pool."""
    asked: Ragged
    """Rows of items, of each of all users."""
    ids: Ids

    def write(self, file: StoredFile, folder: UPath) -> DataFile:
        """Writes the completed pools of one file."""
        schema, reader = POOLS.arrow(self.ids), PoolReader()
        pools = (
            [_pool_rows(self._completed(chunk), schema) for chunk in reader.chunks(batch)]
            for batch in reader.batches(file)
        )
        return write_part(folder, "part", schema, _grouped(pools, schema))

    def _completed(self, chunk: Chunk) -> Chunk:
        users, asked = chunk.users, self.asked.take(chunk.users.rows)
        lists = self.ranker.completed(chunk.lists, users.rows, users.excluded, self.depth, asked)
        return chunk._replace(lists=lists)


@dataclass(frozen=True)
class ListMaker:
    """Everything that making lists needs, the same for every user."""

    source: PoolSource
    chain: Chain
    items: IdIndex
    ids: Ids
    reasoner: Reasoner | None = None
    """Finds why each entry is there; None where that is not kept."""

    def write(self, file: StoredFile, folder: UPath) -> DataFile:
        """Writes the lists of the users of one file of the source."""
        schema = LISTS.arrow(self.ids)
        lists = (self.lists(batch) for batch in self.source.batches(file))
        return write_part(folder, "part", schema, _grouped(lists, schema))

    def lists(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Rows of the `lists` table for rows of the source."""
        for chunk in self.source.chunks(batch):
            lists, reasons = self.chain.published(chunk.lists, chunk.users), None
            if self.reasoner is not None:
                reasons = self.reasoner.reasons(chunk.lists, lists, chunk.users)
            yield self._rows(chunk.user_ids, lists, reasons)

    def _rows(
        self, user_ids: pa.Array, lists: RankedLists, reasons: Reasons | None
    ) -> pa.RecordBatch:
        offsets = pa.array(lists.offsets, pa.int32())
        columns = [
            user_ids,
            pa.ListArray.from_arrays(offsets, self.items.ids(lists.item_rows)),
            pa.ListArray.from_arrays(offsets, pa.array(lists.scores)),
            pa.ListArray.from_arrays(offsets, pa.array(lists.sources)),
            pa.ListArray.from_arrays(offsets, pa.array(lists.propensities)),
            *self._reasons(lists.offsets, reasons),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=LISTS.arrow(self.ids))

    def _reasons(self, offsets: Ints, reasons: Reasons | None) -> list[pa.Array]:
        if reasons is None:
            kinds = [LISTS.arrow(self.ids).field(name).type for name in (c.BECAUSE_IDS, c.REASONS)]
            return [pa.nulls(len(offsets) - 1, kind) for kind in kinds]
        bounds = pa.array(reasons.offsets, pa.int32())
        because = pa.ListArray.from_arrays(bounds, self.items.ids(reasons.own))
        return [because, _bytes(offsets, reasons.records)]


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
    items: IdIndex
    """The items of today."""
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people."""

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
        """(lists,) True for those that are kept. rows: of their users, -1 for those gone."""
        good = (rows >= 0) & self.unchanged[rows]
        items = lists[c.ITEM_IDS]
        gone = pc.is_in(items.flatten(), value_set=self.unavailable)
        lines = pc.list_parent_indices(items).filter(gone)
        good[lines.to_numpy()] = False
        if self.people is not None:
            # Profiles change: a list with a pair that breaks a wish by now is made anew.
            owners = rows[pc.list_parent_indices(items).to_numpy()]
            shown = self.items.places(items.flatten())
            checked = (owners >= 0) & (shown >= 0)
            pairs = np.flatnonzero(checked)
            fine = self.people.permitted_pairs(owners[pairs], shown[pairs])
            good[pc.list_parent_indices(items).to_numpy()[pairs[~fine]]] = False
        return np.asarray(good)


def excluded_of(users: pa.RecordBatch) -> Ragged:
    """The items that each user has touched or blocked."""
    parts = [list_arrays(users[name]) for name in (c.ITEM_ROWS, c.BLOCKED_ROWS)]
    lines = [np.repeat(np.arange(users.num_rows), np.diff(offsets)) for offsets, _ in parts]
    order = np.argsort(np.concatenate(lines), kind="stable")
    rows = np.concatenate([rows for _, rows in parts])[order].astype(np.int64)
    return Ragged(parts[0][0] + parts[1][0], rows)
