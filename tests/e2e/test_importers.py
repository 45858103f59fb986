"""Public and made-up data, from files through the loader into real servers, and back out."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2 import sql
from pydantic import SecretStr
from typer.testing import CliRunner
from upath import UPath

from jobs.cli.load import import_app
from jobs.db.postgres import connect
from jobs.lake.claims import Marker, mark
from jobs.lake.partitions import Lake
from jobs.run.settings import CONFIG, LAKE, MONGO_URI, POSTGRES_URI
from jobs.sandbox.importers.deskdrop import read_deskdrop
from jobs.sandbox.importers.goodbooks import read_goodbooks
from jobs.sandbox.importers.movielens import read_movielens
from jobs.sandbox.importers.pairs import read_pairs
from jobs.sandbox.market import Market, load
from jobs.sandbox.seed import make_market
from jobs.sources.documents import Document
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.errors import ConfigError, MappingError, SettingsError
from recsys.sections.ids import Ids, IdType

DAY = AsOf.parse("2017-01-01")
REPOSITORY = Path(__file__).parents[2]

Row = dict[str, Any]


class Sources:
    """The two source databases of one test."""

    def __init__(self, postgres: SecretStr, mongo: SecretStr) -> None:
        self.postgres = postgres
        self.mongo = mongo

    def load(self, market: Market, ids: Ids) -> list[tuple[str, int, int]]:
        """Loads a market and gives what the progress hook was told."""
        told: list[tuple[str, int, int]] = []
        with connect(self.postgres) as connection, database(self.mongo) as mongo:
            load(market, ids, connection, mongo, lambda *step: told.append(step))
        return told

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with connect(self.postgres) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []

    def documents(self, collection: str) -> list[Document]:
        with database(self.mongo) as mongo:
            return list(mongo[collection].find({}, {"_id": False}))

    def sizes(self) -> dict[str, int]:
        """Rows and documents there are."""
        tables = ("users", "items", "interactions", "blocks")
        text = sql.SQL("SELECT count(*) FROM market.{}")
        with connect(self.postgres) as connection, connection.cursor() as cursor:
            found = {}
            for name in tables:
                cursor.execute(text.format(sql.Identifier(name)))
                (found[name],) = cursor.fetchone() or (0,)
        collections = ("events", "item_profiles", "user_profiles")
        with database(self.mongo) as mongo:
            return found | {name: mongo[name].count_documents({}) for name in collections}


@pytest.fixture
def sources(bare_postgres_uri: SecretStr, mongo_uri: SecretStr) -> Sources:
    return Sources(bare_postgres_uri, mongo_uri)


def test_deskdrop_ids_stay_the_sources_own(sources: Sources, shared_data: Path) -> None:
    path = shared_data / "deskdrop" / "users_interactions.csv.gz"
    with gzip.open(path, "rt") as file:
        raw = [
            (row["eventType"], int(row["personId"]), int(row["contentId"]), int(row["timestamp"]))
            for row in csv.DictReader(file)
        ]

    market = read_deskdrop(path)
    sources.load(market, Ids())

    explicit = sources.query(
        "SELECT kind, user_id, item_id, extract(epoch FROM created_at)::bigint "
        "FROM market.interactions WHERE received_at = created_at AND value IS NULL"
    )
    names = {"like": "LIKE", "bookmark": "BOOKMARK", "comment": "COMMENT CREATED"}
    back = [(names.get(kind, kind.upper()), *rest) for kind, *rest in explicit]
    back += [
        (e["type"].upper(), e["user_id"], e["item_id"], int(e["ts"].timestamp()))
        for e in sources.documents("events")
        if e["received_at"] == e["ts"]
    ]
    assert Counter(back) == Counter(raw)
    assert min(user for _, user, *_ in raw) < -(2**53)
    assert set(sources.query("SELECT user_id FROM market.users")) == {(u,) for _, u, _, _ in raw}
    assert set(sources.query("SELECT item_id FROM market.items")) == {(i,) for _, _, i, _ in raw}
    assert market.as_of == AsOf.parse("2017-03-01")
    assert sources.sizes() == market.sizes()


def test_movielens_items_carry_titles_genres_and_tags(sources: Sources, shared_data: Path) -> None:
    folder = shared_data / "ml-latest-small"
    with (folder / "ratings.csv").open() as file:
        stars = sum(float(row["rating"]) for row in csv.DictReader(file))

    market = read_movielens(folder)
    sources.load(market, Ids())

    assert sources.sizes() == market.sizes()
    assert sources.query(
        "SELECT kind, count(*), count(DISTINCT user_id), sum(value) "
        "FROM market.interactions GROUP BY kind"
    ) == [("rating", 100_004, 671, stars)]
    (first,) = sources.query(
        "SELECT item_id, value, created_at FROM market.interactions "
        "WHERE user_id = 1 ORDER BY item_id LIMIT 1"
    )
    assert first == (31, 2.5, datetime.fromtimestamp(1260759144, UTC))
    assert sources.query("SELECT title FROM market.items WHERE item_id = 1") == [
        ("Toy Story (1995)",)
    ]
    profiles = {document["item_id"]: document for document in sources.documents("item_profiles")}
    assert profiles[1] == {
        "item_id": 1,
        "title": "Toy Story (1995)",
        "text": "Toy Story Pixar",
        "tags": ["Adventure", "Animation", "Children", "Comedy", "Fantasy"],
        "attributes": {"year": 1995},
    }
    assert not any("(no genres listed)" in profile["tags"] for profile in profiles.values())
    assert market.as_of == AsOf.parse("2016-10-17")


def test_goodbooks_happen_on_the_given_day(sources: Sources, shared_data: Path) -> None:
    market = read_goodbooks(shared_data / "goodbooks", DAY.instant)
    told = sources.load(market, Ids())

    assert sources.sizes() == market.sizes()
    assert sources.query(
        "SELECT kind, count(*), min(created_at), max(received_at) "
        "FROM market.interactions GROUP BY kind"
    ) == [("bookmark", 912_705, datetime(2017, 1, 1, tzinfo=UTC), datetime(2017, 1, 1, tzinfo=UTC))]
    profiles = {document["item_id"]: document for document in sources.documents("item_profiles")}
    assert profiles[2]["tags"] == ["J.K. Rowling", "Mary GrandPré"]
    assert profiles[2]["attributes"] == {"language": "eng", "year": 1997}
    assert min(p["attributes"].get("year", 0) for p in profiles.values()) < 0
    assert ("interactions", 912_705, 912_705) in told
    assert market.as_of == AsOf.parse("2017-01-02")


def test_pairs_of_a_published_split(sources: Sources, shared_data: Path) -> None:
    path = shared_data / "amazon-cds" / "train.parquet"

    sources.load(read_pairs(path, Ids(), DAY.instant), Ids())

    kept = sources.query("SELECT user_id, item_id FROM market.interactions WHERE value = 1")
    table = pq.read_table(path)
    pairs = zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True)
    assert Counter(kept) == Counter(pairs)


ONE = "6f1c6f0e-0b5a-4f0e-9d5e-0a1b2c3d4e5f"
TWO = "00000000-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("ids", "users", "items"),
    [
        (Ids(), [-(2**63), 2**63 - 1], [-1, 9_007_199_254_740_993]),
        (Ids(user="uuid", item="text"), [ONE, TWO], ["SKU, \"1\"", "ключ\n2"]),
        (Ids(user="text", item="uuid"), ["007", " "], [ONE, TWO]),
    ],
)  # fmt: skip
def test_pairs_of_any_id_type(
    sources: Sources, tmp_path: Path, ids: Ids, users: list[Any], items: list[Any]
) -> None:
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"user_id": users, "item_id": items, "value": [0.5, 2]}), path)

    sources.load(read_pairs(path, ids, DAY.instant), ids)

    text = "SELECT user_id, item_id, value FROM market.interactions ORDER BY interaction_id"
    assert sources.query(text) == list(zip(users, items, [0.5, 2], strict=True))
    assert set(sources.query("SELECT user_id FROM market.users")) == {(user,) for user in users}


def test_loading_again_replaces_and_keeps_what_is_not_its_own(sources: Sources) -> None:
    with database(sources.mongo) as mongo:
        mongo["orders"].insert_one({"number": 1})
    sources.load(make_market(50, 40, 10, 900, 1, DAY), Ids())
    smaller = make_market(20, 30, 10, 200, 2, DAY)

    sources.load(smaller, Ids())

    assert sources.sizes() == smaller.sizes()
    assert sources.documents("orders") == [{"number": 1}]
    with database(sources.mongo) as mongo:
        indexed = [index["key"] for index in mongo["events"].index_information().values()]
    assert [("received_at", 1)] in indexed


def test_data_of_others_is_not_dropped(sources: Sources) -> None:
    market = make_market(20, 30, 10, 200, 2, DAY)

    with database(sources.mongo) as mongo:
        mongo["user_profiles"].insert_one({"theirs": True})
    with pytest.raises(SettingsError, match=r"RECSYS_MONGO_URI.*collection user_profiles"):
        sources.load(market, Ids())
    assert sources.documents("user_profiles") == [{"theirs": True}]
    with pytest.raises(MappingError, match="market"):
        sources.sizes()

    sources.query("CREATE SCHEMA market; CREATE TABLE market.prices (price int)")
    with pytest.raises(SettingsError, match=r"RECSYS_POSTGRES_URI.*schema market"):
        sources.load(market, Ids())
    assert sources.query("SELECT * FROM market.prices") == []


def test_ids_of_another_type_than_configured(sources: Sources) -> None:
    market = make_market(20, 30, 10, 200, 2, DAY)

    with pytest.raises(ConfigError, match=r"ids\.item: .* integers, got \"uuid\"; set item = "):
        sources.load(market, Ids(item="uuid"))
    sources.load(market, Ids(item="text"))

    assert ("100001",) in sources.query("SELECT item_id FROM market.items")
    assert "100001" in {profile["item_id"] for profile in sources.documents("item_profiles")}


@pytest.mark.parametrize("kind", get_args(IdType))
def test_seeded_rows_come_back_as_they_were(sources: Sources, kind: IdType) -> None:
    ids = Ids(user=kind, item=kind)
    market = make_market(60, 40, 10, 1500, 3, DAY, ids)

    sources.load(market, ids)

    order = "SELECT user_id, item_id, kind, value, created_at, received_at FROM market.interactions"
    stored = sources.query(f"{order} ORDER BY interaction_id")
    assert repr(stored) == repr(as_utc(market.interactions.to_pylist()))
    assert set(sources.query("SELECT user_id, item_id FROM market.blocks")) == {
        (row["user_id"], row["item_id"]) for row in market.blocks.to_pylist()
    }
    wanted = [without_null_value(row) for row in market.events.to_pylist()]
    assert [restored(document) for document in sources.documents("events")] == [
        *wanted, *market.stray_events,
    ]  # fmt: skip
    assert [restored(d) for d in sources.documents("item_profiles")] == market.item_profiles
    assert [restored(d) for d in sources.documents("user_profiles")] == market.user_profiles


def test_the_command_says_what_it_loaded_and_what_comes_next(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\n1,2\n1,3\n4,3\n", encoding="utf-8")
    monkeypatch.setenv(POSTGRES_URI, sources.postgres.get_secret_value())
    monkeypatch.setenv(MONGO_URI, sources.mongo.get_secret_value())
    monkeypatch.setenv(CONFIG, str(REPOSITORY / "recsys.toml"))
    monkeypatch.setenv(LAKE, str(tmp_path / "lake"))
    stale = Lake(UPath(tmp_path / "lake")).as_of("items", DAY)
    with stale.replace():
        pass
    mark(UPath(tmp_path / "lake"), Marker(demo=True))

    result = CliRunner().invoke(import_app, ["pairs", str(path), "--date", "2024-02-28"])

    assert result.exit_code == 0, result.output
    assert "3 pair" in result.output
    assert "recsys nightly --as-of 2024-02-29" in result.output
    assert sources.sizes()["interactions"] == 3
    assert not stale.exists()


def as_utc(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Rows as psycopg2 gives them."""

    def plain(value: Any) -> Any:
        return value.astimezone(UTC) if isinstance(value, datetime) else value

    return [tuple(plain(value) for value in row.values()) for row in rows]


def without_null_value(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "value" or value is not None}


def restored(document: Document) -> Document:
    """A document with its uuids as text; the embedded server forgets that bytes are a uuid."""
    return dict(_restored(document))


def _restored(document: Document) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, UUID | bytes):
            yield name, str(value if isinstance(value, UUID) else UUID(bytes=value))
        else:
            yield name, value
