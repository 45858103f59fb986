"""Lists as Parquet files in a folder, or wherever fsspec reaches, with a pointer file.

`live.json` names the runs that are kept and the live one, with the files of each. It is replaced as
a whole, so each change happens at once; files that it does not name are never read, and are removed
by the next publication.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from upath import UPath

from jobs.lake.claims import MARKER
from jobs.lake.files import (
    fresh,
    is_local,
    make_folder,
    put,
    read_table,
    remove,
    sync_folder,
    unverified_table,
)
from jobs.lake.locks import Locks, by_file, by_postgres
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import write_part
from jobs.run.settings import folder_path
from jobs.sinks.base import RunRecord, RunTables, Staged
from recsys import columns as c
from recsys.arrays import Mask
from recsys.errors import ConfigError, RecsysError, RunNotThereError, SinkUnavailableError
from recsys.ids import UserId
from recsys.sections.base import Name, Section

POINTER: Final = "live.json"
_LISTS_PER_FILE: Final = 50_000
_ROWS_PER_BATCH: Final = 8_192

log = logging.getLogger(__name__)


class Config(Section):
    """Folder of the lists."""

    path: Name
    """A folder of this machine, or a URI such as s3://bucket/lists; nothing else writes there."""


def open_sink(config: Config, record: SecretStr) -> "FilesSink":
    """Raises ConfigError for a place that cannot be used."""
    root = folder_path(config.path, "sinks.files.path")
    return FilesSink(root, by_file if is_local(root) else by_postgres(lambda: record))


class StoredRun(BaseModel):
    """A run that is kept, and its files, named from the root."""

    model_config = ConfigDict(frozen=True)

    run_id: int
    as_of: str
    models: tuple[str, ...]
    users: int
    been_live: bool
    folder: str
    lists: tuple[DataFile, ...]
    fallback: tuple[DataFile, ...]


class Pointer(BaseModel):
    """Content of `live.json`."""

    model_config = ConfigDict(frozen=True)

    live: int | None = None
    runs: Mapping[int, StoredRun] = {}
    forgotten: str = ""
    """Digest of the users whose lists were last deleted: runs that are copied later come without
    them, so nothing needs to be read again for the same users."""

    def pointed_at(self, run_id: int) -> "Pointer":
        """The same with another live run, which is kept."""
        run = self.runs[run_id].model_copy(update={"been_live": True})
        runs = {**self.runs, run_id: run}
        return self.model_copy(update={"live": run_id, "runs": runs})


@dataclass(frozen=True)
class FilesSink:
    """A folder of runs and the pointer to the live one."""

    root: UPath
    locks: Locks

    @contextmanager
    def publication(self) -> Iterator["FilesPublication"]:
        with self._locked() as check_locked:
            self._sweep()
            yield FilesPublication(self, check_locked)

    def live(self) -> int | None:
        return self.pointer().live

    def runs(self) -> Sequence[int]:
        return sorted(self.pointer().runs, reverse=True)

    def rollback(self, run_id: int | None = None) -> int:
        with self._locked():
            pointer = self.pointer()
            before = [n for n, r in pointer.runs.items() if r.been_live and n < (pointer.live or 0)]
            target = max(before, default=None) if run_id is None else run_id
            if target is None or target not in pointer.runs:
                wanted = "earlier run" if target is None else f"run {target}"
                kept = ", ".join(map(str, self.runs())) or "none"
                raise RunNotThereError(f"{self.root} keeps no {wanted}; it has {kept}")
            if target == pointer.live:
                raise RunNotThereError(f"run {target} is live already; nothing was changed")
            self.point(pointer.pointed_at(target))
        return target

    def forget(self, users: Collection[UserId]) -> None:
        """Writes the runs that name one of the users anew, and removes the files that did."""
        if not users:
            return
        with self._locked():
            pointer, digest = self.pointer(), _digest(users)
            if digest != pointer.forgotten:
                runs = {n: self._without(run, users) for n, run in pointer.runs.items()}
                self.point(Pointer(live=pointer.live, runs=runs, forgotten=digest))
            self._sweep()

    def mentions(self, user: UserId) -> int:
        with _answering(self.root):
            files = [*fresh(self.root).glob("run=*/lists/*.parquet")]
        tables = (table for table in map(unverified_table, files) if table.num_columns)
        return sum(int(_named(table, [user]).sum()) for table in tables)

    def pointer(self) -> Pointer:
        """Runs that are kept and live; none where no pointer can be read."""
        with _answering(self.root):
            try:
                return Pointer.model_validate_json(fresh(self.root / POINTER).read_bytes())
            except FileNotFoundError:
                return Pointer()
            except ValidationError:
                log.warning("%s is damaged; the runs are copied anew", self.root / POINTER)
                return Pointer()

    def point(self, pointer: Pointer) -> None:
        """Replaces the pointer: the one step in which readers see a change."""
        content = pointer.model_dump_json(indent=1).encode()
        with _answering(self.root):
            put(self.root / POINTER, content, self.root / f"{POINTER}.new")

    def write(self, folder: str, name: str, table: pa.Table) -> DataFile:
        """Writes one file of a run; its name is from the root."""
        place = self.root / folder
        with _answering(self.root):
            make_folder(place)
            file = write_part(place, name, table.schema, table.to_batches(_ROWS_PER_BATCH))
            sync_folder(place)
        return file.model_copy(update={"name": f"{folder}/{file.name}"})

    def _table(self, file: DataFile) -> pa.Table:
        with _answering(self.root):
            return read_table(file.below(self.root))

    def _without(self, run: StoredRun, users: Collection[UserId]) -> StoredRun:
        """The same run where it names none of the users, else one without their lists."""
        tables = [self._table(file) for file in run.lists]
        if not any(_named(table, users).any() for table in tables):
            return run
        folder = _new_folder(run.run_id)
        kept = [table.filter(pa.array(~_named(table, users))) for table in tables]
        lists = [self.write(f"{folder}/lists", f"{n:05d}", table) for n, table in enumerate(kept)]
        fallback = [self.write(f"{folder}/fallback", "all", self._table(f)) for f in run.fallback]
        rows = sum(file.rows for file in lists)
        changes = {"folder": folder, "lists": tuple(lists), "fallback": tuple(fallback)}
        return run.model_copy(update={**changes, "users": rows})

    def _sweep(self) -> None:
        """Removes files that no run names: of killed publications and of runs that are gone."""
        named = {run.folder for run in self.pointer().runs.values()}
        with _answering(self.root):
            for folder in list(fresh(self.root).glob("run=*")):
                if folder.name not in named:
                    remove(folder)

    @contextmanager
    def _locked(self) -> Iterator[Callable[[], None]]:
        with _answering(self.root):
            lakes = [place for place in (self.root, *self.root.parents) if _is_lake(place)]
            if lakes:
                raise ConfigError(f"sinks.files.path: {self.root} is within the lake {lakes[0]}")
            make_folder(self.root)
        with ExitStack() as stack:
            with _answering(self.root):
                check_locked = stack.enter_context(self.locks(self.root))
            yield check_locked


