"""The lookup gives what a plain definition gives, on random lists, fallbacks and tombstones."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pglast
import pytest
from pglast.parser import parse_sql_json
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import SQL
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys.sections.ids import Ids
from tests.logins import as_admin
from tests.postgres.publications import RECORD, go, lists, passed, popular, query, tables

USERS, ITEMS = range(1, 13), range(1, 31)
LENGTHS = (None, -1, 0, 1, 3, 20, 1000)
SEGMENTS = (None, "all", "c=de", "c=fr", "c=none", "c=xx")
MODELS = RECORD.models
Row = tuple[int, int, float, str]


@dataclass(frozen=True)
class Published:
    """What one database holds, as the definition sees it."""

    own: dict[int, list[int]]
    fallback: dict[str, list[int]]
    blocked: set[tuple[int, int]]
    removed: set[int]
    forgotten: set[int]

    def top_n(self, user: int, n: int | None, segment: str | None) -> list[Row]:
        rows = list(self._list(user, segment))
        kept = [row for row in rows if row[0] not in self.removed]
        kept = [row for row in kept if (user, row[0]) not in self.blocked]
        return [(rank, *row) for rank, row in enumerate(kept[: max(20 if n is None else n, 0)], 1)]

    def _list(self, user: int, segment: str | None) -> Iterable[tuple[int, float, str]]:
        if user in self.own and user not in self.forgotten:
            for place, item in enumerate(self.own[user]):
                yield item, float32(1.0 / (place + 1)), MODELS[place % 2]
            return
        named = segment if segment in self.fallback else "all"
        for item in self.fallback[str(named)]:
            yield item, 9.0, "popular" if named == "all" else "segment"


def float32(score: float) -> float:
    """A score as psycopg2 reads it back from a real: the shortest decimal that means it."""
    return float(str(np.float32(score)))


def some(random: Random, most: int) -> list[int]:
    """Distinct items in any order, often none."""
    return random.sample(ITEMS, random.choice((0, 1, most)))


def made_up(random: Random) -> Published:
    return Published(
        own={user: some(random, 25) for user in USERS if random.random() < 0.7},
        fallback={
            "all": some(random, 20),
            "c=de": some(random, 20),
            "c=fr": some(random, 20),
            "c=none": [],
        },
        blocked={(random.choice(USERS), random.choice(ITEMS)) for _ in range(40)},
        removed=set(some(random, 8)),
        forgotten=set(random.sample(USERS, 2)),
    )


def fill(uri: SecretStr, made: Published) -> None:
    """Publishes the lists; one user is forgotten while the run is made, the other afterwards."""
    before, after = made.forgotten
    segments = {name[2:]: items for name, items in made.fallback.items() if name != "all"}
    fallback = popular(Ids(), *made.fallback["all"], **segments)
    query(uri, f"SELECT recs.forget_user({before})", "recsys_moderator")
    publish(
        PostgresSink(uri, Ids()),
        RECORD,
        tables(Ids(), lists(Ids(), *made.own.items()), fallback),
        passed,
        3,
    )
    query(uri, f"SELECT recs.forget_user({after})", "recsys_moderator")
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO recs.blocked VALUES (%s, %s)", list(made.blocked))
        removed = [(item,) for item in made.removed]
        cursor.executemany("INSERT INTO recs.removed_item VALUES (%s)", removed)


@pytest.mark.parametrize("seed", range(6))
def test_it_gives_what_the_definition_gives(postgres_uri: SecretStr, seed: int) -> None:
    go(postgres_uri, (1, [999]))
    made = made_up(Random(seed))  # noqa: S311
    fill(postgres_uri, made)
    with connect(as_admin(postgres_uri)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE recsys_app")
        for user in (*USERS, 77):
            for n in LENGTHS:
                for segment in SEGMENTS:
                    cursor.execute("SELECT * FROM recs.top_n(%s, %s, %s)", (user, n, segment))
                    assert cursor.fetchall() == made.top_n(user, n, segment), (user, n, segment)


def test_a_callers_search_path_changes_nothing(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10, 11]))
    query(postgres_uri, "SELECT recs.remove_item(10)", "recsys_moderator")
    with connect(as_admin(postgres_uri)) as connection, connection.cursor() as cursor:
        cursor.execute(
            """CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO public;
            CREATE FUNCTION evil.never(bigint, bigint) RETURNS boolean
                LANGUAGE sql AS 'SELECT false';
            CREATE OPERATOR evil.= (FUNCTION = evil.never, LEFTARG = bigint, RIGHTARG = bigint);
            CREATE FUNCTION evil.unnest(bigint[]) RETURNS SETOF bigint
                LANGUAGE sql AS 'SELECT 666::bigint';
            SET ROLE recsys_app; SET search_path = evil, recs, pg_catalog;
            CREATE TEMPORARY TABLE removed_item (item_id bigint)"""
        )
        cursor.execute("SELECT 1::bigint = 1::bigint")
        assert cursor.fetchall() == [(False,)]
        cursor.execute("SELECT rank, item_id FROM recs.top_n(1, 5)")
        assert cursor.fetchall() == [(1, 11)]


def test_what_runs_with_other_rights_sets_a_search_path_or_needs_none(
    postgres_uri: SecretStr,
) -> None:
    go(postgres_uri, (1, [10]))
    free = query(
        postgres_uri,
        """SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p
        WHERE pronamespace = 'recs'::regnamespace AND prosecdef AND proconfig IS NULL""",
    )
    ((definition,),) = free
    assert "FUNCTION recs.listed(" in definition
    expressions = list(found(pglast.parse_plpgsql(definition), "PLpgSQL_expr"))
    assert len(expressions) > 5
    for each in expressions:
        text = each["query"]
        parsed = parse_sql_json(text if text.startswith("SELECT") else f"SELECT {text}")
        assert list(unqualified(json.loads(parsed))) == [], text


@pytest.mark.parametrize(
    "text",
    [
        "a = b",
        "a OPERATOR(evil.=) b",
        "a IN (b, c)",
        "a = ANY (b)",
        "a IN (SELECT x.b FROM recs.x)",
        "CASE a WHEN b THEN c END",
        "unnest(a)",
        "a::text",
        "(SELECT a FROM x)",
    ],
)
def test_a_name_without_its_schema_is_found(text: str) -> None:
    assert list(unqualified(json.loads(parse_sql_json(f"SELECT {text}"))))


def found(tree: Any, name: str) -> Iterator[dict[str, Any]]:
    """The nodes of a name, at any depth."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if key == name:
            yield value
        if isinstance(value, dict | list):
            yield from found(value, name)


