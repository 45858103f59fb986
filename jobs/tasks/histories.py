"""From raw files to one row a user: the second and third pass of executors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from jobs.lake.manifests import DataFile
from jobs.lake.partitions import write_part
from jobs.tasks.raw_files import Judge, RawFile, Share, packed, unpacked
from recsys import columns as c
from recsys.events import judging as ev
from recsys.events.histories import Evidence, Histories, Weighting, histories
from recsys.events.recent import Keeping, recent_events
from recsys.ids import IdIndex
from recsys.schemas import EVENT_SOURCES, HISTORIES

#: Number of a range of users, all of whose evidence comes to one task.
PART: Final = "part"
#: What a file of histories holds, as a task tells it.
COUNTS: Final = ("pairs", "events", "distinct_events")
_CONTENT: Final = "evidence"
#: The file of recent events that a task wrote too, as JSON; null where none are kept.
RECENT: Final = "recent"
_EVIDENCE: Final = pa.schema(
    {
        "users": pa.int32(),
        "items": pa.int32(),
        "kinds": pa.int16(),
        "occurred": pa.int64(),
        "known": pa.int64(),
        "values": pa.float64(),
    }
)


@dataclass(frozen=True)
class RecentKeeper:
    """Task that keeps recent events beside the histories."""

    keeping: Keeping
    folder: UPath

    def write(self, part: int, evidence: Evidence, first: int, maker: "HistoryMaker") -> DataFile:
        """Writes one file of the `recent_events` table. first: row of the part's first user."""
        ids = maker.judge.config.ids
        table = recent_events(evidence, first, self.keeping, maker.weighting, ids)
        return write_part(self.folder, f"part-{part:05d}", table.schema, table.to_batches())