class FilesPublication:
    """A publication in progress: new files beside those that the pointer names."""

    def __init__(self, sink: FilesSink, check_locked: Callable[[], None]) -> None:
        """check_locked: raises where the lock that lets only one publication run was lost."""
        self._sink, self._check_locked = sink, check_locked
        self._staged: dict[int, StoredRun] = {}

    def stage(self, run_id: int, run: RunRecord, tables: RunTables) -> Staged:
        folder, sink = _new_folder(run_id), self._sink
        lists = [
            sink.write(f"{folder}/lists", f"{number:05d}", table)
            for number, table in enumerate(_parts(tables))
        ]
        self._staged[run_id] = StoredRun(
            run_id=run_id,
            as_of=str(run.as_of),
            models=tuple(run.models),
            users=sum(file.rows for file in lists),
            been_live=False,
            folder=folder,
            lists=tuple(lists),
            fallback=(sink.write(f"{folder}/fallback", "all", tables.fallback),),
        )
        return Staged(run_id, self._staged[run_id].users)

    def complete(self, staged: Staged, *, live: bool) -> None:
        pointer, run_id = self._sink.pointer(), staged.run_id
        runs = {**pointer.runs, run_id: self._staged[run_id]}
        changed = pointer.model_copy(update={"runs": runs})
        self._check_locked()
        self._sink.point(changed.pointed_at(run_id) if live else changed)

    def retire(self, keep: int) -> None:
        """Takes old runs from the pointer; their files stay until the next publication, for who has
        just begun to read them."""
        pointer = self._sink.pointer()
        kept = {pointer.live}
        for been_live in (True, False):
            numbers = [n for n, run in pointer.runs.items() if run.been_live is been_live]
            kept.update(sorted(numbers, reverse=True)[:keep])
        if pointer.runs.keys() - kept:
            runs = {n: run for n, run in pointer.runs.items() if n in kept}
            self._check_locked()
            self._sink.point(pointer.model_copy(update={"runs": runs}))


def _new_folder(run_id: int) -> str:
    return f"run={run_id}-{uuid4().hex}"


def _parts(tables: RunTables) -> Iterator[pa.Table]:
    """The lists, so many at a time as one file holds; the last part may be empty."""
    schema, waiting, rows = tables.lists.schema, [], 0
    for batch in tables.lists.to_batches(batch_size=_ROWS_PER_BATCH):
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _LISTS_PER_FILE:
            yield pa.Table.from_batches(waiting, schema)
            waiting, rows = [], 0
    yield pa.Table.from_batches(waiting, schema)


def _digest(users: Collection[UserId]) -> str:
    return hashlib.sha256("\n".join(sorted(map(str, users))).encode()).hexdigest()


def _named(table: pa.Table, users: Collection[UserId]) -> Mask:
    """(rows,) True where a list is of one of the users."""
    ids = table[c.USER_ID]
    found = pc.is_in(ids, value_set=pa.array(list(users), ids.type))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _is_lake(folder: UPath) -> bool:
    return bool(fresh(folder / MARKER).exists())


@contextmanager
def _answering(root: UPath) -> Iterator[None]:
    """Tells of a place that fails; each file system has its own errors."""
    try:
        yield
    except RecsysError:
        raise
    except Exception as error:
        raise SinkUnavailableError(
            f"{root} cannot be used ({error}); check sinks.files.path, rights, and address and "
            "credentials of its server in the environment"
        ) from error
