"""Files and folders, on this machine or wherever else fsspec reaches.

Parquet goes through Arrow, which reads this machine's files itself and asks fsspec for others.
What is written is on the disk before it is taken for written, and what is read is compared with
what its writer noted of it.
"""

import io
import os
import shutil
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from upath import UPath

from recsys.errors import LakeFileError

_CHUNK: Final = 1 << 20
_OWNERS: Final = stat.S_IRWXU


def is_local(path: UPath) -> bool:
    """True if the operating system knows it by this path."""
    return isinstance(path, Path)


def fresh(path: UPath) -> UPath:
    """The same path, of which nothing is remembered: others may have written since."""
    path.fs.invalidate_cache()
    return path


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredFile:
    """A file, and what its writer noted of it."""

    path: UPath
    bytes: int
    crc32: int


def verify(file: StoredFile) -> None:
    """Raises LakeFileError where a file is not what its writer wrote."""
    with _damage(file):
        found = _counted(file.path)
    _compare(file, found)


def checksum(path: UPath) -> dict[str, int]:
    """Size and checksum of a file as it is, by the names of StoredFile."""
    return _counted(path).told


def content(file: StoredFile) -> bytes:
    """All bytes of a file; raises LakeFileError where they are not what its writer wrote."""
    with _damage(file):
        read = file.path.read_bytes()
    found = _Counted()
    found.add(memoryview(read))
    _compare(file, found)
    return read


def parquet(file: StoredFile) -> pq.ParquetFile:
    """A Parquet file, to be read in parts; raises LakeFileError where it is damaged."""
    with _damage(file):
        return pq.ParquetFile(_source(file))


def read_table(file: StoredFile, **options: Any) -> pa.Table:
    """The rows of a Parquet file; options as of `pyarrow.parquet.read_table`.

    Raises LakeFileError where it is damaged.
    """
    with _damage(file):
        return pq.read_table(_source(file), **options)


def unverified_table(path: UPath) -> pa.Table:
    """The rows of a Parquet file of which no manifest says what it should be; none where it was not
    written to its end, as nobody could read any."""
    try:
        return pq.read_table(path.path, filesystem=path.fs)
    except (pa.ArrowInvalid, OSError):
        return pa.table({})


def dataset(files: Sequence[StoredFile], schema: pa.Schema) -> ds.Dataset:
    """Parquet files of one place as one table; raises LakeFileError where one is damaged."""
    for file in files:
        verify(file)
    where = files[0].path.fs if files else None
    # It may be read much later than it was verified.
    scan = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=scan)
    return ds.dataset([file.path.path for file in files], schema, form, filesystem=where)


def _source(file: StoredFile) -> str | pa.BufferReader:
    """A verified file as Arrow reads it; one that lies elsewhere comes once, and whole."""
    if not is_local(file.path):
        return pa.BufferReader(content(file))
    verify(file)
    return str(file.path.path)


def _counted(path: UPath) -> "_Counted":
    found = _Counted()
    with path.open("rb") as source:
        while part := source.read(_CHUNK):
            found.add(memoryview(part))
    return found


class _Counted:
    """Number of bytes, and their checksum."""

    def __init__(self) -> None:
        self.bytes = 0
        self.crc32 = 0

    def add(self, part: memoryview) -> None:
        self.bytes += part.nbytes
        self.crc32 = zlib.crc32(part, self.crc32)

    @property
    def told(self) -> dict[str, int]:
        """Both, by the names of StoredFile."""
        return {"bytes": self.bytes, "crc32": self.crc32}


@contextmanager
def _damage(file: StoredFile) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise LakeFileError(
            f"{file.path} is not there: another job has replaced it meanwhile, then run again; "
            "else somebody removed it, then run the job that writes it again"
        ) from None


def _compare(file: StoredFile, found: _Counted) -> None:
    if found.bytes != file.bytes:
        seen = f"{found.bytes} bytes where its manifest says {file.bytes}"
    elif found.crc32 != file.crc32:
        seen = f"checksum {found.crc32:08x} where its manifest says {file.crc32:08x}"
    else:
        return
    raise LakeFileError(f"{file.path} is damaged ({seen}); run the job that writes it again")


# --- writing --------------------------------------------------------------------------------------


