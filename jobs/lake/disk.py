"""Disks without room."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
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
