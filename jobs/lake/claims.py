"""The marker of a lake: nothing below a folder is written or removed before it is there."""

import json
import logging
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict
from upath import UPath

from jobs.lake.files import checksum, fresh, is_local, make_root, move_folder, put, remove
from jobs.lake.locks import Locks
from jobs.lake.manifests import MANIFEST, Manifest
from recsys.errors import LakeFileError, SettingsError

MARKER: Final = ".recsys-lake"
_RENAMED: Final[Mapping[str, str]] = {"interactions": "histories", "topn": "lists"}
"""Tables by the names that earlier versions gave them."""
_TABLES: Final = frozenset(
    {
        *("raw", "quarantine", "items", "histories"),
        *("models", "pools", "lists", "fallback", "contracts"),
        *_RENAMED,
    }
)
_LAYOUT: Final = 2
"""Number of the present layout of folders; it rises with `_RENAMED`."""
_NOT_DATA: Final = frozenset({".lock", "lost+found", f"{MARKER}.new"})

log = logging.getLogger(__name__)


class Marker(BaseModel):
    """Facts that a lake states of itself."""

    model_config = ConfigDict(frozen=True)

    demo: bool = False
    """Whether its sources are those that `recsys seed` or `recsys import` fills."""
    layout: int = _LAYOUT


def read_marker(root: UPath) -> Marker | None:
    """The marker of a folder, None where it is no lake."""
    try:
        read = fresh(root / MARKER).read_bytes()
        # Markers of the first layout do not say so.
        return Marker.model_validate({"layout": 1, **json.loads(read)})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError):
        raise LakeFileError(
            f"{root / MARKER} is damaged; if {root} is a lake of this pipeline, write {{}} into it"
        ) from None


def mark(root: UPath, marker: Marker) -> None:
    """Makes a folder a lake, or changes what it says of itself."""
    put(root / MARKER, marker.model_dump_json().encode(), root / f"{MARKER}.new")


def claim(root: UPath, locks: Locks) -> None:
    """Makes an absent or empty folder a lake; takes over a lake of an earlier version.

    Raises SettingsError for a folder that holds anything else: nothing in it is touched.
    """
    if (marker := read_marker(root)) is not None:
        if marker.layout < _LAYOUT:
            _upgrade(root, locks)
        return
    entries = _claimable(root)
    make_root(root)
    with locks(root):
        if read_marker(root) is None:
            if entries:
                _adopt(root)
                _rename_tables(root)
            mark(root, Marker())


def look(root: UPath) -> str:
    """What a folder is to the jobs, in words; nothing of it is changed.

    Raises SettingsError for a folder that holds anything but a lake, LakeFileError where it is a
    lake that cannot be used.
    """
    if (marker := read_marker(root)) is None:
        kept = "a lake of an earlier version" if _claimable(root) else "no lake yet"
        return f"{root} is {kept}; the first job makes it one"
    if marker.layout > _LAYOUT:
        raise LakeFileError(
            f"{root} has layout {marker.layout}, and this code knows {_LAYOUT}; install the code "
            "that made it"
        )
    if marker.layout < _LAYOUT:
        return f"{root} has layout {marker.layout}; the next job brings it to {_LAYOUT}"
    return f"{root} is a lake of this layout"


def _claimable(root: UPath) -> set[str]:
    """Tables in a folder without a marker; raises SettingsError where it holds anything else."""
    entries = _entries(root)
    foreign = entries - _TABLES
    if entries and not foreign and not any(fresh(root).glob(f"**/{MANIFEST}")):
        foreign = entries
    if foreign and read_marker(root) is None:  # somebody else may just have made it
        raise SettingsError(
            f"RECSYS_LAKE: {root} is no lake, it holds {', '.join(sorted(foreign)[:5])}; "
            "name a folder that is a lake, that is empty, or that is not there yet"
        )
    return entries


def _upgrade(root: UPath, locks: Locks) -> None:
    with locks(root):
        marker = read_marker(root)
        if marker is not None and marker.layout < _LAYOUT:
            _rename_tables(root)
            mark(root, marker.model_copy(update={"layout": _LAYOUT}))


def _rename_tables(root: UPath) -> None:
    """Moves partitions to the present names of their tables; what was moved before stays."""
    for old, new in _RENAMED.items():
        for partition in sorted(fresh(root / old).glob("*=*"), key=str):
            if not fresh(root / new / partition.name).exists():
                move_folder(partition, root / new / partition.name)
        remove(root / old)


def _entries(root: UPath) -> set[str]:
    try:
        return {entry.name for entry in fresh(root).iterdir()} - _NOT_DATA
    except FileNotFoundError:
        return set()
    except NotADirectoryError:  # what an object store says of a place that holds nothing
        if is_local(root):
            raise SettingsError(f"RECSYS_LAKE: {root} is a file; name a folder") from None
        return set()


def _adopt(root: UPath) -> None:
    """Notes the checksums of a lake that an earlier version made, and closes it to others."""
    if is_local(root):
        root.chmod(root.stat().st_mode & 0o770)
    for manifest in sorted(fresh(root).glob(f"**/{MANIFEST}"), key=str):
        told = json.loads(manifest.read_bytes())
        if "crc32" not in told:
            folder = manifest.parent
            files = [{**f, **checksum(folder / f["name"])} for f in told["files"]]
            sealed = Manifest.model_validate({**told, "files": files})
            put(manifest, sealed.as_json(), folder / f"{MANIFEST}.new")
    log.info("%s was made by an earlier version; the checksums of its files are noted now", root)
