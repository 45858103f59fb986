import resource
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from pydantic import SecretStr
from upath import UPath

from jobs.db.postgres import connect
from jobs.lake.files import StoredFile, put, put_folder, read_table
from jobs.lake.locks import by_postgres
from jobs.lake.partitions import Lake, Partition, write_part
from jobs.stores.models import histories
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import (
    DiskFullError,
    MissingPartitionError,
    PostgresUnavailableError,
    SchemaError,
)
from recsys.schemas import HISTORIES, ITEMS
from recsys.sections.ids import Ids
from recsys.window import Window
from tests.logins import as_admin
from tests.postgres.publications import query
from tests.postgres.sessions import WAITING

DAY = AsOf.parse("2026-01-02")


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """An empty lake on this machine, and one in an object store."""
    if request.param == "folder":
        return Lake(UPath(tmp_path))
    uri, bucket = map(request.getfixturevalue, ("postgres_uri", "bucket"))
    return Lake(bucket / "lake", by_postgres(lambda: uri))


def items(*ids: int) -> pa.Table:
    rows = [
        {c.ITEM_ROW: row, c.ITEM_ID: item, c.TITLE: None, c.AVAILABLE: True}
        for row, item in enumerate(ids)
    ]
    return pa.Table.from_pylist(rows, schema=ITEMS.arrow(Ids()))


def test_a_partition_is_replaced_as_a_whole(lake: Lake) -> None:
    partition = lake.as_of("items", DAY)
    for ids in ((1, 2), (3,)):
        with partition.replace() as draft:
            draft.write_table(items(*ids))
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [3]
    assert len(list(partition.path.glob("gen-*/*"))) == 1


def test_a_write_that_breaks_off_leaves_what_was_there(lake: Lake) -> None:
    partition = lake.as_of("items", DAY)
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
    assert len(list(partition.path.glob("gen-*/*"))) == 1


