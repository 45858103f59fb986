# ruff: noqa: S608 - tables of made-up types hold made-up values
"""Generated tables and documents at the readers: what is used and what is rejected add up to what
is there, and no value is changed; anything else is one error that names source and column.

`make chaos` runs 2,000 examples on each server.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.sources import mongo
from jobs.sources.documents import raw_rows
from jobs.sources.postgres import read_rows, snapshot
from recsys import columns as c
from recsys.errors import MappingError
from recsys.schemas import RAW_EVENTS, RAW_ITEM_PROFILES, RAW_ITEMS, RAW_USER_PROFILES, Table
from recsys.sections.ids import Ids, IdType
from recsys.sections.sources import (
    EventColumns,
    EventSource,
    ItemColumns,
    ItemProfileColumns,
    ItemProfileSource,
    ItemSource,
    Source,
    UserProfileColumns,
    UserProfileSource,
)
from recsys.window import BEGINNING, END_OF_TIME, Window
from tests.property import sources_model as model
from tests.property.source_values import (
    BEYOND,
    LEAVES,
    LITERALS,
    MISSING,
    NUMERIC,
    SCALARS,
    TAKEN,
    USUAL,
    USUAL_TEXTS,
)
from tests.property.sources_model import REJECTED

WHOLE: Final = Window(BEGINNING, END_OF_TIME)
ID_TYPES: Final[tuple[IdType, ...]] = ("bigint", "uuid", "text")
EVENTS: Final = EventColumns(
    user_id="who", item_id="item", event_type="kind", occurred_at="at", arrived_at="came", value="n"
)
ITEMS: Final = ItemColumns(item_id="item", title="title", available="ok")
PROFILE: Final[dict[str, tuple[str, ...]]] = {
    "text": ("words", "more"),
    "tags": ("tags", "labels"),
    "attributes": ("tree", "leaf"),
}
#: The tables of generated sources, with their columns.
MAPPED: Final[tuple[tuple[type[Source], Table, Any], ...]] = (
    (EventSource, RAW_EVENTS, EVENTS),
    (ItemSource, RAW_ITEMS, ITEMS),
    (ItemProfileSource, RAW_ITEM_PROFILES, ItemProfileColumns(item_id="item", **PROFILE)),
    (UserProfileSource, RAW_USER_PROFILES, UserProfileColumns(user_id="who", **PROFILE)),
)
#: Kinds of columns that are made of the leaves of several fields.
JOINED: Final = ("prose", "tags", "tree")

# --- Postgres -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """A generated source: its columns of the lake as (ours, theirs, kind), types and rows."""

    source: Source
    table: Table
    ids: Ids
    columns: tuple[tuple[str, str, str], ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def columns_of(source: Source, ids: Ids) -> tuple[tuple[str, str, str], ...]:
    kinds = {
        c.USER_ID: ids.user,
        c.ITEM_ID: ids.item,
        c.EVENT_TYPE: "name",
        c.OCCURRED_AT: "instant",
        c.ARRIVED_AT: "instant",
        c.VALUE: "number",
        c.AVAILABLE: "flag",
        c.TITLE: "words",
        c.TEXT: "prose",
        c.TAGS: "tags",
        c.ATTRIBUTES: "tree",
    }
    pairs = ((ours, name) for ours, names in source.fields().items() for name in names)
    return tuple((ours, name, kinds[ours]) for ours, name in pairs)


@st.composite
def tables(draw: st.DrawFn) -> Shape:
    """Mostly of types that are taken, sometimes with one that is not."""
    ids = Ids(user=draw(st.sampled_from(ID_TYPES)), item=draw(st.sampled_from(ID_TYPES)))
    kind, table, mapped = draw(st.sampled_from(MAPPED))
    source = kind(table="t", columns=mapped)
    columns = columns_of(source, ids)
    types = [draw(st.sampled_from(sorted(TAKEN[kind]))) for _, _, kind in columns]
    if draw(st.integers(0, 4)) == 0:
        types[draw(st.integers(0, len(types) - 1))] = draw(st.sampled_from(sorted(LITERALS)))
    pairs = zip(columns, types, strict=True)
    cells = [cell(kind, declared) for (_, _, kind), declared in pairs]
    rows = draw(st.lists(st.tuples(*cells), max_size=8))
    return Shape(source, table, ids, columns, tuple(types), tuple(rows))


def cell(kind: str, declared: str) -> st.SearchStrategy[str | None]:
    """Mostly a value that can be used, where the type has such."""
    all_of_it = st.sampled_from(LITERALS[declared])
    usual = sorted(USUAL_TEXTS[kind].intersection(LITERALS[declared]))
    if not usual:
        return st.one_of(st.none(), all_of_it)
    return st.one_of(*[st.sampled_from(usual)] * 6, st.none(), all_of_it)


MADE: Final = """CREATE DOMAIN public.count AS int;
CREATE DOMAIN public.sku AS varchar(60);
CREATE TYPE public.mood AS ENUM ('view', '1', 'Ärger')"""
_OWN: Final = {"count", "sku", "mood", "mood[]"}


def make_table(connection: Connection, shape: Shape) -> list[tuple[str | None, ...]]:
    """Fills the table and gives what the server itself says of each value."""
    names = [name for _, name, _ in shape.columns]
    types = [f"public.{kind}" if kind in _OWN else kind for kind in shape.types]
    declared = ", ".join(f"{n} {kind}" for n, kind in zip(names, types, strict=True))
    cells = ", ".join(f"%s::{kind}" for kind in types)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'UTC'; DROP TABLE IF EXISTS public.t")
        cursor.execute(f"CREATE TABLE public.t ({declared})")
        for row in shape.rows:
            cursor.execute(f"INSERT INTO public.t VALUES ({cells})", row)
        cursor.execute(f"SELECT {', '.join(f'{name}::text' for name in names)} FROM public.t")
        said = cursor.fetchall()
    connection.commit()
    return said


def read_table(uri: SecretStr, shape: Shape) -> list[dict[str, Any]]:
    windows = [(WHOLE, False), (WHOLE, True)] if shape.source.time else [(None, False)]
    found = []
    with snapshot(uri, [shape.source]) as state:
        for window, outside in windows:
            plan = state.plan(shape.source, window, shape.ids, outside=outside)
            batches = read_rows(uri, plan, 0, shape.source, shape.table, shape.ids)
            rows = [row for batch in batches for row in batch.to_pylist()]
            assert len(rows) == state.rows(plan)
            found += rows
        state.check_kept()
    return found


def of_postgres(text: str, kind: str, declared: str) -> Any:
    if kind in ID_TYPES:
        return model.id_of(model.whole(text) if declared in NUMERIC else text, kind)
    if kind == "number":
        return model.single_of(text) if declared == "real" else model.number_of(text)
    if kind in ("flag", "instant"):
        return {"flag": model.flag_of, "instant": model.instant_of}[kind](text)
    return [text] if kind in JOINED else text


def expected(shape: Shape, said: Sequence[tuple[Any, ...]]) -> Counter[str]:
    """The usable rows as texts, and how many others there are."""
    rows = []
    for row, texts in zip(shape.rows, said, strict=True):
        cells = zip(shape.columns, shape.types, row, texts, strict=True)
        rows.append([value_of(kind, declared, *cell) for (_, _, kind), declared, *cell in cells])
    return summed(rows, shape)


def value_of(kind: str, declared: str, literal: str | None, text: str | None) -> Any:
    """literal: what was written; text: what the server says of it."""
    if literal is None or text is None:
        return [""] if kind == "prose" else None
    if kind in JOINED and declared in LEAVES:
        return LEAVES[declared][literal][kind == "tree"]
    return of_postgres(text, kind, declared)


NULLABLE: Final = ("number", "words", "flag", *JOINED)


def summed(rows: list[list[Any]], shape: Shape) -> Counter[str]:
    kinds = [kind for _, _, kind in shape.columns]
    counts: Counter[str] = Counter()
    for row in rows:
        pairs = zip(kinds, row, strict=True)
        wrong = any(v is REJECTED or (v is None and k not in NULLABLE) for k, v in pairs)
        counts["rejected" if wrong else repr(merged(row, shape))] += 1
    return counts


def merged(row: list[Any], shape: Shape) -> list[Any]:
    """The values of a row by the columns of the lake, of which some are made of several fields."""
    found: dict[str, Any] = {}
    for (ours, _, kind), value in zip(shape.columns, row, strict=True):
        if kind in JOINED:
            found[ours] = found.get(ours, []) + (value or [])
        else:
            found[ours] = plain(value, kind)
    return ["\n".join(value) if ours == c.TEXT else value for ours, value in found.items()]


def plain(value: Any, kind: str) -> Any:
    if kind == "flag" and value is None:
        return True
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "nan" if isinstance(value, float) and math.isnan(value) else value


SEEN: Final[Counter[str]] = Counter()
"""Rows that all examples used and rejected."""


def got(rows: list[dict[str, Any]], shape: Shape) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        usable = row[c.REJECT_REASON] is None
        assert usable == (row[c.SOURCE_ROW] is None)
        kinds = {ours: kind for ours, _, kind in shape.columns}
        values = [plain(row[ours], kind) for ours, kind in kinds.items()]
        counts[repr(values) if usable else "rejected"] += 1
        SEEN["used" if usable else "rejected"] += 1
    return counts


def check_seen() -> None:
    """Examples that only ever use or only ever reject rows say nothing."""
    assert min(SEEN["used"], SEEN["rejected"]) > 20, SEEN
    SEEN.clear()


def examples(request: pytest.FixtureRequest) -> settings:
    return settings(
        max_examples=2000 if request.config.getoption("--chaos") else 100,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def test_tables_are_read_as_they_are(
    bare_postgres_uri: SecretStr, request: pytest.FixtureRequest
) -> None:
    @examples(request)
    @given(tables())
    def holds(shape: Shape) -> None:
        said = make_table(connection, shape)
        wrong = [
            name
            for (_, name, kind), declared in zip(shape.columns, shape.types, strict=True)
            if declared not in TAKEN[kind]
        ]
        if wrong:
            with pytest.raises(MappingError, match=rf"t\.{wrong[0]} is "):
                read_table(bare_postgres_uri, shape)
            return
        assert got(read_table(bare_postgres_uri, shape), shape) == expected(shape, said)

    with connect(bare_postgres_uri) as connection:
        connection.cursor().execute(MADE)
        connection.commit()
        holds()
    check_seen()


# --- MongoDB --------------------------------------------------------------------------------------


@st.composite
def collections(draw: st.DrawFn, scalars: list[Any]) -> Shape:
    ids = Ids(user=draw(st.sampled_from(ID_TYPES)), item=draw(st.sampled_from(ID_TYPES)))
    kind, table, mapped = draw(st.sampled_from(MAPPED))
    source = kind(collection="t", columns=mapped)
    columns = columns_of(source, ids)
    cells = [
        st.one_of(*[st.sampled_from(USUAL[kind])] * 6, st.sampled_from(scalars))
        for _, _, kind in columns
    ]
    rows = draw(st.lists(st.tuples(*cells), max_size=8))
    return Shape(source, table, ids, columns, (), tuple(rows))


def of_mongo(value: Any, kind: str) -> Any:
    if value is None or kind in ("words", *JOINED):
        return value if value is None else leaves_of(value, kind)
    if kind == "instant":
        return value if isinstance(value, datetime) else REJECTED
    if kind in ("flag", "number"):
        if isinstance(value, bool) and kind == "flag":
            return value
        scalar = model.scalar_of(value)
        convert = model.flag_of if kind == "flag" else model.number_of
        return REJECTED if scalar is None else convert(scalar)
    text = None if kind == "name" and isinstance(value, ObjectId | UUID) else model.text_of(value)
    if text is None:
        return REJECTED
    return text if kind == "name" else model.id_of(text, kind)


def leaves_of(value: Any, kind: str) -> Any:
    """The leaves of a value as texts, with their paths where it is a tree; lines of a title."""
    leaves = model.leaves_of(value)
    if leaves is REJECTED:
        return REJECTED
    texts = [f"{path}={text}" if kind == "tree" else text for path, text in leaves]
    return "\n".join(texts) if kind == "words" else texts


def make_collection(uri: SecretStr, shape: Shape) -> list[dict[str, Any]]:
    """Fills the collection and gives the documents as the server itself gives them."""
    names = [name for _, name, _ in shape.columns]
    documents = [
        {n: v for n, v in zip(names, row, strict=True) if v is not MISSING} for row in shape.rows
    ]
    with mongo.database(uri) as db:
        db.drop_collection("t")
        db.create_collection("t")
        if documents:
            db["t"].insert_many(documents)
        return list(db["t"].find({}))


def read_collection(uri: SecretStr, shape: Shape) -> list[dict[str, Any]]:
    windows = [(WHOLE, False), (WHOLE, True)] if shape.source.time else [(None, False)]
    found = []
    for window, outside in windows:
        plan = mongo.plan_read(uri, shape.source, window, outside=outside)
        rows = [
            row
            for part in range(len(plan.filters))
            for batch in mongo.read_rows(uri, plan, part, shape.source, shape.table, shape.ids)
            for row in batch.to_pylist()
        ]
        assert len(rows) == plan.rows
        found += rows
    return found


def test_documents_are_read_as_they_are(
    mongo_uri: SecretStr, request: pytest.FixtureRequest
) -> None:
    @examples(request)
    @given(collections(SCALARS))
    def holds(shape: Shape) -> None:
        documents = make_collection(mongo_uri, shape)
        names = [name for _, name, _ in shape.columns]
        # The embedded server takes a null for a field that is not there.
        nowhere = [n for n in names if documents and all(d.get(n) is None for d in documents)]
        if nowhere:
            with pytest.raises(MappingError, match=r"no document of collection t has a field"):
                read_collection(mongo_uri, shape)
            return
        assert got(read_collection(mongo_uri, shape), shape) == valued(documents, shape)

    holds()
    check_seen()


def test_documents_are_understood_whatever_they_hold(request: pytest.FixtureRequest) -> None:
    """With values that the embedded server does not take or give back as they were."""

    @examples(request)
    @given(collections([*SCALARS, *BEYOND]))
    def holds(shape: Shape) -> None:
        names = [name for _, name, _ in shape.columns]
        documents = [dict(zip(names, row, strict=True)) for row in shape.rows]
        documents = [{n: v for n, v in d.items() if v is not MISSING} for d in documents]
        batch = raw_rows(documents, shape.source, shape.table, shape.ids)
        assert got(batch.to_pylist(), shape) == valued(documents, shape)

    holds()
    check_seen()


def valued(documents: list[dict[str, Any]], shape: Shape) -> Counter[str]:
    rows = [
        [of_mongo(document.get(name), kind) for _, name, kind in shape.columns]
        for document in documents
    ]
    return summed(rows, shape)
