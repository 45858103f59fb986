"""Raw files in, rejected rows and the ids of the others out: the first pass of executors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict
from upath import UPath

from jobs.lake.files import StoredFile, read_table
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import write_part
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.events import judging as ev
from recsys.naming import Naming
from recsys.schemas import EVENT_SOURCES, QUARANTINE, RAW, RAW_EVENTS

#: Sources whose rows make somebody a user: who did something, blocked something or has a profile.
_OF_USERS: Final = (*EVENT_SOURCES, "blocks", "user_profiles")


@dataclass(frozen=True)
class RawFile:
    """One file of a raw table."""

    source: str
    stored: StoredFile
    rows: int
    dated: bool = True
    """Of events: whether their times can be used."""

    @property
    def evidence(self) -> bool:
        """True if it says what users did with items."""
        return self.dated and self.source in (*EVENT_SOURCES, "blocks")


Share = tuple[RawFile, ...]


def shares(files: Sequence[RawFile], rows: int) -> tuple[Share, ...]:
    """The files in their order, cut into what tasks read: one file each, or several small ones that
    have at most `rows` rows together."""
    found: list[list[RawFile]] = []
    taken = 0
    for file in files:
        if not found or taken + file.rows > rows:
            found.append([])
            taken = 0
        found[-1].append(file)
        taken += file.rows
    return tuple(map(tuple, found))


@dataclass(frozen=True)
class Judge:
    """Tells which rows of raw files can be used as of an instant."""

    config: Config
    as_of: AsOf

    def rows(self, file: RawFile) -> pa.Table:
        """Rows of a file that the date may know, `reject_reason` set where one cannot be used.

        Of what is no event, only the columns of the `quarantine` table.
        """
        wanted = RAW[file.source].arrow(self.config.ids)
        if file.source not in EVENT_SOURCES:
            kept = QUARANTINE.arrow(self.config.ids).names
            return read_table(file.stored, schema=_only(wanted, kept))
        events = read_table(file.stored, schema=wanted)
        if not file.dated:
            return ev.undated(events)
        known = ev.known_before(events, self.config.window.before(self.as_of))
        return ev.judged(known, self.config.event_rules(), self.as_of)

    def usable(self, file: RawFile) -> pa.Table:
        """The rows of a file that can be used."""
        rows = self.rows(file)
        return rows.filter(rows[c.REJECT_REASON].is_null())


class Rejects(BaseModel):
    """A task's report of rows that cannot be used."""

    model_config = ConfigDict(frozen=True)

    files: tuple[DataFile, ...]
    """The file that holds them, if there are any."""
    reasons: dict[str, int]
    """How many there are, by source and reason."""


@dataclass(frozen=True)
class Sifter:
    """Writes the rows that cannot be used, and tells of whom and what the others are."""

    judge: Judge
    shares: tuple[Share, ...]
    folder: UPath
    forgotten: frozenset[int | str] = frozenset()
    """Users of whom no row is kept that cannot be used."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        {"rejects": pa.string(), "users": pa.binary(), "items": pa.binary()}
    )

    def sift(self, number: int) -> pa.RecordBatch:
        """One row for a share: `Rejects` as JSON, and the distinct ids as `packed`."""
        # In a market of people nobody is served by a list that others share, so that each member
        # has a row.
        of_people = self.judge.config.of_people
        rejected, users, items = [], [], []
        for file in self.shares[number]:
            rows = self.judge.rows(file)
            rejected.append(self._quarantined(rows, file.source))
            usable = rows.filter(rows[c.REJECT_REASON].is_null())
            if file.source in _OF_USERS or (of_people and file.source == "users"):
                users.append(usable.select([c.USER_ID]))
            if file.source in EVENT_SOURCES:
                items.append(usable.select([c.ITEM_ID]))
        told = {
            "rejects": [self._written(number, pa.concat_tables(rejected)).model_dump_json()],
            "users": [packed(self._distinct(c.USER_ID, users))],
            "items": [packed(self._distinct(c.ITEM_ID, items))],
        }
        return pa.RecordBatch.from_pydict(told, schema=self.SCHEMA)

    def _quarantined(self, rows: pa.Table, source: str) -> pa.Table:
        rejected = ev.rejected(rows)
        rejected = rejected.append_column(c.SOURCE, pa.repeat(source, len(rejected)))
        wanted = QUARANTINE.arrow(self.judge.config.ids)
        absent = pa.nulls(len(rejected))
        columns = (rejected[n] if n in rejected.column_names else absent for n in wanted.names)
        quarantined = pa.table(list(columns), wanted.names).cast(wanted)
        config = self.judge.config
        return Naming.of(config.ids, config.sources).without(quarantined, self.forgotten)

    def _written(self, number: int, rejected: pa.Table) -> Rejects:
        if not len(rejected):
            return Rejects(files=(), reasons={})
        batches = rejected.to_batches()
        file = write_part(self.folder, f"part-{number:05d}", rejected.schema, batches)
        said = pc.binary_join_element_wise(rejected[c.SOURCE], rejected[c.REJECT_REASON], ": ")
        counts = said.combine_chunks().value_counts().to_pylist()
        return Rejects(files=(file,), reasons={each["values"]: each["counts"] for each in counts})

    def _distinct(self, name: str, tables: list[pa.Table]) -> pa.Table:
        none = _only(RAW_EVENTS.arrow(self.judge.config.ids), [name]).empty_table()
        return pa.table({name: pc.unique(pa.concat_tables([none, *tables])[name])})


def packed(table: pa.Table) -> bytes:
    """A table as Arrow's stream format: how tables travel through Spark as single values."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpacked(values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows of all tables that were packed, one table after the other."""
    return pa.concat_tables(pa.ipc.open_stream(value.as_buffer()).read_all() for value in values)


def _only(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([field for field in schema if field.name in names])
