"""Files and folders, on this machine or wherever else fsspec reaches.

Parquet goes through Arrow, which reads this machine's files itself and asks fsspec for others.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from upath import UPath


def is_local(path: UPath) -> bool:
    """Whether the operating system knows it by this path."""
    return isinstance(path, Path)


def fresh(path: UPath) -> UPath:
    """The same path, of which nothing is remembered: others may have written since."""
    path.fs.invalidate_cache()
    return path


def parquet(file: UPath) -> pq.ParquetFile:
    """A Parquet file, to be read in parts."""
    # Whole row groups at once: a request costs more than the bytes beside what is wanted.
    return pq.ParquetFile(file.path, filesystem=file.fs, pre_buffer=not is_local(file))


def read_table(file: UPath, **options: Any) -> pa.Table:
    """The rows of a Parquet file; options as of `pyarrow.parquet.read_table`."""
    return pq.read_table(file.path, filesystem=file.fs, **options)


def dataset(files: Sequence[UPath], schema: pa.Schema) -> ds.Dataset:
    """Parquet files of one place as one table."""
    where = files[0].fs if files else None
    return ds.dataset([file.path for file in files], schema, "parquet", filesystem=where)


def put(file: UPath, content: bytes, beside: UPath) -> None:
    """Replaces a file by way of another one of the same place: readers see the old or the new.

    Where a file is not renamed over another, as on HDFS, there is none in between.
    """
    if is_local(file):
        with beside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    else:
        beside.write_bytes(content)
    _rename(beside, file)


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
        shutil.copytree(source, beside.path)
        remove(target)
        _rename(beside, target)
    except BaseException:
        remove(beside)
        raise


def remove(folder: UPath) -> None:
    """Removes a folder with all that is in it, if it is there."""
    with suppress(FileNotFoundError):
        fresh(folder).fs.rm(folder.path, recursive=True)
