"""`recsys init`: the market under names that nobody could guess, and what init refuses."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from typer.testing import CliRunner, Result

from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.run import settings as environment
from jobs.run.settings import Settings
from jobs.sandbox.market import load
from jobs.sandbox.seed import make_market
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.sections.ids import Ids

#: New names of tables and collections, each with those of its columns or fields.
Names = Mapping[str, tuple[str, Mapping[str, str]]]
GERMAN: Names = {
    "users": (
        "kundschaft",
        {"user_id": "kd_nr", "name": "ruf", "active": "ok", "created_at": "ab"},
    ),
    "items": (
        "waren",
        {"item_id": "lfd", "title": "bezeichnung", "available": "lieferbar", "created_at": "seit"},
    ),
    "interactions": (
        "Bewegungen",
        {
            "interaction_id": "id",
            "user_id": "kd_nr",
            "item_id": "ware",
            "kind": "vorgang",
            "value": "wert",
            "created_at": "zeit",
            "received_at": "gebucht",
        },
    ),
    "blocks": ("sperrliste", {"user_id": "kd_nr", "item_id": "ware", "created_at": "zeit"}),
    "events": (
        "klicks",
        {"user_id": "k", "item_id": "w", "type": "was", "ts": "wann", "received_at": "da"},
    ),
    "item_profiles": (
        "texte",
        {"item_id": "ware", "title": "kopf", "text": "prosa", "tags": "rubrik"},
    ),
    "user_profiles": ("steckbrief", {"user_id": "kd", "text": "notiz", "tags": "vorlieben"}),
}
NAMELESS: Names = {
    "users": ("t1", {"user_id": "a", "name": "b", "active": "c", "created_at": "d"}),
    "items": ("t2", {"item_id": "a", "title": "b", "available": "c", "created_at": "d"}),
    "interactions": (
        "t3",
        {
            "interaction_id": "a",
            "user_id": "b",
            "item_id": "c",
            "kind": "d",
            "value": "e",
            "created_at": "f",
            "received_at": "g",
        },
    ),
    "blocks": ("t4", {"user_id": "a", "item_id": "b", "created_at": "c"}),
    "events": ("x1", {"user_id": "a", "item_id": "b", "type": "c", "ts": "d", "received_at": "e"}),
    "item_profiles": (
        "x2",
        {"item_id": "a", "title": "b", "text": "c", "tags": "d", "attributes": "e"},
    ),
    "user_profiles": ("x3", {"user_id": "a", "text": "b", "tags": "c", "attributes": "d"}),
}
TABLES = ("users", "items", "interactions", "blocks")
COLLECTIONS = ("events", "item_profiles", "user_profiles")


def fill(settings: Settings, ids: Ids, names: Names) -> None:
    """The market in the databases, under other names."""
    market = make_market(150, 90, 20, 1_500, 7, AsOf.parse("2026-01-01"), ids)
    with (
        connect(settings.require_postgres()) as connection,
        database(settings.require_mongo()) as mongo,
    ):
        load(market, ids, connection, mongo, lambda *_: None)
        with connection.cursor() as cursor:
            for table in TABLES:
                place, columns = names[table]
                for old, new in columns.items():
                    rename(cursor, "ALTER TABLE market.{} RENAME COLUMN {} TO {}", table, old, new)
                rename(cursor, "ALTER TABLE market.{} RENAME TO {}", table, place)
            rename(cursor, "ALTER SCHEMA {} RENAME TO {}", "market", "Shop")
        for collection in COLLECTIONS:
            place, fields = names[collection]
            documents = [
                {fields.get(name, name): value for name, value in document.items()}
                for document in mongo[collection].find({}, {"_id": False})
            ]
            mongo[place].insert_many(documents)
        for collection in (*COLLECTIONS, "recsys_demo"):
            mongo[collection].drop()


def rename(cursor: Any, text: str, *names: str) -> None:
    cursor.execute(sql.SQL(text).format(*map(sql.Identifier, names)))


def expected(names: Names, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The sources as the shipped configuration has them, under other names."""
    shipped = tomllib.loads(Path("recsys.toml").read_text(encoding="utf-8"))["sources"]
    found = {}
    for name, source in shipped.items():
        if name in without:
            continue
        place, columns = names[name]

        def renamed(old: Any, columns: Mapping[str, str] = columns) -> Any:
            return (
                [columns.get(o, o) for o in old] if isinstance(old, list) else columns.get(old, old)
            )

        kind = {"table": f"Shop.{place}"} if "table" in source else {"collection": place}
        found[name] = kind | {
            "columns": {ours: renamed(theirs) for ours, theirs in source["columns"].items()}
        }
    return found