@dataclass(frozen=True)
class HistoryMaker:
    """Task that brings the evidence of users together and makes their histories."""

    judge: Judge
    shares: tuple[Share, ...]
    users: IdIndex
    items: IdIndex
    active: npt.NDArray[np.bool_]
    """(users,) whether lists are made for the user."""
    size: int
    """Users a part; part p holds the rows from p * size on."""
    weighting: Weighting
    folder: UPath
    recent: RecentKeeper | None = None

    EVIDENCE: ClassVar[pa.Schema] = pa.schema({PART: pa.int32(), _CONTENT: pa.binary()})
    WRITTEN: ClassVar[pa.Schema] = pa.unify_schemas(
        [DataFile.SCHEMA, pa.schema(dict.fromkeys(COUNTS, pa.int64()) | {RECENT: pa.string()})]
    )

    @property
    def parts(self) -> int:
        return -(-len(self.users) // self.size)

    def evidence(self, number: int) -> Iterator[pa.RecordBatch]:
        """The evidence in a share of the raw files: one row a file and part, as `packed`.

        The first share has a row for every part, so that there is none without any.
        """
        for file in self.shares[number]:
            yield self._by_part(self._of_file(file), every=False)
        if number == 0:
            yield self._by_part(_EVIDENCE.empty_table(), every=True)

    def write(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Writes one file of the `histories` table, and tells its name and what it holds."""
        rows = pa.Table.from_batches(batches)
        part = int(rows[PART][0].as_py())
        first = part * self.size
        evidence = _numbered_from(first, unpacked(rows[_CONTENT]))
        count = min(self.size, len(self.users) - first)
        found = histories(evidence, count, self.weighting)
        table = self._rows(found, first, count)
        file = write_part(self.folder, f"part-{part:05d}", table.schema, table.to_batches())
        counts = (len(found.items), found.events, found.distinct_events)
        told = file.model_dump() | dict(zip(COUNTS, counts, strict=True))
        if self.recent is not None:
            told[RECENT] = self.recent.write(part, evidence, first, self).model_dump_json()
        yield pa.RecordBatch.from_pylist([told], schema=self.WRITTEN)

    def _of_file(self, file: RawFile) -> pa.Table:
        rows = self.judge.usable(file)
        if not self.judge.config.of_people:
            return self._evidence(file, rows)
        ends = rows
        if file.source in EVENT_SOURCES:
            people = self.judge.config.people
            wanted = pa.array([*people.passes, *people.matches], pa.string())
            ends = rows.filter(pc.is_in(rows[c.EVENT_TYPE], value_set=wanted))
        # What ends a pair ends it for both, whoever did it.
        one, other = ends[c.USER_ID], ends[c.ITEM_ID]
        both = [self._blocks(one, other), self._blocks(other, one)]
        events = [self._evidence(file, rows)] if file.source in EVENT_SOURCES else []
        return pa.concat_tables([*events, *both])

    def _blocks(self, users: pa.ChunkedArray, items: pa.ChunkedArray) -> pa.Table:
        """Blocks of pairs of ids, as far as both are known."""
        pairs = self.users.rows(users), self.items.rows(items)
        there = pc.and_(*(rows.is_valid() for rows in pairs))
        evidence = ev.block_evidence(*(_ints(rows.filter(there)) for rows in pairs))
        return pa.table(vars(evidence)).cast(_EVIDENCE)

    def _evidence(self, file: RawFile, rows: pa.Table) -> pa.Table:
        users, items = self.users.rows(rows[c.USER_ID]), self.items.rows(rows[c.ITEM_ID])
        if users.null_count or items.null_count:
            # A block may be of an item that nobody knows.
            there = pc.and_(users.is_valid(), items.is_valid())
            rows, users, items = rows.filter(there), users.filter(there), items.filter(there)
        numbers = _ints(users), _ints(items)
        if file.source in EVENT_SOURCES:
            evidence = ev.evidence(rows, self.weighting.rules, *numbers)
        else:
            evidence = ev.block_evidence(*numbers)
        return pa.table(vars(evidence)).cast(_EVIDENCE)

    def _by_part(self, evidence: pa.Table, *, every: bool) -> pa.RecordBatch:
        parts = evidence["users"].to_numpy() // self.size
        order = np.argsort(parts.astype(np.min_scalar_type(self.parts)), kind="stable")
        ordered = evidence.take(order)
        counts = np.bincount(parts, minlength=self.parts)
        ends = np.cumsum(counts)
        wanted = np.arange(self.parts) if every else np.flatnonzero(counts)
        content = [packed(ordered.slice(ends[p] - counts[p], counts[p])) for p in wanted]
        columns = [pa.array(wanted, pa.int32()), pa.array(content, pa.binary())]
        return pa.RecordBatch.from_arrays(columns, schema=self.EVIDENCE)

    def _rows(self, found: Histories, first: int, count: int) -> pa.Table:
        rows = np.arange(first, first + count, dtype=np.int32)
        offsets = pa.array(found.offsets, pa.int32())
        columns = {
            c.USER_ROW: pa.array(rows),
            c.USER_ID: self.users.ids(rows),
            c.ITEM_ROWS: pa.ListArray.from_arrays(offsets, pa.array(found.items)),
            c.WEIGHTS: pa.ListArray.from_arrays(offsets, pa.array(found.weights)),
            c.AGES: pa.ListArray.from_arrays(offsets, pa.array(found.ages)),
            c.LAST_AGES: pa.ListArray.from_arrays(offsets, pa.array(found.last_ages)),
            c.EARLIER_WEIGHTS: pa.ListArray.from_arrays(offsets, found.earlier),
            c.EARLIER_LAST_AGES: pa.ListArray.from_arrays(offsets, found.earlier_last_ages),
            c.BLOCKED_ROWS: pa.ListArray.from_arrays(
                pa.array(found.blocked_offsets, pa.int32()), pa.array(found.blocked)
            ),
            c.ACTIVE: pa.array(self.active[rows]),
        }
        return pa.table(columns, schema=HISTORIES.arrow(self.judge.config.ids))


def _numbered_from(first: int, evidence: pa.Table) -> Evidence:
    """Evidence of users who are numbered from `first` on, as `histories` takes it."""
    columns = {name: _ints(evidence[name]) for name in evidence.column_names if name != "values"}
    columns["users"] -= first
    return Evidence(**columns, values=evidence["values"].to_numpy())


def _ints(values: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.int64)
