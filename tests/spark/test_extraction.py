"""Reading from real servers: everything, once, and each row usable or with its reason."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from bson import Int64
from pydantic import SecretStr
from pyspark.sql import SparkSession
from upath import UPath

from jobs.db import postgres
from jobs.lake.partitions import Lake
from jobs.sources import mongo
from jobs.sources import postgres as postgres_reads
from jobs.sources.extraction import Part, PartitionRead, Servers, extract, read_part
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import IncompleteReadError, MappingError, MongoUnavailableError
from recsys.schemas import RAW_BLOCKS, RAW_EVENTS, RAW_ITEM_PROFILES, RAW_ITEMS
from recsys.sections.ids import Ids
from recsys.sections.sources import (
    BlockColumns,
    BlockSource,
    EventColumns,
    EventSource,
    ItemColumns,
    ItemProfileColumns,
    ItemProfileSource,
    ItemSource,
)
from recsys.window import BEGINNING, Window
from tests.mongo_servers import EMBEDDED

DAY = AsOf.parse("2026-01-01")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = EventColumns(user_id="who", item_id="item.id", event_type="type", occurred_at="at")
FROM_MONGO = EventSource(collection="log", columns=EVENTS)
FROM_POSTGRES = EventSource(
    table="log", columns=EVENTS.model_copy(update={"item_id": "item", "value": "stars"})
)


def execute(uri: SecretStr, text: str, values: Any = None) -> None:
    with postgres.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = public")
        cursor.execute(text, values)


def read(lake: Lake, source: Any, window: Window | None = None, **more: Any) -> PartitionRead:
    tables = {EventSource: RAW_EVENTS, ItemSource: RAW_ITEMS, BlockSource: RAW_BLOCKS}
    table = tables.get(type(source), RAW_ITEM_PROFILES)
    name = f"{table.name}{'_outside' if more else ''}"
    return PartitionRead(source, table, lake.as_of(name, DAY), window, **more)


def rows_of(read: PartitionRead, ids: Ids = Ids()) -> list[dict[str, Any]]:  # noqa: B008
    return list(read.partition.read(read.table, ids).to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(UPath(tmp_path))


@pytest.fixture
def mongo_uri(any_mongo_uri: SecretStr) -> SecretStr:
    return any_mongo_uri


@pytest.fixture
def log_in_mongo(mongo_uri: SecretStr) -> Servers:
    documents = [
        {"who": Int64(-n), "item": {"id": n}, "type": "view", "at": NOW - timedelta(hours=n)}
        for n in range(1, 101)
    ]
    strays = [
        {"who": 1, "item": {"id": 2}, "type": "view", "at": "yesterday"},
        {"who": 1, "item": {"id": 2}, "type": "view", "at": None},
        {"who": 1, "item": {"id": 2}, "type": "view"},
        {"who": 1, "item": {"id": 2}, "type": "view", "at": datetime(2999, 1, 1, tzinfo=UTC)},
    ]
    with mongo.database(mongo_uri) as db:
        db["log"].insert_many([*documents, *strays])
    return Servers(None, mongo_uri)


def test_a_collection_is_read_whole_and_once(
    spark: SparkSession, lake: Lake, log_in_mongo: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo, "ROWS_PER_READ", 30)
    whole = Window(BEGINNING, NOW)
    inside, outside = read(lake, FROM_MONGO, whole), read(lake, FROM_MONGO, whole, outside=True)
    extract(lambda: spark, log_in_mongo, [inside, outside], Ids())
    assert sorted(row[c.USER_ID] for row in rows_of(inside)) == list(range(-100, 0))
    assert len(inside.partition.manifest().files) > 1
    reasons = [row[c.REJECT_REASON] for row in rows_of(outside)]
    assert sorted(filter(None, reasons)) == [
        "occurred_at is not a date",
        "occurred_at is null",
        "occurred_at is null",
    ]
    assert len(reasons) == 4


def test_a_window_is_half_open(spark: SparkSession, lake: Lake, log_in_mongo: Servers) -> None:
    window = Window(NOW - timedelta(hours=10), NOW - timedelta(hours=5))
    part = read(lake, FROM_MONGO, window)
    extract(lambda: spark, log_in_mongo, [part], Ids())
    assert sorted(row[c.ITEM_ID] for row in rows_of(part)) == [6, 7, 8, 9, 10]


@pytest.mark.parametrize("rows_per_read", [30, 1000])
def test_dates_in_a_list_are_no_date(
    spark: SparkSession,
    lake: Lake,
    mongo_uri: SecretStr,
    monkeypatch: pytest.MonkeyPatch,
    rows_per_read: int,
) -> None:
    """MongoDB finds a list by each of its values: within one window, several, or between two."""
    monkeypatch.setattr(mongo, "ROWS_PER_READ", rows_per_read)
    ago = [NOW - timedelta(hours=n) for n in range(1000)]
    listed: list[Any] = [{"at": dates} for dates in ([ago[50]], [ago[90], ago[5]], [ago[900], NOW])]
    listed += [{"at": []}, [{"at": ago[50]}], [{"at": ago[90]}, {"at": ago[5]}]]
    dated = [{"at": at} for at in ago[1:101]]
    with mongo.database(mongo_uri) as db:
        db["log"].insert_many(
            {"who": 1, "item": {"id": 2}, "type": "view", "when": when} for when in dated + listed
        )
    columns = EVENTS.model_copy(update={"occurred_at": "when.at"})
    source = FROM_MONGO.model_copy(update={"columns": columns})
    window = Window(ago[100], NOW)
    inside, outside = read(lake, source, window), read(lake, source, window, outside=True)
    extract(lambda: spark, Servers(None, mongo_uri), [inside, outside], Ids())
    assert sorted(row[c.OCCURRED_AT] for row in rows_of(inside)) == ago[100:0:-1]
    assert all(row[c.REJECT_REASON] for row in rows_of(outside))
    assert len(rows_of(outside)) == len(listed)


@pytest.fixture
def log_in_postgres(bare_postgres_uri: SecretStr) -> Servers:
    execute(
        bare_postgres_uri,
        """CREATE TABLE log AS
        SELECT -g AS who, g AS item, 'view' AS type, %s - g * interval '1 hour' AS at,
               CASE WHEN g = 7 THEN 'NaN'::numeric ELSE g END AS stars,
               repeat('x', 1000) AS filler
        FROM generate_series(1::bigint, 200) AS g;
        INSERT INTO log VALUES (NULL, 1, 'view', %s - interval '1 day', 1, NULL),
            (1, 1, 'view', NULL, 1, NULL), (1, 1, 'view', '2999-01-01', 1, NULL)""",
        (NOW, NOW),
    )
    return Servers(bare_postgres_uri, None)


def test_a_table_is_read_whole_and_once(
    spark: SparkSession, lake: Lake, log_in_postgres: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_reads, "PAGES_PER_READ", 5)
    whole = Window(BEGINNING, NOW)
    inside, outside = (
        read(lake, FROM_POSTGRES, whole),
        read(lake, FROM_POSTGRES, whole, outside=True),
    )
    extract(lambda: spark, log_in_postgres, [inside, outside], Ids())
    rows = rows_of(inside)
    assert sorted(row[c.ITEM_ID] for row in rows if row[c.USER_ID]) == list(range(1, 201))
    assert len(inside.partition.manifest().files) > 1
    assert [row[c.REJECT_REASON] for row in rows if not row[c.USER_ID]] == ["user_id is null"]
    assert [row[c.OCCURRED_AT] for row in rows_of(outside)].count(None) == 1
    assert len(rows_of(outside)) == 2


@pytest.mark.parametrize("kind", ["table", "collection"])
def test_a_snapshot_leaves_out_what_was_created_later(
    spark: SparkSession,
    lake: Lake,
    log_in_mongo: Servers,
    log_in_postgres: Servers,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(postgres_reads, "PAGES_PER_READ", 5)
    item = "item" if kind == "table" else "item.id"
    columns = ItemColumns(item_id=item, created_at="at")
    source = ItemSource(**{kind: "log"}, columns=columns)
    part = read(lake, source, Window.since(DAY - timedelta(days=2)), outside=True)
    extract(lambda: spark, replace(log_in_mongo, postgres=log_in_postgres.postgres), [part], Ids())
    earlier, undated = (range(49, 201), [1]) if kind == "table" else (range(49, 101), [2, 2, 2])
    assert sorted(row[c.ITEM_ID] for row in rows_of(part)) == [*undated, *earlier]


def test_a_reader_that_loses_a_part_is_caught(
    spark: SparkSession, lake: Lake, log_in_postgres: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_reads, "PAGES_PER_READ", 5)

    def lossy(servers: Servers, part: Part, ids: Ids) -> Iterator[pa.RecordBatch]:
        return iter(()) if part.number == 1 else read_part(servers, part, ids)

    whole = read(lake, FROM_POSTGRES, Window(BEGINNING, NOW))
    with pytest.raises(IncompleteReadError, match=r"read \d+ rows where log has 201"):
        extract(lambda: spark, log_in_postgres, [whole], Ids(), lossy)
    assert not whole.partition.exists()


@pytest.mark.parametrize(("before", "after"), [(0, 4), (50, 56), (50, 44), (4, 0)])
def test_a_collection_that_is_being_filled_or_emptied_is_not_taken_for_whole(
    spark: SparkSession, lake: Lake, mongo_uri: SecretStr, before: int, after: int
) -> None:
    """The read agrees with the count of its moment, whatever that was."""
    served = BlockSource(collection="blocks", columns=BlockColumns(user_id="who", item_id="what"))
    blocks = [{"_id": n, "who": Int64(n), "what": 1} for n in range(max(before, after))]
    with mongo.database(mongo_uri) as db:
        db["blocks"].insert_many([*blocks[:before], {"_id": -1, "who": Int64(1), "what": 2}])

    def meanwhile(servers: Servers, part: Part, ids: Ids) -> Iterator[pa.RecordBatch]:
        yield from list(read_part(servers, part, ids))
        with mongo.database(mongo_uri) as db:
            db["blocks"].delete_many({"_id": {"$in": list(range(after, before))}})
            if after > before:
                db["blocks"].insert_many(blocks[before:after])

    part = read(lake, served)
    with pytest.raises(
        IncompleteReadError, match=rf"had {before + 1} documents .* {after + 1} now"
    ):
        extract(lambda: spark, Servers(None, mongo_uri), [part], Ids(), meanwhile)
    assert not part.partition.exists()


def test_a_few_documents_may_come_while_a_collection_is_read(
    spark: SparkSession, lake: Lake, log_in_mongo: Servers
) -> None:
    def meanwhile(servers: Servers, part: Part, ids: Ids) -> Iterator[pa.RecordBatch]:
        yield from list(read_part(servers, part, ids))
        with mongo.database(servers.mongo or SecretStr("")) as db:
            late = {"who": 1, "item": {"id": 2}, "type": "view", "at": NOW + timedelta(hours=1)}
            db["log"].insert_many(dict(late) for _ in range(3))

    part = read(lake, FROM_MONGO, Window(BEGINNING, NOW))
    extract(lambda: spark, log_in_mongo, [part], Ids(), meanwhile)
    assert len(rows_of(part)) == 100


def test_a_read_that_the_server_has_forgotten_is_an_outage(
    log_in_mongo: Servers, request: pytest.FixtureRequest
) -> None:
    """The embedded server answers such a read with no rows, which the count catches."""
    assert log_in_mongo.mongo is not None

    def lose_a_read(uri: SecretStr) -> int:
        with mongo.database(uri) as db:
            found = db["log"].find({}, batch_size=2)
            next(found)
            db.command("killCursors", "log", cursors=[found.cursor_id])
            return 1 + sum(1 for _ in found)

    if f"[{EMBEDDED}]" in request.node.name:
        assert lose_a_read(log_in_mongo.mongo) < 104
        return
    with pytest.raises(MongoUnavailableError, match="lost a read"):
        lose_a_read(log_in_mongo.mongo)


def test_every_type_of_id_comes_back_unchanged(
    spark: SparkSession, lake: Lake, bare_postgres_uri: SecretStr, mongo_uri: SecretStr
) -> None:
    execute(
        bare_postgres_uri,
        """CREATE TABLE ints (id bigint); INSERT INTO ints VALUES (-9223372036854775808), (5);
        CREATE TABLE uuids (id uuid);
        INSERT INTO uuids VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11');
        CREATE TABLE texts (id text); INSERT INTO texts VALUES ('Zoë 🎈'), (' x ')""",
    )
    known = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    with mongo.database(mongo_uri) as db:
        db["ints"].insert_many([{"id": Int64(-(2**63))}, {"id": 5}, {"id": 5.0}, {"id": "5"}])
        # As text: the embedded server loses what kind of binary a value is.
        db["uuids"].insert_one({"id": str(known).upper()})
        db["texts"].insert_many([{"id": "Zoë 🎈"}, {"id": " x "}])
    servers = Servers(bare_postgres_uri, mongo_uri)
    expected: dict[str, tuple[Ids, set[object]]] = {
        "ints": (Ids(item="bigint"), {-(2**63), 5}),
        "uuids": (Ids(item="uuid"), {str(known)}),
        "texts": (Ids(item="text"), {"Zoë 🎈", " x "}),
    }
    for name, (ids, values) in expected.items():
        for place in ({"table": name}, {"collection": name}):
            source = ItemSource(**place, columns=ItemColumns(item_id="id"))
            part = read(lake, source)
            extract(lambda: spark, servers, [part], ids)
            assert {row[c.ITEM_ID] for row in rows_of(part, ids)} == values


def test_a_profile_without_its_id_is_one_row_with_its_reason(
    spark: SparkSession, lake: Lake, bare_postgres_uri: SecretStr, mongo_uri: SecretStr
) -> None:
    execute(
        bare_postgres_uri,
        """CREATE TABLE profiles (item_id bigint, tags text[]);
        INSERT INTO profiles VALUES (1, '{a}'), (NULL, '{lost}')""",
    )
    with mongo.database(mongo_uri) as db:
        db["profiles"].insert_many([{"item_id": 1, "tags": ["a"]}, {"tags": ["lost"]}])
    columns = ItemProfileColumns(item_id="item_id", tags=("tags",))
    for place in ({"table": "profiles"}, {"collection": "profiles"}):
        part = read(lake, ItemProfileSource(**place, columns=columns))
        extract(lambda: spark, Servers(bare_postgres_uri, mongo_uri), [part], Ids())
        good, bad = sorted(rows_of(part), key=lambda row: row[c.REJECT_REASON] or "")
        assert (good[c.ITEM_ID], good[c.TAGS], good[c.REJECT_REASON]) == (1, ["a"], None)
        assert (bad[c.ITEM_ID], bad[c.REJECT_REASON]) == (None, "item_id is null")
        assert "lost" in bad[c.SOURCE_ROW]


@pytest.mark.parametrize("change", ["place", "column"])
@pytest.mark.parametrize("kind", ["table", "collection"])
def test_a_wrong_mapping_is_named(
    spark: SparkSession,
    lake: Lake,
    log_in_mongo: Servers,
    log_in_postgres: Servers,
    kind: str,
    change: str,
) -> None:
    servers = replace(log_in_mongo, postgres=log_in_postgres.postgres)
    source = FROM_POSTGRES if kind == "table" else FROM_MONGO
    if change == "place":
        source = source.model_copy(update={kind: "lag"})
    else:
        columns = source.columns.model_copy(update={"user_id": "whom"})
        source = source.model_copy(update={"columns": columns})
    with pytest.raises(MappingError, match="lag" if change == "place" else "'whom'"):
        extract(lambda: spark, servers, [read(lake, source, Window(BEGINNING, NOW))], Ids())


def test_a_time_column_must_be_a_time(
    spark: SparkSession, lake: Lake, log_in_postgres: Servers
) -> None:
    columns = FROM_POSTGRES.columns.model_copy(update={"occurred_at": "type"})
    source = FROM_POSTGRES.model_copy(update={"columns": columns})
    with pytest.raises(MappingError, match=r"log\.type is text, but occurred_at takes one of"):
        extract(lambda: spark, log_in_postgres, [read(lake, source, Window(BEGINNING, NOW))], Ids())


def test_hostile_names_are_only_names(
    spark: SparkSession, lake: Lake, log_in_postgres: Servers
) -> None:
    source = FROM_POSTGRES.model_copy(update={"table": 'log"; DROP TABLE log; --'})
    with pytest.raises(MappingError, match="does not exist"):
        extract(lambda: spark, log_in_postgres, [read(lake, source, Window(BEGINNING, NOW))], Ids())
    uri = log_in_postgres.postgres
    assert uri is not None
    with psycopg2.connect(uri.get_secret_value()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM log")
        assert cursor.fetchone() == (203,)
