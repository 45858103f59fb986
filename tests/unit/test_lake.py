import json
import threading
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.io.features import interactions
from jobs.io.lake import MANIFEST, Lake, write_part
from recsys import columns as c
from recsys.config import Ids
from recsys.errors import MissingPartitionError, SchemaError
from recsys.schemas import INTERACTIONS, ITEMS
from recsys.window import Window, midnight

DAY = date(2026, 1, 2)


def items(*ids: int) -> pa.Table:
    rows = [
        {c.ITEM_ROW: row, c.ITEM_ID: item, c.TITLE: None, c.AVAILABLE: True}
        for row, item in enumerate(ids)
    ]
    return pa.Table.from_pylist(rows, schema=ITEMS.arrow(Ids()))


def test_a_partition_is_replaced_as_a_whole(tmp_path: Path) -> None:
    partition = Lake(tmp_path).as_of("items", DAY)
    for ids in ((1, 2), (3,)):
        with partition.replace() as draft:
            draft.write_table(items(*ids))
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [3]
    assert len(list(partition.path.glob("gen-*"))) == 1


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    partition = Lake(tmp_path).as_of("items", DAY)
    with partition.replace() as draft:
        draft.write_table(items(1))

    def broken() -> None:
        with partition.replace() as draft:
            draft.write_table(items(2))
            assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [1]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [1]
    assert len(list(partition.path.glob("gen-*"))) == 1


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    partition = Lake(tmp_path).as_of("items", DAY)
    order: list[str] = []

    def second() -> None:
        with partition.replace() as draft:
            order.append("second")
            draft.write_table(items(2))

    writer = threading.Thread(target=second)
    with partition.replace() as draft:
        writer.start()
        writer.join(timeout=0.3)
        draft.write_table(items(1))
        order.append("first")
    writer.join()
    assert order == ["first", "second"]
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [2]


def test_files_without_a_manifest_are_never_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    window = lake.window("raw/events", Window.before(DAY))
    (window.path / "gen-x").mkdir(parents=True)
    assert lake.windows("raw/events") == []
    with pytest.raises(MissingPartitionError, match=r"raw/events \.\.2026-01-02 is not in"):
        window.files()


def test_windows_are_found_by_their_bounds(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    known = [Window.before(DAY), Window(midnight(DAY), midnight(date(2026, 1, 3)))]
    for window in known:
        with lake.window("raw/events", window).replace() as draft:
            draft.write_table(items())
    assert lake.windows("raw/events") == known


def test_a_file_that_lost_rows_is_noticed(tmp_path: Path) -> None:
    partition = Lake(tmp_path).as_of("items", DAY)
    with partition.replace() as draft:
        draft.write_table(items(1, 2))
    manifest = json.loads((partition.path / MANIFEST).read_text())
    manifest["files"][0]["rows"] = 3
    (partition.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SchemaError, match="2 rows read, manifest says 3"):
        partition.read(ITEMS, Ids())


def test_arrays_come_back_without_pickle(tmp_path: Path) -> None:
    partition = Lake(tmp_path).as_of("models/als", DAY)
    with partition.replace() as draft:
        draft.write_arrays({"a": np.arange(3, dtype=np.float32)})
    np.testing.assert_array_equal(partition.arrays()["a"], np.arange(3))
    objects = np.array([object()])
    with pytest.raises(ValueError, match="Object arrays"), partition.replace() as draft:
        draft.write_arrays({"a": objects})
    np.testing.assert_array_equal(partition.arrays()["a"], np.arange(3))


def test_histories_come_in_the_order_of_their_users(tmp_path: Path) -> None:
    lake, schema = Lake(tmp_path), INTERACTIONS.arrow(Ids())
    lists = (c.ITEM_ROWS, c.WEIGHTS, c.AGES, c.EARLIER_WEIGHTS, c.BLOCKED_ROWS)
    empty: dict[str, Any] = {name: [] for name in lists}
    with lake.as_of(INTERACTIONS.name, DAY).replace() as draft:
        for part, users in enumerate([[2, 3], [0, 1]]):
            rows = [{c.USER_ROW: n, c.USER_ID: n, c.ACTIVE: True, **empty} for n in users]
            batches = pa.Table.from_pylist(rows, schema).to_batches()
            draft.files.append(write_part(draft.folder, f"part-{part}", schema, batches))
    assert interactions(lake, DAY, Ids())[c.USER_ROW].to_pylist() == [0, 1, 2, 3]
