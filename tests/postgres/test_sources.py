# ruff: noqa: S608 - tables of many types are made up
"""Reads of Postgres, without Spark: what a source holds is what is read, or the run stops."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from pydantic import SecretStr

from jobs.db import arrow
from jobs.db.postgres import connect
from jobs.sandbox import servers
from jobs.sandbox.postgres_server import LOGIN
from jobs.sources.postgres import ColumnType, mapping_faults, read_rows, snapshot
from recsys import columns as c
from recsys.errors import (
    DataError,
    IncompleteReadError,
    MappingError,
    PostgresUnavailableError,
    RecsysError,
    SourceEncodingError,
    SourceRightsError,
)
from recsys.schemas import RAW_BLOCKS, RAW_EVENTS, RAW_ITEM_PROFILES, RAW_ITEMS, Table
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
    Source,
)
from recsys.window import BEGINNING, END_OF_TIME, Window
from tests.logins import as_admin, as_login

TEXT = Ids(user="text", item="text")
BLOCKS = BlockSource(table="blocks", columns=BlockColumns(user_id="who", item_id="item"))
ITEMS = ItemSource(table="items", columns=ItemColumns(item_id="item"))
EVENTS = EventSource(
    table="events",
    columns=EventColumns(
        user_id="who", item_id="item", event_type="kind", occurred_at="at", value="value"
    ),
)
TABLES: dict[type[Source], Table] = {
    BlockSource: RAW_BLOCKS,
    ItemSource: RAW_ITEMS,
    EventSource: RAW_EVENTS,
    ItemProfileSource: RAW_ITEM_PROFILES,
}


def execute(uri: SecretStr, text: str) -> None:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = public")
        cursor.execute(text)


def rows(
    uri: SecretStr,
    source: Source,
    ids: Ids = Ids(),  # noqa: B008
    window: Window | None = None,
    *,
    outside: bool = False,
) -> list[dict[str, Any]]:
    """All raw rows of a source, as many as the server counts."""
    with snapshot(uri, [source]) as state:
        plan = state.plan(source, window, ids, outside=outside)
        table = TABLES[type(source)]
        parts = [
            batch
            for part in range(len(plan.queries))
            for batch in read_rows(uri, plan, part, source, table, ids)
        ]
        found = [row for batch in parts for row in batch.to_pylist()]
        assert len(found) == state.rows(plan)
        state.check_kept()
    return found


@pytest.fixture
def reader(bare_postgres_uri: SecretStr) -> Iterator[SecretStr]:
    """A login that may read what it is granted."""
    execute(as_admin(bare_postgres_uri), "CREATE ROLE reader LOGIN")
    yield as_login(bare_postgres_uri, "reader")
    execute(as_admin(bare_postgres_uri), "DROP OWNED BY reader; DROP ROLE reader")


# --- rows that are there --------------------------------------------------------------------------


def test_rows_that_a_policy_hides_stop_the_read(
    bare_postgres_uri: SecretStr, reader: SecretStr
) -> None:
    execute(
        bare_postgres_uri,
        """CREATE TABLE blocks (who bigint, item bigint);
        INSERT INTO blocks VALUES (1, 1), (1, 2);
        ALTER TABLE blocks ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON blocks USING (who = 2);
        CREATE VIEW seen WITH (security_invoker) AS SELECT * FROM blocks;
        GRANT SELECT ON blocks, seen TO reader""",
    )
    view = BLOCKS.model_copy(update={"table": "seen"})
    for source in (BLOCKS, view):
        with pytest.raises(SourceRightsError, match=rf"table {source.table}: .*BYPASSRLS"):
            rows(reader, source)
    execute(as_admin(bare_postgres_uri), "ALTER ROLE reader BYPASSRLS")
    assert len(rows(reader, BLOCKS)) == len(rows(reader, view)) == 2


FILL = "INSERT INTO base SELECT 1, g FROM generate_series(1, 15) AS g"
REPLACED = {
    "table": ("SELECT 1", "base", f"TRUNCATE base; {FILL}"),
    "partitions": (
        """CREATE TABLE blocks (who bigint, item bigint) PARTITION BY RANGE (who);
        ALTER TABLE blocks ATTACH PARTITION base FOR VALUES FROM (0) TO (9)""",
        "blocks",
        f"TRUNCATE base; {FILL}",
    ),
    "view": ("CREATE VIEW blocks AS SELECT * FROM base", "blocks", f"TRUNCATE base; {FILL}"),
    "materialized view": (
        "CREATE MATERIALIZED VIEW blocks AS SELECT * FROM base",
        "blocks",
        "REFRESH MATERIALIZED VIEW blocks",
    ),
    "table of a swap": (
        "SELECT 1",
        "base",
        """ALTER TABLE base RENAME TO old; CREATE TABLE base (LIKE old);
        INSERT INTO base SELECT * FROM old; DROP TABLE old""",
    ),
    "rewritten table": ("SELECT 1", "base", "ALTER TABLE base ALTER who TYPE int"),
}


@pytest.mark.parametrize("kind", REPLACED)
def test_a_table_that_is_replaced_while_it_is_read_stops_the_read(
    bare_postgres_uri: SecretStr, kind: str
) -> None:
    made, name, replace = REPLACED[kind]
    execute(bare_postgres_uri, f"CREATE TABLE base (who bigint, item bigint); {FILL}; {made}")
    source = BLOCKS.model_copy(update={"table": name})
    with snapshot(bare_postgres_uri, [source]) as state:
        plan = state.plan(source, None, Ids(), outside=False)
        state.check_kept()
        execute(bare_postgres_uri, replace)
        read = list(read_rows(bare_postgres_uri, plan, 0, source, RAW_BLOCKS, Ids()))
        # What a read alone would take for an answer: nothing, or what the snapshot does not know.
        found = 15 if kind == "materialized view" else 0
        assert (sum(batch.num_rows for batch in read), state.rows(plan)) == (found, found)
        with pytest.raises(IncompleteReadError, match=rf"table {name} was emptied"):
            state.check_kept()
    assert len(rows(bare_postgres_uri, source)) == 15


#: Views that read `base` in functions, of which no catalog says what they read.
HIDDEN = {
    "rows": "SELECT who, item FROM hidden()",
    "values": "SELECT 1::bigint AS who, nth(g) AS item FROM generate_series(1, 15) AS g",
    "condition": "SELECT 1::bigint AS who, g AS item FROM generate_series(1, 15) AS g "
    "WHERE g = nth(g)",
}


@pytest.mark.parametrize("volatility", ["VOLATILE", "STABLE"])
@pytest.mark.parametrize("kind", HIDDEN)
def test_a_table_that_a_function_reads_is_watched_too(
    bare_postgres_uri: SecretStr, kind: str, volatility: str
) -> None:
    execute(
        bare_postgres_uri,
        f"""CREATE TABLE base (who bigint, item bigint); {FILL};
        CREATE TABLE other (n int);
        CREATE FUNCTION hidden() RETURNS SETOF base LANGUAGE plpgsql {volatility}
            AS 'BEGIN RETURN QUERY SELECT * FROM public.base; END';
        CREATE FUNCTION nth(g int) RETURNS bigint LANGUAGE plpgsql {volatility}
            AS 'BEGIN RETURN (SELECT item FROM public.base WHERE item = g); END';
        CREATE VIEW blocks AS {HIDDEN[kind]}""",
    )
    assert len(rows(bare_postgres_uri, BLOCKS)) == 15
    for harmless, change in ((True, "TRUNCATE other"), (False, f"TRUNCATE base; {FILL}")):
        with snapshot(bare_postgres_uri, [BLOCKS]) as state:
            plan = state.plan(BLOCKS, None, Ids(), outside=False)
            execute(bare_postgres_uri, change)
            state.rows(plan)
            if harmless:
                state.check_kept()
            else:
                with pytest.raises(IncompleteReadError, match="table blocks was emptied"):
                    state.check_kept()


def test_blocks_of_padded_ids_are_those_of_items(bare_postgres_uri: SecretStr) -> None:
    execute(
        bare_postgres_uri,
        """CREATE DOMAIN sku AS varchar(12);
        CREATE TYPE kind AS ENUM ('a1', 'b2');
        CREATE TABLE items (item sku);
        INSERT INTO items VALUES ('a1'), ('b2');
        CREATE TABLE blocks (who char(12), item char(12));
        INSERT INTO blocks VALUES ('u', 'a1'), ('u', 'b2');
        CREATE TABLE more (who name, item kind);
        INSERT INTO more VALUES ('u', 'a1'), ('u', 'b2')""",
    )
    items = [row[c.ITEM_ID] for row in rows(bare_postgres_uri, ITEMS, TEXT)]
    for table in ("blocks", "more"):
        blocks = rows(bare_postgres_uri, BLOCKS.model_copy(update={"table": table}), TEXT)
        assert [(b[c.USER_ID], b[c.ITEM_ID]) for b in blocks] == [("u", item) for item in items]


def test_numbers_are_the_same_ids_in_every_type(bare_postgres_uri: SecretStr) -> None:
    wide = 9007199254740993
    for kind in ("bigint", "numeric", "numeric(30, 4)", "text", "char(20)"):
        execute(
            bare_postgres_uri,
            f"""CREATE TABLE items (item {kind}); INSERT INTO items VALUES ('{wide}')""",
        )
        assert [row[c.ITEM_ID] for row in rows(bare_postgres_uri, ITEMS)] == [wide]
        assert [row[c.ITEM_ID] for row in rows(bare_postgres_uri, ITEMS, TEXT)] == [str(wide)]
        execute(bare_postgres_uri, "DROP TABLE items")


# --- one bad row ----------------------------------------------------------------------------------

ODD_TIMES = ["infinity", "-infinity", "0044-03-15 BC", "20260-01-01"]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize("arrived", [False, True])
def test_a_time_that_no_instant_can_be_is_one_rejected_row(
    bare_postgres_uri: SecretStr,
    kind: str,
    arrived: bool,  # noqa: FBT001
) -> None:
    values = ", ".join(f"(2, 1, 'view', 1, '{time}', '2026-01-01')" for time in ODD_TIMES)
    execute(
        bare_postgres_uri,
        f"""CREATE TABLE events (who bigint, item bigint, kind text, value int, at {kind},
            received timestamptz);
        INSERT INTO events VALUES (1, 1, 'view', 1, '2026-01-01', '2026-01-01'), {values},
            (3, 1, 'view', 1, '0001-01-01', '2026-01-01'),
            (4, 1, 'view', 1, '9999-12-30', '2026-01-01')""",
    )
    columns = EVENTS.columns.model_copy(update={"arrived_at": "received" if arrived else None})
    source = EVENTS.model_copy(update={"columns": columns})
    window = Window(BEGINNING, END_OF_TIME)
    inside = rows(bare_postgres_uri, source, window=window)
    outside = rows(bare_postgres_uri, source, window=window, outside=True)
    wrong = [row for row in inside + outside if row[c.REJECT_REASON]]
    assert {row[c.REJECT_REASON] for row in wrong} == {"occurred_at is not a date"}
    assert {row[c.USER_ID] for row in wrong} == {2}
    assert len(wrong) == len(ODD_TIMES)
    assert len(inside) + len(outside) == len(ODD_TIMES) + 3
    assert all(time[:10] in str(wrong) for time in ODD_TIMES)


def test_one_odd_value_or_flag_is_one_rejected_row(bare_postgres_uri: SecretStr) -> None:
    execute(
        bare_postgres_uri,
        """CREATE TABLE events (who bigint, item bigint, kind text, value text, at timestamptz);
        INSERT INTO events VALUES (1, 1, 'r', ' 4.5 ', '2026-01-01'),
            (2, 1, 'r', '0000-00-00', '2026-01-01'), (3, 1, 'r', '4', '2026-01-01');
        CREATE TABLE items (item bigint, ok text);
        INSERT INTO items VALUES (1, 'true'), (2, 'perhaps'), (3, '0'), (4, NULL)""",
    )
    events = rows(bare_postgres_uri, EVENTS, window=Window(BEGINNING, END_OF_TIME))
    assert [(r[c.VALUE], r[c.REJECT_REASON]) for r in events] == [
        (4.5, None),
        (None, "value is not a number"),
        (4.0, None),
    ]
    flagged = ITEMS.model_copy(update={"columns": ItemColumns(item_id="item", available="ok")})
    items = rows(bare_postgres_uri, flagged)
    assert [r[c.AVAILABLE] for r in items] == [True, False, False, True]
    assert [r[c.REJECT_REASON] for r in items] == [None, "available is not a flag", None, None]


def test_profiles_of_every_shape_are_read(bare_postgres_uri: SecretStr) -> None:
    deep = '{"a":' * 500 + "1" + "}" * 500
    execute(
        bare_postgres_uri,
        f"""CREATE TYPE colour AS ENUM ('red', 'blue');
        CREATE TABLE profiles (item bigint, words text, tags colour[], more jsonb, tree json);
        INSERT INTO profiles VALUES (1, 'x', '{{red,NULL,blue}}', '["a", 1.50]', '{{"b": [1, 2]}}'),
            (2, NULL, '{{{{red}},{{blue}}}}', NULL, '{{"n": {"9" * 5000}}}'),
            (3, '', '{{}}', '[]', '{deep}')""",
    )
    columns = ItemProfileColumns(
        item_id="item", text=("words",), tags=("tags", "more"), attributes=("tree",)
    )
    source = ItemProfileSource(table="profiles", columns=columns)
    first, second, third = rows(bare_postgres_uri, source)
    assert (first[c.TEXT], first[c.TAGS]) == ("x", ["red", "blue", "a", "1.5"])
    assert first[c.ATTRIBUTES] == ["b=1", "b=2"]
    assert (second[c.TAGS], second[c.ATTRIBUTES]) == (["red", "blue"], ["n=" + "9" * 5000])
    assert third[c.REJECT_REASON] == "attributes nests more than 200 levels deep"


# --- what the server or the login says ------------------------------------------------------------


@pytest.fixture
def latin(endpoints: servers.Endpoints, bare_postgres_uri: SecretStr) -> Iterator[Any]:
    """Makes databases of other encodings."""
    made = []

    def make(encoding: str) -> SecretStr:
        name = f"test_{encoding.lower()}"
        on_server(bare_postgres_uri, f"DROP DATABASE IF EXISTS {name}")
        on_server(
            bare_postgres_uri,
            f"CREATE DATABASE {name} OWNER {LOGIN} TEMPLATE template0"
            f" ENCODING '{encoding}' LOCALE 'C'",
        )
        made.append(name)
        return SecretStr(endpoints.postgres_uri.replace("/recsys?", f"/{name}?"))

    yield make
    for name in made:
        on_server(bare_postgres_uri, f"DROP DATABASE {name} WITH (FORCE)")


def on_server(uri: SecretStr, text: str) -> None:
    connection = psycopg2.connect(as_admin(uri).get_secret_value())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(text)
    connection.close()


@pytest.mark.parametrize("client", ["UTF8", "LATIN1", "SQL_ASCII"])
def test_texts_are_those_of_the_database_whatever_the_client_says(
    latin: Any, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", client)
    uri = latin("LATIN1")
    execute(uri, "CREATE TABLE items (item text); INSERT INTO items VALUES ('Zoë1')")
    assert [row[c.ITEM_ID] for row in rows(uri, ITEMS, TEXT)] == ["Zoë1"]


def test_a_database_without_an_encoding_is_refused(latin: Any) -> None:
    uri = latin("SQL_ASCII")
    execute(uri, "CREATE TABLE items (item text)")
    with pytest.raises(SourceEncodingError, match=r"SQL_ASCII.*createdb"):
        rows(uri, ITEMS, TEXT)


SETTINGS = {
    "timezone": "Asia/Tokyo",
    "client_encoding": "LATIN1",
    "row_security": "on",
    "default_transaction_isolation": "serializable",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "search_path": "public, pg_catalog",
    "lc_numeric": "C",
}


@pytest.mark.parametrize("by", ["login", "environment"])
def test_settings_of_others_do_not_change_what_is_read(
    bare_postgres_uri: SecretStr, reader: SecretStr, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    execute(
        bare_postgres_uri,
        """CREATE TABLE events (who text, item uuid, kind text, value real, at timestamp);
        INSERT INTO events VALUES
            ('ë', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'view', 1.23456789, '2026-01-01 23:30'),
            ('ë', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'view', 1.23456789, '2026-01-02 08:30');
        GRANT SELECT ON events TO reader""",
    )
    ids = Ids(user="text", item="uuid")
    day = Window(BEGINNING.replace(year=2026), BEGINNING.replace(year=2026, day=2))
    whole = Window(BEGINNING, END_OF_TIME)
    before = [rows(reader, EVENTS, ids, window) for window in (day, whole)]
    assert [len(each) for each in before] == [1, 2]
    if by == "login":
        for name, value in SETTINGS.items():
            quoted = value if name == "search_path" else f"'{value}'"
            execute(as_admin(bare_postgres_uri), f"ALTER ROLE reader SET {name} = {quoted}")
    else:
        monkeypatch.setenv("PGTZ", "Asia/Tokyo")
        monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
        monkeypatch.setenv("PGOPTIONS", "-c row_security=on -c extra_float_digits=-15")
    assert [rows(reader, EVENTS, ids, window) for window in (day, whole)] == before
    assert [row[c.OCCURRED_AT].hour for row in before[1]] == [23, 8]


REFUSED = [
    ("who", "double precision", Ids()),
    ("item", "bytea", TEXT),
    ("item", "boolean", TEXT),
    ("kind", "jsonb", Ids()),
    ("value", "money", Ids()),
    ("value", "interval", Ids()),
    ("at", "bigint", Ids()),
    ("at", "time", Ids()),
    ("received", "bigint", Ids()),
    ("received", "text", Ids()),
]


@pytest.mark.parametrize(("name", "kind", "ids"), REFUSED)
def test_a_type_that_is_not_taken_is_named(
    bare_postgres_uri: SecretStr, name: str, kind: str, ids: Ids
) -> None:
    types = {"who": "bigint", "item": "bigint", "kind": "text", "value": "int"}
    types |= {"at": "timestamptz", "received": "timestamptz"}
    declared = ", ".join(f"{each} {of}" for each, of in (types | {name: kind}).items())
    execute(bare_postgres_uri, f"CREATE TABLE events ({declared})")
    columns = EVENTS.columns.model_copy(update={"arrived_at": "received"})
    with pytest.raises(MappingError, match=rf"events\.{name} (is|has)"):
        rows(bare_postgres_uri, EVENTS.model_copy(update={"columns": columns}), ids)


def test_ids_that_are_equal_without_being_the_same_are_refused() -> None:
    """The embedded server has neither such collations nor citext."""
    types = {"who": ColumnType("bigint", "bigint", by_bytes=True)}
    for item in (
        ColumnType("text", "text", by_bytes=False),
        ColumnType("app.citext", "app.citext", by_bytes=True),
    ):
        (fault,) = mapping_faults(BLOCKS, types | {"item": item}, Ids(item="text"))
        assert fault.startswith("column blocks.item ")


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("SELECT 1", "SELECT on the mapped columns.*USAGE"),
        ("GRANT USAGE ON SCHEMA app TO reader", "permission denied for table blocks"),
        (
            "GRANT USAGE ON SCHEMA app TO reader; GRANT SELECT (who) ON app.blocks TO reader",
            "permission denied for table blocks",
        ),
    ],
    ids=["nothing", "usage", "one column"],
)
def test_a_missing_right_is_named(
    bare_postgres_uri: SecretStr, reader: SecretStr, grant: str, said: str
) -> None:
    execute(bare_postgres_uri, "CREATE SCHEMA app; CREATE TABLE app.blocks (who int, item int)")
    execute(bare_postgres_uri, grant)
    source = BLOCKS.model_copy(update={"table": "app.blocks"})
    with pytest.raises(SourceRightsError, match=rf"app\.blocks: .*{said}"):
        rows(reader, source)


BREAKS: list[tuple[str, type[RecsysError], str]] = [
    ("1 / (g - 5000)", DataError, r"blocks: Postgres stopped the read at a row \(division by zero"),
    (
        "CASE WHEN g = 5000 THEN pg_terminate_backend(pg_backend_pid())::int ELSE g END",
        PostgresUnavailableError,
        r"the read of blocks broke off \(.*(terminating|closed)",
    ),
    (
        "CASE WHEN g = 5000 THEN length(pg_sleep(3)::text) ELSE g END",
        PostgresUnavailableError,
        r"the read of blocks broke off \(canceling statement due to statement timeout",
    ),
]


@pytest.mark.parametrize(("item", "kind", "said"), BREAKS, ids=["row", "lost", "time-out"])
def test_a_read_that_breaks_off_says_why(
    bare_postgres_uri: SecretStr,
    monkeypatch: pytest.MonkeyPatch,
    item: str,
    kind: type[RecsysError],
    said: str,
) -> None:
    execute(
        bare_postgres_uri,
        f"""CREATE VIEW blocks AS
        SELECT 1 AS who, {item} AS item FROM generate_series(1, 10000) AS g""",
    )
    monkeypatch.setitem(arrow._SETTINGS, "statement_timeout", "1s")
    with snapshot(bare_postgres_uri, [BLOCKS]) as state:
        plan = state.plan(BLOCKS, None, Ids(), outside=False)
        with pytest.raises(kind, match=said) as caught:
            list(read_rows(bare_postgres_uri, plan, 0, BLOCKS, RAW_BLOCKS, Ids()))
    assert type(caught.value) is kind
