"""What a power cut leaves of a lake: the old partition or the new one, whole.

`make chaos` runs the long form; `--chaos-kills` and `--chaos-seed` choose it.
"""

import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from upath import UPath

from jobs.lake.manifests import MANIFEST
from jobs.lake.partitions import Lake, Partition
from recsys.as_of import AsOf
from recsys.schemas import ITEMS
from recsys.sections.ids import Ids
from tests.lake.item_tables import items
from tests.lake.power_cuts import RECORDER, cut_power

DAY = AsOf.parse("2026-01-02")
PARTITIONS = ("items", "raw/items", "models/als")

#: Writes ever larger partitions; its standard output says which it was told to be complete.
WRITER = f"""{RECORDER}
import itertools, sys
from upath import UPath
from jobs.lake.partitions import Lake
from recsys.as_of import AsOf
from tests.lake.item_tables import items

lake, day = Lake(UPath(sys.argv[1])), AsOf.parse(sys.argv[2])
for count in itertools.count(1):
    for name in sys.argv[3:]:
        with lake.as_of(name, day).replace() as draft:
            draft.write_table(items(count))
        os.write(1, f"{{name}} {{count}}\\n".encode())
"""


def partitions(lake: Path) -> dict[str, Partition]:
    return {name: Lake(UPath(lake)).as_of(name, DAY) for name in PARTITIONS}


def test_what_a_power_cut_leaves_is_whole(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kills = max(5, request.config.getoption("--chaos-kills")) if _long(request) else 5
    chance = random.Random(request.config.getoption("--chaos-seed"))  # noqa: S311 - a plan
    for number in range(kills):
        lake, log = tmp_path / f"lake {number}", tmp_path / f"synced {number}"
        lake.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(lake), str(DAY), *PARTITIONS],
            stdout=subprocess.PIPE,
            env=os.environ | {"SYNCED": str(log)},
            cwd=Path(__file__).parents[2],
            text=True,
        ) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.3))
            writer.send_signal(signal.SIGKILL)
            said = first + writer.stdout.read()
        complete = dict(line.split() for line in said.splitlines())
        cut_power(lake, log.read_text().splitlines(keepends=True))
        for name, partition in partitions(lake).items():
            if name in complete:
                assert partition.intact()
                assert partition.read(ITEMS, Ids()).num_rows >= int(complete[name])
            else:
                assert partition.intact() == partition.exists()
            with partition.replace() as draft:
                draft.write_table(items(7))
            assert partition.read(ITEMS, Ids()).num_rows == 7


def _long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--chaos"))


def test_all_is_on_the_disk_before_the_manifest_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, told = tmp_path / "lake", []
    sync, replace = os.fsync, os.replace

    def fsync(number: int) -> None:
        sync(number)
        told.append(str(Path(f"/proc/self/fd/{number}").readlink()))

    def renamed(old: str, new: str) -> None:
        replace(old, new)
        told.append(f"renamed {Path(new).name}")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    partition = partitions(lake)["items"]
    with partition.replace() as draft:
        draft.write_table(items(3))
        draft.write_text("about.json", "{}", 1)
    monkeypatch.undo()

    place = told.index(f"renamed {MANIFEST}")
    before, after = set(told[:place]), told[place + 1 :]
    (draft_folder,) = lake.glob("items/*/gen-*")
    wanted = [*draft_folder.iterdir(), draft_folder, draft_folder.parent, lake / "items", lake]
    assert {str(path) for path in wanted} <= before
    assert str(draft_folder / f"{MANIFEST}.new") in before
    assert after == [str(draft_folder.parent)]


@pytest.mark.parametrize(
    ("rights", "folders", "files"), [(None, 0o700, 0o600), (0o2775, 0o2770, 0o660)]
)
def test_others_may_not_read_a_lake(
    tmp_path: Path, rights: int | None, folders: int, files: int
) -> None:
    lake = tmp_path / "lake"
    if rights is not None:
        lake.mkdir()
        lake.chmod(rights)
    for partition in partitions(lake).values():
        with partition.replace() as draft:
            draft.write_table(items(3))
    found = {stat.S_IMODE(path.stat().st_mode) for path in lake.rglob("*") if path.is_dir()}
    assert found == {folders}
    found = {stat.S_IMODE(path.stat().st_mode) for path in lake.rglob("*") if path.is_file()}
    assert found == {files}
    root = stat.S_IMODE(lake.stat().st_mode)
    assert root == (rights or folders)