@pytest.fixture
def folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and the servers in the environment."""
    monkeypatch.setenv(environment.POSTGRES_URI, settings.require_postgres().get_secret_value())
    monkeypatch.setenv(environment.MONGO_URI, settings.require_mongo().get_secret_value())
    monkeypatch.delenv(environment.CONFIG, raising=False)
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def init(folder: Path, *options: str, typed: str = "") -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(app, ["init", *options], input=typed)


def proposed(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "recsys.toml").read_text(encoding="utf-8"))


def test_a_market_of_other_names_is_mapped_as_the_shipped_one(
    settings: Settings, folder: Path
) -> None:
    wanted = expected(GERMAN)
    fill(settings, Ids(), GERMAN)
    done = init(folder, "--yes")
    assert done.exit_code == 0, done.output
    found = proposed(folder)
    assert found["sources"] == wanted
    assert found["ids"] == {"user": "bigint", "item": "bigint"}
    kinds = {"view", "like", "bookmark", "rating", "purchase"}
    assert kinds <= {*found["events"]}
    assert found["events"]["rating"]["use_value"]
    assert "a hundred rows of each source read as they should" in done.stdout


def test_ids_of_other_types_and_names_that_say_nothing(settings: Settings, folder: Path) -> None:
    ids = Ids(user="uuid", item="text")
    wanted = expected(NAMELESS, without=("blocks",))
    fill(settings, ids, NAMELESS)
    done = init(folder, "--yes")
    assert done.exit_code == 0, done.output
    found = proposed(folder)
    assert found["sources"] == wanted
    assert found["ids"] == {"user": "uuid", "item": "text"}
    # What a row of users and items means that says nothing of itself is not guessed.
    assert "Shop.t4 refers to users and items, but says neither" in done.stdout
    assert "users and items were told apart by their numbers alone" in done.stdout


SHOP = """CREATE SCHEMA shop; SET search_path = shop;
CREATE TABLE customers (id serial PRIMARY KEY, email text UNIQUE, first_name text, opted_in boolean,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE categories (id serial PRIMARY KEY, name text);
CREATE TABLE products (id serial PRIMARY KEY, name text, description text, price numeric(10, 2),
    category_id int REFERENCES categories, in_stock boolean, created_at timestamptz DEFAULT now());
CREATE TABLE page_views (id bigserial PRIMARY KEY, customer_id int REFERENCES customers,
    product_id int REFERENCES products, action text, created_at timestamptz);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers, status text,
    total numeric, created_at timestamptz DEFAULT now());
CREATE TABLE order_items (id serial PRIMARY KEY, order_id int REFERENCES orders,
    product_id int REFERENCES products);
