"""Files of the lake that a disk or a power cut has damaged are never taken for data."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from jobs.lake.manifests import MANIFEST
from jobs.lake.partitions import Lake, Partition
from jobs.stores.checks import RESULTS, read_present, results
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import LakeFileError
from recsys.schemas import FALLBACK, HISTORIES, LISTS, QUARANTINE, RAW_EVENTS, TIMESTAMP, Table
from recsys.sections.ids import Ids

DAY = AsOf.parse("2026-01-02")
FLIPS = 60


def rows_of(table: Table, count: int = 200) -> pa.Table:
    """Rows of a table, each column filled with what its type can hold."""
    chance = random.Random(5)  # noqa: S311 - data, not a secret
    made: dict[Any, Callable[[int], Any]] = {
        pa.string(): lambda n: f"text {n}",
        TIMESTAMP: lambda _: DAY.instant,
        pa.bool_(): lambda n: n % 2 == 0,
        pa.binary(): lambda n: bytes([n % 256, 7]),
        pa.float32(): lambda _: chance.random(),
        pa.float64(): lambda _: chance.random(),
    }

    def value(kind: pa.DataType, number: int) -> Any:
        if pa.types.is_list(kind):
            return [value(kind.value_type, number + place) for place in range(5)]
        return made[kind](number) if kind in made else number

    schema = table.arrow(Ids())
    rows = [{field.name: value(field.type, n) for field in schema} for n in range(count)]
    return pa.Table.from_pylist(rows, schema)


def tables(table: Table) -> tuple[Callable[[Partition], None], Callable[[Partition], Any]]:
    """Writes a table to a partition, and reads it in each way that jobs do."""

    def write(partition: Partition) -> None:
        with partition.replace() as draft:
            draft.write_table(rows_of(table))

    def read(partition: Partition) -> Any:
        found = partition.read(table, Ids())
        scanned = partition.dataset(table, Ids()).to_table()
        present, _ = read_present([partition], table, Ids())
        assert found.equals(scanned)
        assert found.equals(present)
        return found

    return write, read


def arrays() -> tuple[Callable[[Partition], None], Callable[[Partition], Any]]:
    """Writes a model to a partition, and reads it."""

    def write(partition: Partition) -> None:
        with partition.replace() as draft:
            draft.write_arrays({"vectors": np.arange(500, dtype=np.float32)})

    return write, lambda partition: partition.arrays()["vectors"].tolist()


def texts() -> tuple[Callable[[Partition], None], Callable[[Partition], Any]]:
    """Writes the results of a check to a partition, and reads them."""

    def write(partition: Partition) -> None:
        with partition.replace() as draft:
            draft.write_text(RESULTS, '[{"success": true, "count": 12345}]', 1)

    return write, results


KINDS = {
    "lists": tables(LISTS),
    "raw events": tables(RAW_EVENTS),
    "matrix": tables(HISTORIES),
    "fallback": tables(FALLBACK),
    "quarantine": tables(QUARANTINE),
    "model": arrays(),
    "results": texts(),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    return Lake(UPath(tmp_path / "lake")).as_of("anything", DAY)


def flip_a_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def changed(read: Any, before: Any) -> bool:
    return not read.equals(before) if isinstance(before, pa.Table) else bool(read != before)


def test_a_flipped_bit_is_one_error(kind: Any, partition: Partition) -> None:
    write, read = kind
    write(partition)
    before, chance = read(partition), random.Random(11)  # noqa: S311 - a plan, not a secret
    (file,) = (Path(each.path) for each in partition.path.glob("gen-*/*"))
    whole = file.read_bytes()
    outcomes = {"error": 0, "unnoticed": 0, "other": 0}
    for _ in range(FLIPS):
        flip_a_bit(file, chance)
        try:
            outcomes["unnoticed" if changed(read(partition), before) else "other"] += 1
        except LakeFileError as error:
            outcomes["error" if file.name in str(error) else "other"] += 1
        file.write_bytes(whole)
    assert outcomes == {"error": FLIPS, "unnoticed": 0, "other": 0}
    assert not changed(read(partition), before)


def test_a_flipped_bit_of_a_manifest_is_one_error(kind: Any, partition: Partition) -> None:
    write, read = kind
    write(partition)
    before, chance = partition.manifest(), random.Random(12)  # noqa: S311 - a plan
    manifest = Path((partition.path / MANIFEST).path)
    whole = manifest.read_bytes()
    noticed = 0
    for _ in range(FLIPS):
        flip_a_bit(manifest, chance)
        try:
            read(partition)
            assert partition.manifest() == before  # white space
        except LakeFileError as error:
            noticed += MANIFEST in str(error)
        manifest.write_bytes(whole)
    assert noticed > FLIPS / 2


@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_cut_file_is_one_error(kind: Any, partition: Partition, left: int) -> None:
    write, read = kind
    write(partition)
    (file,) = (Path(each.path) for each in partition.path.glob("gen-*/*"))
    os.truncate(file, min(left, file.stat().st_size - 1))
    with pytest.raises(LakeFileError, match=r"bytes.*run the job that writes it again"):
        read(partition)
    file.unlink()
    with pytest.raises(LakeFileError, match=r"is not there"):
        read(partition)
    os.truncate(Path((partition.path / MANIFEST).path), left)
    with pytest.raises(LakeFileError, match=MANIFEST):
        read(partition)


def test_a_changed_number_in_a_manifest_is_noticed(partition: Partition) -> None:
    with partition.replace() as draft:
        draft.write_table(rows_of(FALLBACK))
        draft.stats["available"] = 17
    manifest = Path((partition.path / MANIFEST).path)
    manifest.write_text(manifest.read_text().replace("17", "18"))
    with pytest.raises(LakeFileError, match="checksum"):
        partition.manifest()


def test_the_rows_of_a_table_come_back(partition: Partition) -> None:
    with partition.replace() as draft:
        draft.write_table(rows_of(RAW_EVENTS))
    assert partition.read(RAW_EVENTS, Ids())[c.USER_ID].to_pylist() == list(range(200))
