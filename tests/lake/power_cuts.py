"""Power cuts: a lake loses whatever the system was not asked to keep."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

#: Notes in the file SYNCED what the system was asked to keep.
RECORDER = """
import json, os, stat

synced = os.open(os.environ["SYNCED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sync = os.fsync

def fsync(number):
    sync(number)
    found = os.fstat(number)
    names = os.listdir(number) if stat.S_ISDIR(found.st_mode) else None
    os.write(synced, (json.dumps([found.st_ino, found.st_size, names]) + "\\n").encode())

os.fsync = fsync
"""


def everything(folder: Path) -> Iterator[Path]:
    yield folder
    yield from sorted(folder.rglob("*"))


def cut_power(lake: Path, synced: list[str]) -> None:
    """Takes away what the system was not asked to keep: names in folders, contents of files."""
    kept = [json.loads(line) for line in synced if line.endswith("]\n")]
    names = {inode: set(entries) for inode, _, entries in kept if entries is not None}
    sizes = {inode: size for inode, size, entries in kept if entries is None}
    for path in list(everything(lake)):
        if not path.exists():
            continue
        if path.is_dir():
            for lost in {entry.name for entry in path.iterdir()} - names.get(
                path.stat().st_ino, set()
            ):
                gone = path / lost
                shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        elif sizes.get(path.stat().st_ino) != path.stat().st_size:
            os.truncate(path, 0)