INSERT INTO customers (email, first_name, opted_in)
SELECT i || '@example.org', 'n' || i % 30, i % 3 = 0 FROM generate_series(1, 200) AS i;
INSERT INTO categories (name) SELECT 'c' || i FROM generate_series(1, 12) AS i;
INSERT INTO products (name, description, price, category_id, in_stock)
SELECT 'Thing ' || i, 'a fine thing of size ' || i, i, 1 + i % 12, i % 5 > 0
FROM generate_series(1, 300) AS i;
INSERT INTO page_views (customer_id, product_id, action, created_at)
SELECT 1 + i * 7 % 200, 1 + i * 13 % 300, (ARRAY['view', 'buy'])[1 + i % 2], now()
FROM generate_series(1, 900) AS i;
INSERT INTO orders (customer_id, status, total)
SELECT 1 + i * 3 % 200, 'paid', i FROM generate_series(1, 400) AS i;
INSERT INTO order_items (order_id, product_id)
SELECT i, 1 + i % 300 FROM generate_series(1, 400) AS i"""
READERS = """CREATE TABLE public.books (isbn text PRIMARY KEY, title text, lang text);
CREATE TABLE public.readings (who text, isbn text, what text, seen timestamptz, stored timestamptz);
INSERT INTO public.books
SELECT md5(i::text), 'Book of ' || i, (ARRAY['de', 'en'])[1 + i % 2]
FROM generate_series(1, 90) AS i;
INSERT INTO public.readings
SELECT 'reader' || i % 40, md5((1 + i * 7 % 90)::text), 'open', now(), now() + interval '3 min'
FROM generate_series(1, 400) AS i"""


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param(
            SHOP,
            {
                "users": {"user_id": "id", "created_at": "created_at"},
                "items": {
                    "item_id": "id",
                    "title": "name",
                    "available": "in_stock",
                    "created_at": "created_at",
                },
                "interactions": {
                    "user_id": "customer_id",
                    "item_id": "product_id",
                    "event_type": "action",
                    "occurred_at": "created_at",
                },
                "item_profiles": {"item_id": "id", "text": ["name", "description"]},
            },
            id="small numbers everywhere",
        ),
        pytest.param(
            READERS,
            {
                "items": {"item_id": "isbn", "title": "title"},
                "interactions": {
                    "user_id": "who",
                    "item_id": "isbn",
                    "event_type": "what",
                    "occurred_at": "seen",
                    "arrived_at": "stored",
                },
                "item_profiles": {"item_id": "isbn", "text": ["title"], "tags": ["lang"]},
            },
            id="nothing lists users",
        ),
    ],
)
def test_tables_of_another_shop_without_mongodb(
    tables: str,
    expected: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(environment.MONGO_URI)
    with connect(settings.require_postgres()) as connection:
        connection.cursor().execute(tables)
    done = init(folder, "--yes")
    assert done.exit_code == 0, done.output
    found = proposed(folder)["sources"]
    assert {name: source["columns"] for name, source in found.items()} == expected
    assert found["interactions"]["table"] in {"shop.page_views", "public.readings"}


def test_typed_uris_are_used_and_never_written_and_a_file_is_never_replaced(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings, Ids(), GERMAN)
    postgres = settings.require_postgres().get_secret_value().replace("recsys@", "recsys:pa55word@")
    mongo = settings.require_mongo().get_secret_value()
    for variable in (environment.POSTGRES_URI, environment.MONGO_URI):
        monkeypatch.delenv(variable)
    argument = init(folder, "--postgres", postgres, "--yes")
    assert (argument.exit_code, "RECSYS_POSTGRES_URI instead" in argument.stderr) == (12, True)
    declined = init(folder, typed=f"{postgres}\n{mongo}\nn\n")
    assert (declined.exit_code, [*folder.iterdir()]) == (1, [])
    done = init(folder, typed=f"{postgres}\n{mongo}\ny\n")
    assert done.exit_code == 0, done.output
    text = (folder / "recsys.toml").read_text(encoding="utf-8")
    assert "export RECSYS_POSTGRES_URI=" in done.stdout
    assert "# *** is the password" in done.stdout
    for shown in (argument.output, declined.output, done.output, text):
        assert "pa55word" not in shown
    again = init(folder, "--yes")
    assert (again.exit_code, "exists, and stays as it is" in again.stderr) == (12, True)
    assert (folder / "recsys.toml").read_text(encoding="utf-8") == text


def test_databases_without_users_and_items_are_refused_with_what_was_seen(folder: Path) -> None:
    done = init(folder, "--yes")
    assert (done.exit_code, [*folder.iterdir()]) == (20, [])
    assert "looked at nothing; write recsys.toml by hand" in done.stderr
