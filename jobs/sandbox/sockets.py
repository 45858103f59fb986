"""Sockets of embedded servers, in a folder that its owner alone may enter."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from recsys.errors import SandboxError

# sockaddr_un holds 104 bytes on macOS and 108 on Linux, the closing zero included.
_MAX_PATH: Final = 103


def socket_folder(home: Path, name: str) -> Path:
    """In `home`; under /tmp where the path of a socket of that name would be too long there, or
    reads as several hosts.

    Not under $TMPDIR: every process must come to the same folder.
    """
    beside = home / "socket"
    if len(os.fsencode(beside / name)) <= _MAX_PATH and "," not in str(beside):
        return beside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"recsys-{digest}"  # noqa: S108 - callers check who owns it


def make_closed(folder: Path) -> None:
    """Makes a folder for this user alone; raises SandboxError where it is somebody else's."""
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        raise SandboxError(f"{folder} is not this user's own folder; remove it")
    folder.chmod(0o700)
