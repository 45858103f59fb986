"""Which folders are lakes: nothing is written to or removed from any other."""

import json
import stat
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from upath import UPath

from jobs.lake.claims import MARKER, read_marker
from jobs.lake.manifests import MANIFEST
from jobs.lake.partitions import Lake
from recsys.as_of import AsOf
from recsys.errors import LakeFileError, SettingsError
from recsys.schemas import ITEMS
from recsys.sections.ids import Ids
from tests.lake.item_tables import items

DAY = AsOf.parse("2026-01-02")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write(lake: Lake) -> None:
    with lake.as_of("items", DAY).replace() as draft:
        draft.write_table(items(3))


@pytest.mark.parametrize(
    "name", ["work/manifest.json", "raw/notes.txt", "items/as_of=2026-01-02/mine.csv", ".bashrc"]
)
def test_a_folder_that_is_no_lake_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = tree(tmp_path)
    for use in (Lake.clear, write):
        with pytest.raises(SettingsError, match=r"is no lake, it holds .*name a folder that is"):
            use(Lake(UPath(tmp_path)))
    assert tree(tmp_path) == before


def test_a_file_is_no_lake(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    with pytest.raises(SettingsError, match="is a file"):
        write(Lake(UPath(tmp_path / "lake")))


@pytest.mark.parametrize("made", [False, True])
def test_an_absent_or_empty_folder_becomes_a_lake(tmp_path: Path, *, made: bool) -> None:
    folder = tmp_path / "above" / "lake"
    if made:
        folder.mkdir(parents=True)
        (folder / "lost+found").mkdir()
    lake = Lake(UPath(folder))
    write(lake)
    assert (folder / MARKER).is_file()
    lake.clear()
    assert lake.partitions() == []
    write(lake)
    assert lake.as_of("items", DAY).intact()


def test_many_may_make_a_lake_at_once(tmp_path: Path) -> None:
    failed: list[Exception] = []

    def use(number: int) -> None:
        try:
            with Lake(UPath(tmp_path / "lake")).as_of(f"models/{number}", DAY).replace() as draft:
                draft.write_table(items(3))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(Lake(UPath(tmp_path / "lake")).partitions()) == 16


def test_a_lake_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    partition = tmp_path / "items" / "as_of=2026-01-02"
    (partition / "gen-1").mkdir(parents=True)
    pq.write_table(items(3), partition / "gen-1" / "part.parquet")
    size = (partition / "gen-1" / "part.parquet").stat().st_size
    files = [{"name": "gen-1/part.parquet", "rows": 3, "bytes": size}]
    told = {"files": files, "stats": {"available": 3}, "seconds": 0.5}
    (partition / MANIFEST).write_text(json.dumps(told))
    tmp_path.chmod(0o755)
    lake = Lake(UPath(tmp_path))
    with pytest.raises(LakeFileError, match=r"is no manifest.*earlier version"):
        lake.as_of("items", DAY).read(ITEMS, Ids())

    with lake.in_use():
        assert lake.as_of("items", DAY).read(ITEMS, Ids()).num_rows == 3
        assert lake.as_of("items", DAY).manifest().stats == {"available": 3}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_marker_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    lake = Lake(UPath(tmp_path / "lake"))
    write(lake)
    (tmp_path / "lake" / MARKER).write_bytes(b"\x00")
    with pytest.raises(LakeFileError, match=rf"{MARKER} is damaged"):
        lake.clear()


def test_who_needs_a_lake_alone_waits_for_jobs_and_lets_none_begin(tmp_path: Path) -> None:
    lake = Lake(UPath(tmp_path / "lake"))
    order: list[str] = []

    def alone() -> None:
        with lake.alone():
            order.append("alone")

    def job() -> None:
        with lake.in_use():
            order.append("second job")

    with lake.in_use(), lake.in_use():
        eraser = threading.Thread(target=alone)
        eraser.start()
        eraser.join(0.3)
        late = threading.Thread(target=job)
        late.start()
        late.join(0.3)
        order.append("first jobs")
    for thread in (eraser, late):
        thread.join()
    assert order == ["first jobs", "alone", "second job"]


@pytest.mark.parametrize("marker", ["", '{"demo": true}'])
def test_tables_of_an_earlier_version_move_to_their_present_names(
    tmp_path: Path, marker: str
) -> None:
    lake = Lake(UPath(tmp_path))
    with lake.as_of("lists", DAY).replace() as draft:
        draft.write_table(items(3))
    (tmp_path / "lists").rename(tmp_path / "topn")
    (tmp_path / MARKER).unlink()
    if marker:
        (tmp_path / MARKER).write_text(marker)
    write(lake)
    assert lake.as_of("lists", DAY).manifest().rows == 3
    assert not (tmp_path / "topn").exists()
    read = read_marker(lake.root)
    assert read is not None
    assert read.demo == bool(marker)
