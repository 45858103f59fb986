"""The lake: Parquet partitions that change as a whole or not at all.

A partition is a folder with a manifest that names its files. A write puts new files beside the old
ones and then replaces the manifest, so a reader sees the one or the other, and files that no
manifest names are never read.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict
from upath import UPath

from jobs.io.files import dataset, fresh, put, read_table, remove
from jobs.io.locks import Locks, by_file
from recsys.config import Ids
from recsys.errors import MissingPartitionError, SchemaError
from recsys.schemas import Table
from recsys.window import Window

MANIFEST: Final = "manifest.json"
ARRAYS: Final = "arrays.npz"
_LOCK: Final = ".lock"
_DAY: Final = "%Y-%m-%d"


class DataFile(BaseModel):
    """One file of a partition, as the writer counted it."""

    model_config = ConfigDict(frozen=True)

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        {"name": pa.string(), "rows": pa.int64(), "bytes": pa.int64()}
    )

    name: str
    rows: int
    bytes: int

    def as_batch(self) -> pa.RecordBatch:
        """One row of SCHEMA: how an executor tells the driver what it wrote."""
        return pa.RecordBatch.from_pylist([self.model_dump()], schema=self.SCHEMA)


class Manifest(BaseModel):
    """What a partition holds: files below its folder, in reading order, and facts about them."""

    model_config = ConfigDict(frozen=True)

    files: tuple[DataFile, ...]
    stats: Mapping[str, Any]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


@dataclass
class Draft:
    """A partition being written: put files into `folder`, list them, and leave facts in `stats`."""

    folder: UPath
    files: list[DataFile] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)

    def write_table(self, table: pa.Table) -> None:
        """Adds one Parquet file with the rows of `table`."""
        batches = table.to_batches()
        self.files.append(write_part(self.folder, "part-00000", table.schema, batches))

    def write_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Adds named arrays as one npz file, without pickle."""
        path = self.folder / ARRAYS
        with path.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)
        rows = max((len(array) for array in arrays.values()), default=0)
        self.files.append(DataFile(name=path.name, rows=rows, bytes=path.stat().st_size))

    def write_text(self, name: str, text: str, rows: int) -> None:
        """Adds a text file. rows: how many things it tells of."""
        content = text.encode()
        (self.folder / name).write_bytes(content)
        self.files.append(DataFile(name=name, rows=rows, bytes=len(content)))


@dataclass(frozen=True)
class Partition:
    """One partition's folder. It may not exist yet."""

    path: UPath
    label: str
    locks: Locks = by_file

    def manifest(self) -> Manifest:
        """Raises MissingPartitionError where no job has completed this partition."""
        try:
            return Manifest.model_validate_json(fresh(self.path / MANIFEST).read_bytes())
        except FileNotFoundError:
            message = f"{self.label} is not in the lake; run the job that writes it first"
            raise MissingPartitionError(message) from None

    def exists(self) -> bool:
        return fresh(self.path / MANIFEST).is_file()

    def files(self) -> list[UPath]:
        """The files, in reading order."""
        return [self.path / file.name for file in self.manifest().files]

    def dataset(self, table: Table, ids: Ids) -> ds.Dataset:
        """All rows, to be read a file at a time."""
        return dataset(self.files(), table.arrow(ids))

    def read(self, table: Table, ids: Ids) -> pa.Table:
        """All rows, checked against the table's schema."""
        schema = table.arrow(ids)
        read = pa.concat_tables(
            [read_table(f, schema=schema) for f in self.files()] or [schema.empty_table()]
        )
        if read.num_rows != (rows := self.manifest().rows):
            raise SchemaError(f"{self.label}: {read.num_rows} rows read, manifest says {rows}")
        return read

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The named arrays of a model."""
        (file,) = self.files()
        with file.open("rb") as source, np.load(source, allow_pickle=False) as arrays:
            return dict(arrays)

    @contextmanager
    def replace(self) -> Iterator[Draft]:
        """Yields a draft beside the present files; on a clean exit it becomes the partition.

        A second writer of the same partition waits for the first one to end or to die.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self.locks(self.path) as check_held:
            folder = self.path / f"gen-{uuid4().hex}"
            folder.mkdir()
            draft, started = Draft(folder), time.monotonic()
            try:
                yield draft
                check_held()
            except BaseException:
                _discard(folder)
                raise
            # From here on an error may come after the manifest has changed: nothing is discarded.
            self._commit(draft, time.monotonic() - started)

    def _commit(self, draft: Draft, seconds: float) -> None:
        files = (
            f.model_copy(update={"name": f"{draft.folder.name}/{f.name}"}) for f in draft.files
        )
        files_in_order = tuple(sorted(files, key=lambda file: file.name))
        manifest = Manifest(files=files_in_order, stats=draft.stats, seconds=round(seconds, 3))
        content = manifest.model_dump_json(indent=1).encode()
        put(self.path / MANIFEST, content, draft.folder / f"{MANIFEST}.new")
        for old in fresh(self.path).glob("gen-*"):
            if old.name != draft.folder.name:
                _discard(old)


