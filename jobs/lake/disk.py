"""Disks without room."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recsys.errors import DiskFullError

#: No room, no room within a quota, and no room for a file of that size within a limit.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def full_disk(place: str = "") -> Iterator[None]:
    """Turns the error of a disk without room into DiskFullError.

    place: where it was written to, in case the error does not say so itself.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise no_room(place or "a file", str(error)) from error


def no_room(place: str, detail: str) -> DiskFullError:
    """The error for a place that cannot be written to."""
    return DiskFullError(
        f"no room left to write {place} ({detail}); free some, or raise its quota, and run again"
    )


@dataclass(frozen=True)
class Room:
    """Bytes of a disk."""

    free: int
    total: int


def room(folder: Path) -> Room:
    """Room on the disk of a folder, or of the one that it will be made in."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    found = shutil.disk_usage(there)
    return Room(found.free, found.total)


def size(folder: Path) -> int:
    """Bytes of all files below a folder, as far as they are there and may be seen."""
    return sum(
        _bytes(os.path.join(place, name))  # noqa: PTH118 - a lake has many files
        for place, _, names in os.walk(folder)
        for name in names
    )


def _bytes(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116
    except OSError:  # a job has removed it meanwhile
        return 0
