"""The lake: Parquet partitions that change as a whole or not at all.

A partition is a folder with a manifest that names its files. A write puts new files beside the old
ones and then replaces the manifest, so a reader sees the one or the other, and files that no
manifest names are never read. Everything that a manifest names is on the disk before it is, and is
compared with the checksum in it whenever it is read.
"""

import io
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from upath import UPath

from jobs.lake.claims import claim
from jobs.lake.disk import full_disk
from jobs.lake.files import (
    StoredFile,
    content,
    create,
    dataset,
    fresh,
    make_folder,
    put,
    read_table,
    remove,
    sync_folder,
    verify,
)
from jobs.lake.locks import Locks, by_file
from jobs.lake.manifests import MANIFEST, DataFile, Manifest, read_manifest
from recsys.as_of import AsOf
from recsys.errors import LakeFileError, MissingPartitionError, SchemaError
from recsys.schemas import Table
from recsys.sections.ids import Ids
from recsys.window import Window

ARRAYS: Final = "arrays.npz"
_DOOR: Final = ".door"
_JOBS: Final = ".jobs"

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Draft:
    """A partition being written: put files into `folder`, list them, and leave facts in `stats`."""

    folder: UPath
    files: list[DataFile] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    cancelled: bool = False
    """Whether the partition stays as it is."""

    def write_table(self, table: pa.Table) -> None:
        """Adds one Parquet file with the rows of `table`."""
        batches = table.to_batches()
        self.files.append(write_part(self.folder, "part-00000", table.schema, batches))

    def write_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Adds named arrays as one npz file, without pickle."""
        with create(self.folder / ARRAYS) as out:
            np.savez(out, allow_pickle=False, **arrays)
        rows = max((len(array) for array in arrays.values() if array.shape), default=0)
        self.files.append(DataFile(name=ARRAYS, rows=rows, **out.written))

    def write_text(self, name: str, text: str, rows: int) -> None:
        """Adds a text file. rows: how many things it tells of."""
        with create(self.folder / name) as out:
            out.write(text.encode())
        self.files.append(DataFile(name=name, rows=rows, **out.written))

    def take_over(self, folder: UPath, manifest: Manifest) -> None:
        """Holds what a partition holds, instead of what was added."""
        for file in self.files:
            (self.folder / file.name).unlink()
        self.files.clear()
        for file in manifest.files:
            name = file.name.rpartition("/")[2]
            with create(self.folder / name) as out:
                out.write(content(file.below(folder)))
            self.files.append(file.model_copy(update={"name": name}))
        self.stats = dict(manifest.stats)


@dataclass(frozen=True)
class Partition:
    """One partition's folder. It may not exist yet."""

    path: UPath
    label: str
    lake: "Lake"

    def manifest(self) -> Manifest:
        """Raises MissingPartitionError where no job has completed this partition, LakeFileError
        where the manifest is damaged."""
        try:
            return read_manifest(self.path)
        except FileNotFoundError:
            message = f"{self.label} is not in the lake; run the job that writes it first"
            raise MissingPartitionError(message) from None

    def exists(self) -> bool:
        return fresh(self.path / MANIFEST).is_file()

    def intact(self) -> bool:
        """True if it is complete and nothing of it is damaged; logs what is."""
        try:
            for file in self.files():
                verify(file)
        except LakeFileError as error:
            log.warning("%s: %s", self.label, error)
            return False
        except MissingPartitionError:
            return False
        return True

    def generations(self) -> set[str]:
        """Folders in which the files are; none where the partition is not complete or damaged."""
        try:
            return {file.name.partition("/")[0] for file in self.manifest().files}
        except (MissingPartitionError, LakeFileError):
            return set()

    def files(self) -> list[StoredFile]:
        """The files, in reading order."""
        return [file.below(self.path) for file in self.manifest().files]

    def dataset(self, table: Table, ids: Ids) -> ds.Dataset:
        """All rows, to be read a file at a time; raises LakeFileError where one is damaged."""
        return dataset(self.files(), table.arrow(ids))

    def read(self, table: Table, ids: Ids) -> pa.Table:
        """All rows, checked against the table's schema; raises LakeFileError where one of the
        files is damaged."""
        schema = table.arrow(ids)

        def rows(manifest: Manifest) -> pa.Table:
            files = (file.below(self.path) for file in manifest.files)
            read = pa.concat_tables(
                [schema.empty_table(), *(read_table(file, schema=schema) for file in files)]
            )
            if read.num_rows != manifest.rows:
                message = f"{self.label}: {read.num_rows} rows read, manifest says {manifest.rows}"
                raise SchemaError(message)
            return read

        return self._of_one_manifest(rows)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The named arrays of a model; raises LakeFileError where they are damaged."""

        def named(manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
            (file,) = manifest.files
            read = io.BytesIO(content(file.below(self.path)))
            with np.load(read, allow_pickle=False) as arrays:
                return dict(arrays)

        return self._of_one_manifest(named)

    def _of_one_manifest(self, read: Callable[[Manifest], T]) -> T:
        """Read by the files of a manifest; by those of the next where it was replaced."""
        manifest = self.manifest()
        try:
            return read(manifest)
        except LakeFileError:
            if self.manifest() == manifest:
                raise
            return self._of_one_manifest(read)

    @contextmanager
    def replace(self) -> Iterator[Draft]:
        """Yields a draft beside the present files; on a clean exit it becomes the partition.

        A second writer of the same partition waits for the first one to end or to die.
        """
        with full_disk(str(self.path)), self.lake.locked(self.path) as check_locked:
            folder = self.path / f"gen-{uuid4().hex}"
            make_folder(folder)
            draft, started = Draft(folder), time.monotonic()
            try:
                yield draft
                check_locked()
            except BaseException:
                _discard(folder)
                raise
            if draft.cancelled:
                _discard(folder)
                return
            # From here on an error may come after the manifest has changed: nothing is discarded.
            self._commit(draft, time.monotonic() - started)

    def _commit(self, draft: Draft, seconds: float) -> None:
        files = (
            f.model_copy(update={"name": f"{draft.folder.name}/{f.name}"}) for f in draft.files
        )
        files_in_order = tuple(sorted(files, key=lambda file: file.name))
        manifest = Manifest(files=files_in_order, stats=draft.stats, seconds=round(seconds, 3))
        for folder in (draft.folder, self.path):
            sync_folder(folder)
        put(self.path / MANIFEST, manifest.as_json(), draft.folder / f"{MANIFEST}.new")
        for old in fresh(self.path).glob("gen-*"):
            if old.name != draft.folder.name:
                _discard(old)


@dataclass(frozen=True)
class Lake:
    """The root folder of all partitions."""

    root: UPath
    locks: Locks = by_file

    def clear(self) -> None:
        """Removes every table: what was read from sources that have been replaced is no history.

        Raises SettingsError where the folder is no lake.
        """
        claim(self.root, self.locks)
        for partition in self.partitions():
            remove(partition.path)

    def sweep(self) -> None:
        """Removes what killed jobs have left. For who has the lake alone: jobs are writing some."""
        for folder in list(fresh(self.root).glob("**/gen-*")):
            partition = Partition(folder.parent, self.place(folder.parent), self)
            if folder.name not in partition.generations():
                remove(folder)
        for folder in list(fresh(self.root).glob("checkpoints-*")):
            remove(folder)

    @contextmanager
    def locked(self, folder: UPath, *, shared: bool = False) -> Iterator[Callable[[], None]]:
        """Waits until nobody else holds a folder of the lake, and holds it, as `locks` does.

        Raises SettingsError where the root is no lake and cannot become one.
        """
        claim(self.root, self.locks)
        make_folder(folder)
        with self.locks(folder, shared=shared) as check_locked:
            yield check_locked

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Holds back whoever needs the lake alone; waits for one who has asked for it before."""
        with ExitStack() as stack:
            with self.locked(self.root / _DOOR):
                stack.enter_context(self.locked(self.root / _JOBS, shared=True))
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until no job uses the lake, and lets none begin."""
        with self.locked(self.root / _DOOR), self.locked(self.root / _JOBS):
            yield

    def as_of(self, table: str, as_of: AsOf) -> Partition:
        """The partition of a table that belongs to one as-of."""
        folder = self.root / table / f"as_of={as_of.folder}"
        return Partition(folder, f"{table} as of {as_of}", self)

    def window(self, table: str, window: Window) -> Partition:
        """The partition of raw events that arrived within a window of whole minutes."""
        start = "" if window.unbounded else AsOf(window.start).folder
        span = f"{start}..{AsOf(window.end).folder}"
        return Partition(self.root / table / f"window={span}", f"{table} {span}", self)

    def partitions(self) -> list[Partition]:
        """Every complete partition of every table."""
        manifests = fresh(self.root).glob(f"**/{MANIFEST}")
        paths = sorted((manifest.parent for manifest in manifests), key=str)
        return [Partition(path, self.place(path), self) for path in paths]

    def place(self, path: UPath) -> str:
        """A path as seen from the root."""
        return str(path.relative_to(self.root))

    def instants(self, table: str) -> list[AsOf]:
        """Every as-of for which a table is complete, in order."""
        found = fresh(self.root / table).glob(f"as_of=*/{MANIFEST}")
        return sorted(AsOf.parse(path.parent.name.removeprefix("as_of=")) for path in found)

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
    last = AsOf.parse(end)
    return Window(AsOf.parse(start).instant, last.instant) if start else Window.before(last)


def write_part(
    folder: UPath, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> DataFile:
    """Writes batches as one Parquet file and counts the rows.

    Runs on executors too: a retried task writes a second file, and only the file whose name
    reaches the manifest counts.
    """
    file = folder / f"{name}-{uuid4().hex}.parquet"
    rows = 0
    with (
        full_disk(str(file)),
        create(file) as out,
        pq.ParquetWriter(
            out,
            schema,
            compression="zstd",
            use_dictionary=_texts(schema),
            write_page_checksum=True,
        ) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return DataFile(name=file.name, rows=rows, **out.written)


def _texts(schema: pa.Schema) -> list[str]:
    """Paths of the columns that a dictionary pays for: numbers take more time and room by it."""
    flat = [field.name for field in schema if pa.types.is_string(field.type)]
    lists = [field for field in schema if pa.types.is_list(field.type)]
    texts = [field.name for field in lists if pa.types.is_string(field.type.value_type)]
    return flat + [f"{name}.list.element" for name in texts]