@dataclass(frozen=True)
class Lake:
    """The root folder of all partitions."""

    root: UPath
    locks: Locks = by_file

    def clear(self) -> None:
        """Removes every table: what was read from sources that have been replaced is no history."""
        for partition in self.partitions():
            remove(partition.path)

    @contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """Waits until nobody else holds this folder of the lake, and holds it."""
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        with self.locks(path):
            yield

    def as_of(self, table: str, day: date) -> Partition:
        """The partition of a table that belongs to one run date."""
        label = f"{table} as of {day:%Y-%m-%d}"
        return Partition(self.root / table / f"as_of={day:%Y-%m-%d}", label, self.locks)

    def window(self, table: str, window: Window) -> Partition:
        """The partition of raw events that arrived within a window of whole days."""
        start = "" if window.unbounded else window.start.strftime(_DAY)
        span = f"{start}..{window.end.strftime(_DAY)}"
        return Partition(self.root / table / f"window={span}", f"{table} {span}", self.locks)

    def partitions(self) -> list[Partition]:
        """Every complete partition of every table."""
        manifests = fresh(self.root).glob(f"**/{MANIFEST}")
        paths = sorted((manifest.parent for manifest in manifests), key=str)
        return [Partition(path, self.place(path), self.locks) for path in paths]

    def place(self, path: UPath) -> str:
        """A path as seen from the root."""
        return str(path.relative_to(self.root))

    def days(self, table: str) -> list[date]:
        """The dates for which a table is complete, in order."""
        found = fresh(self.root / table).glob(f"as_of=*/{MANIFEST}")
        return sorted(date.fromisoformat(path.parent.name.removeprefix("as_of=")) for path in found)

    def events_of(self, table: str, mapping: str) -> str:
        """Name of the part of a raw table that was read under one mapping of the source.

        Windows read under another mapping are not the same data and must not be reused.
        """
        return f"{table}/mapping={mapping[:12]}"

    def windows(self, table: str) -> list[Window]:
        """The windows of a table that are complete, in order."""
        found = fresh(self.root / table).glob(f"window=*/{MANIFEST}")
        return sorted(_parse_window(path.parent.name) for path in found)


def _discard(generation: UPath) -> None:
    """Removes files that no manifest names; what is left is never read, and the next writer's."""
    with suppress(Exception):  # each file system has its own
        remove(generation)


def _parse_window(folder: str) -> Window:
    start, _, end = folder.removeprefix("window=").partition("..")
    last = datetime.strptime(f"{end}+0000", f"{_DAY}%z")
    if not start:
        return Window.before(last.date())
    return Window(datetime.strptime(f"{start}+0000", f"{_DAY}%z"), last)


def write_part(
    folder: UPath, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> DataFile:
    """Writes batches as one Parquet file and counts the rows.

    Runs on executors too: a retried task writes a second file, and only the file whose name
    reaches the manifest counts.
    """
    file = folder / f"{name}-{uuid4().hex}.parquet"
    rows = 0
    with pq.ParquetWriter(
        file.path,
        schema,
        filesystem=file.fs,
        compression="zstd",
        use_dictionary=_texts(schema),
    ) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return DataFile(name=file.name, rows=rows, bytes=file.stat().st_size)


def _texts(schema: pa.Schema) -> list[str]:
    """Paths of the columns that a dictionary pays for: numbers take more time and room by it."""
    flat = [field.name for field in schema if pa.types.is_string(field.type)]
    lists = [field for field in schema if pa.types.is_list(field.type)]
    texts = [field.name for field in lists if pa.types.is_string(field.type.value_type)]
    return flat + [f"{name}.list.element" for name in texts]