def unqualified(tree: Any) -> Iterator[Any]:
    """Names of a parsed statement that a search_path could give another meaning."""
    named = [("A_Expr", "name"), ("FuncCall", "funcname"), ("TypeName", "names")]
    named += [("typeName", "names"), ("SubLink", "operName"), ("SortBy", "useOp")]
    for node, field in named:
        for each in found(tree, node):
            parts = [part["String"]["sval"] for part in each.get(field, [])]
            if parts and (len(parts) < 2 or parts[0] != "pg_catalog"):
                yield parts
    yield from (each["relname"] for each in found(tree, "RangeVar") if not each.get("schemaname"))
    yield from (each["arg"] for each in found(tree, "CaseExpr") if "arg" in each)
    for each in found(tree, "SubLink"):
        if "testexpr" in each and "operName" not in each:
            yield each["testexpr"]


def test_a_session_that_has_planned_it_sees_the_next_run_and_tombstones(
    postgres_uri: SecretStr,
) -> None:
    go(postgres_uri, (1, [10, 11]))
    with connect(as_admin(postgres_uri)) as session, session.cursor() as cursor:
        session.autocommit = True

        def items() -> list[int]:
            cursor.execute("SELECT item_id FROM recs.top_n(1, 5)")
            return [item for (item,) in cursor.fetchall()]

        assert all(items() == [10, 11] for _ in range(10))
        query(postgres_uri, "SELECT recs.remove_item(10)", "recsys_moderator")
        assert items() == [11]
        go(postgres_uri, (1, [10, 12, 13]))
        assert items() == [12, 13]
        query(postgres_uri, "SELECT recs.block(1, 12)", "recsys_moderator")
        assert items() == [13]
        query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
        assert items() == [70, 71]


def test_a_transaction_that_began_before_a_switch_gets_its_own_run(
    postgres_uri: SecretStr,
) -> None:
    go(postgres_uri, (1, [10, 11]), (2, []))
    with connect(as_admin(postgres_uri)) as session, session.cursor() as cursor:
        session.set_session(isolation_level="REPEATABLE READ")

        def items(user: int) -> list[int]:
            cursor.execute("SELECT item_id FROM recs.top_n(%s, 5)", (user,))
            return [item for (item,) in cursor.fetchall()]

        cursor.execute("SELECT run_id FROM recs.live")
        go(postgres_uri, (1, [12]), (2, [20]))
        assert [items(user) for user in (1, 2, 3)] == [[10, 11], [], [70, 71]]
        session.rollback()
        assert [items(user) for user in (1, 2, 3)] == [[12], [20], [70, 71]]


def test_the_explained_lookup_is_what_is_written(bare_postgres_uri: SecretStr) -> None:
    migrate(bare_postgres_uri, Ids())
    with connect(bare_postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            """SET ROLE recsys_writer;
            INSERT INTO recs.run (as_of, config_hash, code_version, models, stats)
            VALUES ('2026-01-01', '', '', '{als,graph,explore}', '{}');
            CREATE TABLE recs.user_list_run_1 (LIKE recs.user_list);
            SELECT recs.write_lookup(1)"""
        )
    ((source,),) = query(bare_postgres_uri, "SELECT prosrc FROM pg_proc WHERE proname = 'listed'")
    explained = (SQL / "repeatable" / "listed.example.sql").read_text(encoding="utf-8")
    _, body, _ = explained.split("$listed$")
    assert re.sub(r"--[^\n]*", "", body).split() == source.split()
