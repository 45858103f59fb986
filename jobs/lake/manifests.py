"""Manifests: what a partition of the lake holds, with a checksum of each file and of themselves."""

import json
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from upath import UPath

from jobs.lake.files import StoredFile, fresh
from recsys.errors import LakeFileError

MANIFEST: Final = "manifest.json"
_CHECKSUM: Final = "crc32"


class DataFile(BaseModel):
    """One file of a partition, as the writer counted it."""

    model_config = ConfigDict(frozen=True)

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        {"name": pa.string(), "rows": pa.int64(), "bytes": pa.int64(), "crc32": pa.int64()}
    )

    name: str
    rows: int
    bytes: int
    crc32: int

    def as_batch(self) -> pa.RecordBatch:
        """One row of SCHEMA: how an executor tells the driver what it wrote."""
        return pa.RecordBatch.from_pylist([self.model_dump()], schema=self.SCHEMA)

    def below(self, folder: UPath) -> StoredFile:
        """The file itself, to be read."""
        return StoredFile(folder / self.name, self.bytes, self.crc32)


class Manifest(BaseModel):
    """Contents of a partition: files below its folder, in reading order, and facts about them."""

    model_config = ConfigDict(frozen=True)

    files: tuple[DataFile, ...]
    stats: Mapping[str, Any]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def as_json(self) -> bytes:
        """The content of its file, closed by its own checksum."""
        told = json.loads(self.model_dump_json())
        return json.dumps({**told, _CHECKSUM: _checksum(told)}, indent=1).encode()


def read_manifest(folder: UPath) -> Manifest:
    """The manifest of a partition's folder.

    Raises FileNotFoundError where there is none, LakeFileError where it is damaged.
    """
    file = fresh(folder / MANIFEST)
    read = file.read_bytes()
    try:
        told = json.loads(read)
        said = told.pop(_CHECKSUM)
        manifest = Manifest.model_validate(told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = f"{len(read)} bytes, and this is no manifest, or one of an earlier version"
        raise LakeFileError(_damaged(file, message)) from None
    if said != _checksum(told):
        raise LakeFileError(_damaged(file, "its checksum is another one"))
    return manifest


def _checksum(told: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(told, sort_keys=True).encode()):08x}"


def _damaged(file: UPath, seen: str) -> str:
    return f"{file} is damaged ({seen}); run the job that writes it again, or remove its folder"