class CountingWriter(io.RawIOBase):
    """A file that is written from start to end; counts what goes in."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._counted = _Counted()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._counted.bytes

    def write(self, part: Any) -> int:
        view = memoryview(part)
        self._out.write(view)
        self._counted.add(view)
        return view.nbytes

    @property
    def written(self) -> dict[str, int]:
        """Size and checksum, by the names of StoredFile."""
        return self._counted.told


@contextmanager
def create(file: UPath) -> Iterator[CountingWriter]:
    """A new file, which is on the disk when the context ends."""
    if not is_local(file):
        with file.open("wb") as out:
            yield CountingWriter(out)
        return
    with open_closed(Path(file.path)) as out:
        yield CountingWriter(out)
        out.flush()
        os.fsync(out.fileno())


def try_writing(folder: UPath) -> None:
    """Writes a file into a folder and removes it; raises what the file system raises."""
    probe = folder / f".probe-{uuid4().hex}"
    with create(probe) as out:
        out.write(b"recsys")
    probe.unlink()


def open_closed(path: Path) -> IO[bytes]:
    """Opens a file of this machine to be written, which none but those of its folder may read."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if os.fstat(opened).st_uid == os.geteuid():
        os.fchmod(opened, 0o600 | (_group_of(path.parent) & 0o060))
    return os.fdopen(opened, "wb")


def make_folder(folder: UPath) -> None:
    """Makes a folder of a lake, and those above it, where they are missing.

    On this machine it is for its owner, and for the group where that may enter the folder above.
    """
    if is_local(folder):
        _make_local(Path(folder.path), in_a_lake=True)
    else:
        folder.mkdir(parents=True, exist_ok=True)


def make_root(folder: UPath) -> None:
    """Makes the folder of a new lake, for its owner alone, and those above it."""
    if is_local(folder):
        _make_local(Path(folder.path), in_a_lake=False)
    else:
        folder.mkdir(parents=True, exist_ok=True)


def _make_local(path: Path, *, in_a_lake: bool) -> None:
    if path.is_dir():
        return
    _make_local(path.parent, in_a_lake=in_a_lake)
    with suppress(FileExistsError):
        path.mkdir(mode=_OWNERS)
        if in_a_lake:
            path.chmod(_OWNERS | _group_of(path.parent))
        sync_folder(UPath(path.parent))


def _group_of(folder: Path) -> int:
    """The rights of a folder's group, and whether what is in it stays that group's."""
    return folder.stat().st_mode & (stat.S_IRWXG | stat.S_ISGID)


def sync_folder(folder: UPath) -> None:
    """Waits until the names in a folder are on the disk; a place elsewhere sees to it by itself."""
    if not is_local(folder):
        return
    opened = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def put(file: UPath, content: bytes, beside: UPath) -> None:
    """Replaces a file by way of another one of the same place: readers see the old or the new.

    Where a file is not renamed over another, as on HDFS, there is none in between.
    """
    with create(beside) as out:
        out.write(content)
    _rename(beside, file)
    sync_folder(file.parent)


def _rename(old: UPath, new: UPath) -> None:
    if is_local(new):
        Path(old.path).replace(new.path)
        return
    try:
        old.fs.mv(old.path, new.path)
    except OSError:
        if not fresh(new).exists():
            raise
        new.fs.rm_file(new.path)
        old.fs.mv(old.path, new.path)


def put_folder(source: Path, target: UPath) -> None:
    """Replaces a folder by a copy of one of this machine; elsewhere file by file."""
    if not is_local(target):
        remove(target)
        target.fs.put(f"{source}/", target.path, recursive=True)
        return
    beside = target.with_name(f"{target.name}-{uuid4().hex}")
    try:
        make_folder(beside)
        for path in sorted(source.rglob("*")):
            place = beside / path.relative_to(source)
            if path.is_dir():
                make_folder(place)
            else:
                with path.open("rb") as read, create(place) as out:
                    shutil.copyfileobj(read, out)
        remove(target)
        _rename(beside, target)
    except BaseException:
        remove(beside)
        raise


def move_folder(folder: UPath, target: UPath) -> None:
    """Renames a folder; where nothing can be renamed, copies it and removes it then."""
    make_folder(target.parent)
    if is_local(folder):
        _rename(folder, target)
        sync_folder(target.parent)
    else:
        folder.fs.mv(folder.path, target.path, recursive=True)


def remove(folder: UPath) -> None:
    """Removes a folder with all that is in it, if it is there."""
    with suppress(FileNotFoundError):
        fresh(folder).fs.rm(folder.path, recursive=True)