def test_a_partition_is_whole_where_the_answer_to_its_last_step_is_lost(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = lake.as_of("items", DAY)

    def put_and_lose(*arguments: Any) -> None:
        put(*arguments)
        raise ConnectionError

    def write() -> None:
        with partition.replace() as draft:
            draft.write_table(items(1))

    monkeypatch.setattr("jobs.lake.partitions.put", put_and_lose)
    with pytest.raises(ConnectionError):
        write()
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [1]


def test_a_second_writer_waits_for_the_first(lake: Lake) -> None:
    partition = lake.as_of("items", DAY)
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


def test_files_without_a_manifest_are_never_read(lake: Lake) -> None:
    window = lake.window("raw/events", Window.before(DAY))
    (window.path / "gen-x").mkdir(parents=True)
    write_part(window.path / "gen-x", "part", ITEMS.arrow(Ids()), items(1).to_batches())
    assert lake.windows("raw/events") == []
    with pytest.raises(MissingPartitionError, match=r"raw/events \.\.2026-01-02 is not in"):
        window.files()


def test_windows_are_found_by_their_bounds(lake: Lake) -> None:
    third, morning = (AsOf.parse(text).instant for text in ("2026-01-03", "2026-01-03T06:00Z"))
    known = [Window.before(DAY), Window(DAY.instant, third), Window(third, morning)]
    for window in known:
        with lake.window("raw/events", window).replace() as draft:
            draft.write_table(items())
    assert lake.windows("raw/events") == known
    folders = {lake.window("raw/events", window).path.name for window in known}
    assert folders == {
        "window=..2026-01-02",
        "window=2026-01-02..2026-01-03",
        "window=2026-01-03..2026-01-03T0600Z",
    }


def test_runs_within_a_day_have_partitions_of_their_own(lake: Lake) -> None:
    instants = [DAY, DAY + timedelta(hours=6), DAY + timedelta(days=1)]
    for number, as_of in enumerate(instants):
        with lake.as_of("items", as_of).replace() as draft:
            draft.write_table(items(*range(number + 1)))
    assert lake.instants("items") == instants
    assert [lake.as_of("items", at).manifest().rows for at in instants] == [1, 2, 3]
    assert lake.as_of("items", instants[1]).path.name == "as_of=2026-01-02T0600Z"


def test_a_writer_that_counts_wrong_is_noticed(lake: Lake) -> None:
    partition = lake.as_of("items", DAY)
    with partition.replace() as draft:
        draft.write_table(items(1, 2))
        draft.files = [draft.files[0].model_copy(update={"rows": 3})]
    with pytest.raises(SchemaError, match="2 rows read, manifest says 3"):
        partition.read(ITEMS, Ids())


def test_a_partition_that_is_replaced_while_it_is_read_is_read_whole(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = lake.as_of("items", DAY)
    for ids in ((1, 2), (3,)):
        with partition.replace() as draft:
            draft.write_table(items(*ids))
    reads: list[StoredFile] = []

    def replaced_before_the_first(file: StoredFile, **options: Any) -> pa.Table:
        reads.append(file)
        if len(reads) == 1:
            with partition.replace() as draft:
                draft.write_table(items(4, 5, 6))
        return read_table(file, **options)

    monkeypatch.setattr("jobs.lake.partitions.read_table", replaced_before_the_first)
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [4, 5, 6]
    assert len(reads) == 2


def test_arrays_come_back_without_pickle(lake: Lake) -> None:
    partition = lake.as_of("models/als", DAY)
    with partition.replace() as draft:
        draft.write_arrays({"a": np.arange(3, dtype=np.float32)})
    np.testing.assert_array_equal(partition.arrays()["a"], np.arange(3))
    objects = np.array([object()])
    with pytest.raises(ValueError, match="Object arrays"), partition.replace() as draft:
        draft.write_arrays({"a": objects})
    np.testing.assert_array_equal(partition.arrays()["a"], np.arange(3))


def test_histories_come_in_the_order_of_their_users(lake: Lake) -> None:
    schema = HISTORIES.arrow(Ids())
    empty: dict[str, Any] = {f.name: [] for f in schema if pa.types.is_list(f.type)}
    with lake.as_of(HISTORIES.name, DAY).replace() as draft:
        for part, users in enumerate([[2, 3], [0, 1]]):
            rows = [{c.USER_ROW: n, c.USER_ID: n, c.ACTIVE: True, **empty} for n in users]
            batches = pa.Table.from_pylist(rows, schema).to_batches()
            draft.files.append(write_part(draft.folder, f"part-{part}", schema, batches))
    assert histories(lake, DAY, Ids())[c.USER_ROW].to_pylist() == [0, 1, 2, 3]


def test_a_writer_that_lost_its_lock_changes_nothing(
    bucket: UPath, postgres_uri: SecretStr
) -> None:
    partition = Lake(bucket, by_postgres(lambda: postgres_uri)).as_of("items", DAY)
    with partition.replace() as draft:
        draft.write_table(items(1))

    def cut_off() -> None:
        with partition.replace() as draft:
            draft.write_table(items(2))
            with connect(as_admin(postgres_uri)) as connection, connection.cursor() as cursor:
                cursor.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_locks
                    WHERE relation = 'recs.lake_folder'::regclass AND mode = 'RowShareLock'"""
                )
                assert cursor.fetchall() == [(True,)]

    with pytest.raises(PostgresUnavailableError):
        cut_off()
    assert partition.read(ITEMS, Ids())[c.ITEM_ID].to_pylist() == [1]


def test_nobody_but_the_writer_can_hold_a_folder_in_a_bucket(
    bucket: UPath, postgres_uri: SecretStr
) -> None:
    partition = Lake(bucket, by_postgres(lambda: postgres_uri)).as_of("items", DAY)
    write(partition, items(1))
    number = f"hashtextextended('recsys lake {partition.path}', 0)"
    with psycopg2.connect(as_admin(postgres_uri).get_secret_value()) as other:
        cursor = other.cursor()
        for role in ("recsys_app", "recsys_analyst", "recsys_moderator"):
            cursor.execute(f"SET ROLE {role}; SELECT pg_advisory_lock({number})")
            for text in (
                "SELECT FROM recs.lake_folder FOR SHARE",
                "LOCK TABLE recs.lake_folder IN ROW SHARE MODE",
            ):
                cursor.execute("SAVEPOINT before")
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(text)
                cursor.execute("ROLLBACK TO before")
        write(partition, items(1, 2))
    other.close()
    assert partition.read(ITEMS, Ids()).num_rows == 2


def test_who_holds_a_folder_in_a_bucket_keeps_others_waiting(
    bucket: UPath, postgres_uri: SecretStr
) -> None:
    lake = Lake(bucket, by_postgres(lambda: postgres_uri))
    folder, events = lake.root / "raw", []

    def hold(name: str, *, shared: bool) -> None:
        with lake.locked(folder, shared=shared):
            events.append(name)

    with ThreadPoolExecutor(1) as pool:
        with lake.locked(folder, shared=True):
            pool.submit(hold, "shared", shared=True).result()
            alone = pool.submit(hold, "alone", shared=False)
            while query(postgres_uri, WAITING) == [(0,)]:
                assert not alone.done()
            events.append("end")
        alone.result()
    assert events == ["shared", "end", "alone"]


def test_a_place_is_told_from_the_root(lake: Lake) -> None:
    with lake.as_of("models/als", DAY).replace() as draft:
        draft.write_table(items(1))
    (found,) = lake.partitions()
    assert found.label == "models/als/as_of=2026-01-02"
    assert lake.instants("models/als") == [DAY]
    lake.clear()
    assert lake.partitions() == []
    assert not found.exists()


def test_pages_replace_those_of_before(lake: Lake, tmp_path: Path) -> None:
    pages, site = tmp_path / "pages", lake.root / "docs"
    for name in ("old", "new"):
        (pages / "static").mkdir(parents=True)
        (pages / "static" / f"{name}.css").write_text(name)
        put_folder(pages, site)
        assert (site / "static" / f"{name}.css").read_text() == name
        shutil.rmtree(pages)
    assert [path.name for path in (site / "static").iterdir()] == ["new.css"]
    assert [path.name for path in lake.root.iterdir() if "docs" in path.name] == ["docs"]


def test_what_another_machine_writes_is_seen_at_once(
    bucket: UPath, postgres_uri: SecretStr
) -> None:
    # Another option makes another file system, which knows nothing of what this one does.
    other = UPath(str(bucket), **bucket.storage_options, default_fill_cache=False)
    here, there = (Lake(root, by_postgres(lambda: postgres_uri)) for root in (bucket, other))
    for number, day in enumerate([DAY, DAY + timedelta(days=1)]):
        assert len(here.instants("items")) == number
        assert not here.as_of("items", day).exists()
        with there.as_of("items", day).replace() as draft:
            draft.write_table(items(1))
        assert here.instants("items")[-1] == day
        assert here.as_of("items", day).read(ITEMS, Ids()).num_rows == 1
        with there.as_of("items", day).replace() as draft:
            draft.write_table(items(1, 2))
        assert here.as_of("items", day).read(ITEMS, Ids()).num_rows == 2


def write(partition: Partition, rows: pa.Table) -> None:
    with partition.replace() as draft:
        draft.write_table(rows)


def test_a_file_that_has_no_room_is_named(tmp_path: Path) -> None:
    """A limit of the file's size is found out as late as a full disk is: while it is written."""
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    partition = Lake(UPath(tmp_path)).as_of("items", DAY)
    rows = items(*range(5_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, most))
    try:
        with pytest.raises(DiskFullError, match=r"no room left to write .*part.*File too large"):
            write(partition, rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    assert not partition.exists()
    assert list(partition.path.glob("gen-*")) == []
