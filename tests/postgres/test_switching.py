"""Held runs, rollback, and what vanishes from lists at once."""

import subprocess

import pytest
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sandbox.servers import psql_path
from jobs.sinks.postgres import lookup, switching
from jobs.sinks.postgres.migrations import (
    MIGRATIONS,
    apply,
    install_lookup,
    install_views,
    migrate,
)
from recsys.errors import HeldError, PublishedSideError, RunNotThereError
from recsys.sections.ids import Ids
from tests.postgres.publications import NARROW, go, held, history, items_of, query


def test_a_run_that_fails_the_audit_is_kept_but_not_live(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    with pytest.raises(HeldError, match=f"run 2 is held back.*{NARROW}"):
        go(postgres_uri, (1, [11]), audit=held)
    assert items_of(postgres_uri, 1) == ["10"]
    (run, _) = lookup.runs(postgres_uri, 2)
    assert (run.status, run.live) == ("held", False)
    ((audit,),) = query(postgres_uri, "SELECT audit FROM recs.run WHERE run_id = 2")
    assert audit == held(1).as_dict()
    assert (audit["outcome"], audit["violations"]) == ("held", [NARROW])
    assert audit["figures"]["live_run"] == 1


def test_a_held_run_goes_live_only_by_force_and_with_a_reason(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    with pytest.raises(HeldError):
        go(postgres_uri, (1, [11]), audit=held)
    with pytest.raises(HeldError, match="never live"):
        switching.rollback(postgres_uri, 2)
    switching.release(postgres_uri, 2, "new catalogue'; --")
    assert items_of(postgres_uri, 1) == ["11"]
    record = "SELECT from_run, to_run, reason FROM recs.switch ORDER BY switch_id"
    assert query(postgres_uri, record) == [
        (None, 1, "published"),
        (1, 2, "forced: new catalogue'; --"),
    ]


def test_history_never_moves_the_live_pointer(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    go(postgres_uri, (1, [11]), audit=history)
    assert items_of(postgres_uri, 1) == ["10"]
    assert [run.status for run in lookup.runs(postgres_uri, 2)] == ["published", "published"]


def test_rollback_goes_back_step_by_step(postgres_uri: SecretStr) -> None:
    for item in (10, 11, 12):
        go(postgres_uri, (1, [item]))
    go(postgres_uri, (1, [99]), audit=history)
    assert switching.rollback(postgres_uri, None) == 2
    assert items_of(postgres_uri, 1) == ["11"]
    assert switching.rollback(postgres_uri, None) == 1
    with pytest.raises(RunNotThereError, match=r"`recsys rollback RUN` .* others: 4, 3, 2$"):
        switching.rollback(postgres_uri, None)
    with pytest.raises(RunNotThereError, match="run 1 is live already"):
        switching.rollback(postgres_uri, 1)
    assert switching.rollback(postgres_uri, 3) == 3
    assert items_of(postgres_uri, 1) == ["12"]
    with pytest.raises(RunNotThereError, match="there is no run 77"):
        switching.rollback(postgres_uri, 77)


def test_the_lookup_opens_the_live_runs_table_alone(postgres_uri: SecretStr) -> None:
    opened = """SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
        WHERE pid = pg_backend_pid() AND relkind IN ('r', 'p') AND relname LIKE 'user\\_list%'"""

    def tables() -> list[tuple[str]]:
        with connect(postgres_uri) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM recs.top_n(1, 5)")
            cursor.execute(opened)
            return cursor.fetchall()

    go(postgres_uri, (1, [10]))
    go(postgres_uri, (1, [11]))
    assert tables() == [("user_list_run_2",)]
    switching.rollback(postgres_uri, 1)
    assert tables() == [("user_list_run_1",)]


def test_a_removal_that_broke_off_is_finished_by_the_next_publication(
    postgres_uri: SecretStr,
) -> None:
    for item in (10, 11, 12):
        go(postgres_uri, (1, [item]))
    with connect(postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE recs.run SET status = 'retired' WHERE run_id IN (1, 2)")
        cursor.execute("ALTER TABLE recs.user_list DETACH PARTITION recs.user_list_run_1")
    go(postgres_uri, (1, [13]))
    tables = (
        "SELECT relname FROM pg_class WHERE relname LIKE 'user\\_list\\_run%' AND relkind = 'r'"
    )
    assert sorted(query(postgres_uri, tables)) == [("user_list_run_3",), ("user_list_run_4",)]
    assert items_of(postgres_uri, 1) == ["13"]


@pytest.mark.parametrize("user", [1, 999], ids=["own list", "popular list"])
def test_blocks_and_removals_work_at_the_next_lookup(postgres_uri: SecretStr, user: int) -> None:
    go(postgres_uri, (1, [70, 71, 72]))
    before = items_of(postgres_uri, user)
    query(postgres_uri, f"SELECT recs.block({user}, 70)", "recsys_moderator")
    assert items_of(postgres_uri, user) == before[1:]
    assert items_of(postgres_uri, user, 1) == ["71"]
    assert items_of(postgres_uri, 12345) == ["70", "71"]
    query(postgres_uri, "SELECT recs.remove_item(71)", "recsys_moderator")
    assert items_of(postgres_uri, user) == before[2:]
    assert items_of(postgres_uri, 12345) == ["70"]
    assert [item.rank for item in lookup.top_n(postgres_uri, "12345", 5)] == [1]


def test_blocks_and_removals_work_in_the_lists_of_segments(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    assert items_of(postgres_uri, 999, 10, "c=de") == ["80", "71", "81"]
    query(postgres_uri, "SELECT recs.block(999, 80)", "recsys_moderator")
    query(postgres_uri, "SELECT recs.remove_item(71)", "recsys_moderator")
    found = lookup.top_n(postgres_uri, "999", 10, "c=de")
    assert [(item.rank, item.item_id, item.source) for item in found] == [(1, "81", "segment")]
    assert items_of(postgres_uri, 998, 10, "c=de") == ["80", "81"]
    query(postgres_uri, "SELECT recs.remove_item(90)", "recsys_moderator")
    assert items_of(postgres_uri, 998, 10, "c=fr") == []


def test_a_forgotten_user_gets_popular_items_even_from_later_runs(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]), (2, [20]))
    go(postgres_uri, (1, [11]), (2, [21]))
    query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
    assert items_of(postgres_uri, 1) == ["70", "71"]
    assert query(postgres_uri, "SELECT count(*) FROM recs.user_list WHERE user_id = 1") == [(0,)]
    go(postgres_uri, (1, [12]), (2, [22]))
    assert items_of(postgres_uri, 1) == ["70", "71"]
    assert items_of(postgres_uri, 1, 10, "c=de") == ["80", "71", "81"]
    assert items_of(postgres_uri, 2) == ["22"]


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("recsys_app", "SELECT recs.block(1, 70)"),
        ("recsys_app", "SELECT recs.forget_user(1)"),
        ("recsys_analyst", "SELECT recs.remove_item(70)"),
        ("recsys_moderator", "SELECT * FROM recs.blocked"),
        ("recsys_moderator", "SELECT * FROM recs.top_n(1, 5)"),
        ("recsys_moderator", "SELECT * FROM recs.top_n(999, 5, 'c=de')"),
    ],
)
def test_nobody_else_may(postgres_uri: SecretStr, role: str, text: str) -> None:
    with pytest.raises(PublishedSideError, match="permission denied"):
        query(postgres_uri, text, role)


def dump(uri: SecretStr) -> str:
    command = [str(psql_path().with_name("pg_dump")), "--schema-only", "--schema=recs"]
    done = subprocess.run(
        [*command, uri.get_secret_value()], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.mark.parametrize("ids", [Ids(), Ids(user="text", item="uuid")], ids=str)
def test_the_schema_is_what_the_migrations_come_to(bare_postgres_uri: SecretStr, ids: Ids) -> None:
    migrate(bare_postgres_uri, ids)
    at_once = dump(bare_postgres_uri)
    with connect(bare_postgres_uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA recs CASCADE")
        for path in sorted(MIGRATIONS.glob("*.sql")):
            apply(connection, path, ids)
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE recsys_writer")
        install_lookup(connection, ids)
        install_views(connection, ids)
    assert dump(bare_postgres_uri) == at_once


def test_an_upgrade_keeps_published_history(bare_postgres_uri: SecretStr) -> None:
    first, *later = sorted(MIGRATIONS.glob("*.sql"))
    migrate(bare_postgres_uri, Ids())
    with connect(bare_postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA recs CASCADE")
        apply(connection, first, Ids())
        cursor.execute(
            """INSERT INTO recs.run (as_of, status, config_hash, code_version, models, stats,
                list_hash)
            SELECT '2026-01-01', 'published', 'h', '1', '{als}', '{}', 'old'
            FROM generate_series(1, 2);
            SET ROLE recsys_writer;
            CREATE TABLE recs.user_list_run_1 PARTITION OF recs.user_list FOR VALUES IN (1);
            CREATE TABLE recs.user_list_run_2 PARTITION OF recs.user_list FOR VALUES IN (2);
            INSERT INTO recs.user_list
            VALUES (1, 5, '{50}', '{1}', '{0}'), (1, 6, '{}', '{}', '{}'),
                (2, 5, '{50,51}', '{1,0.5}', '{0,0}');
            INSERT INTO recs.live (run_id) VALUES (1);
            RESET ROLE"""
        )
    assert migrate(bare_postgres_uri, Ids()) == [path.stem for path in later]
    assert items_of(bare_postgres_uri, 5) == ["50"]
    chances = "SELECT run_id, user_id, propensities FROM recs.user_list ORDER BY 1, 2"
    assert query(bare_postgres_uri, chances) == [
        (1, 5, [1.0]),
        (1, 6, []),
        (2, 5, [1.0, 1.0]),
    ]
    shown = "SELECT item_id, propensity FROM recs.list_item WHERE run_id = 2 ORDER BY rank"
    assert query(bare_postgres_uri, shown) == [(50, 1.0), (51, 1.0)]
    assert go(bare_postgres_uri, (5, [50]), (6, [])).run_id == 3
    hashes = "SELECT count(DISTINCT list_hash) FROM recs.run WHERE run_id IN (1, 3)"
    assert query(bare_postgres_uri, hashes) == [(1,)]
    go(bare_postgres_uri, (5, [51]))
    assert items_of(bare_postgres_uri, 5) == ["51"]
    assert switching.rollback(bare_postgres_uri, 1) == 1
    assert items_of(bare_postgres_uri, 5) == ["50"]
