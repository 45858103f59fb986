"""A publication goes live whoever reads, forgets or holds locks; what is in use goes later."""

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import psycopg2.extensions
import pytest
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sandbox.postgres_server import LOGIN
from jobs.sinks.postgres import lookup, switching
from recsys.errors import HeldError, PostgresLockedError
from tests.postgres.publications import TABLES, go, held, history, items_of, passed, query
from tests.postgres.sessions import session, short_waits


def test_an_analyst_with_an_open_transaction_stops_no_publication(
    postgres_uri: SecretStr, caplog: pytest.LogCaptureFixture
) -> None:
    go(postgres_uri, (1, [9]), keep=2)
    go(postgres_uri, (1, [10]), keep=2)
    reading = "SET ROLE recsys_analyst", "SELECT count(*) FROM recs.list_item"
    with session(postgres_uri, *reading) as analyst:
        for item in (11, 12, 13):
            run = go(postgres_uri, (1, [item]), keep=2)
            assert items_of(postgres_uri, 1) == [str(item)]
            assert query(postgres_uri, "SELECT run_id FROM recs.live") == [(run.run_id,)]
        assert (
            f"is in use, later publications remove it: pid {analyst.info.backend_pid}"
            in caplog.text
        )
        assert query(postgres_uri, TABLES) == [(5,)]
        analyst.rollback()
    go(postgres_uri, (1, [14]), keep=2)
    assert query(postgres_uri, TABLES) == [(2,)]
    kept = query(postgres_uri, "SELECT DISTINCT run_id FROM recs.user_list ORDER BY 1")
    assert kept == [(5,), (6,)]


def test_an_unrelated_transaction_after_a_detachment_that_broke_off_stops_nothing(
    postgres_uri: SecretStr,
) -> None:
    go(postgres_uri, (1, [9]), keep=1)
    with session(postgres_uri, "SELECT count(*) FROM recs.user_list"):
        go(postgres_uri, (1, [10]), keep=1)
    pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
    assert query(postgres_uri, pending) == [(1,)]
    repeatable = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_class"
    with session(postgres_uri, *repeatable):
        go(postgres_uri, (1, [11]), keep=1)
        assert items_of(postgres_uri, 1) == ["11"]
        go(postgres_uri, (1, [12]), keep=1)
        assert items_of(postgres_uri, 1) == ["12"]
    go(postgres_uri, (1, [13]), keep=1)
    assert query(postgres_uri, TABLES) == [(1,)]


@pytest.mark.parametrize("kind", ["live", "history", "held"])
def test_a_publication_does_not_wait_for_who_is_forgetting_a_user(
    postgres_uri: SecretStr, kind: str
) -> None:
    refused = [{"source": "events", "user_id": 1, "reject_reason": "x", "source_row": "{}"}]
    go(postgres_uri, (1, [9]), (2, [19]), refused=refused, keep=1)
    forgetting = "SET ROLE recsys_moderator", "SELECT recs.forget_user(1)"
    with session(postgres_uri, *forgetting) as moderator:
        try:
            audit = {"live": passed, "history": history, "held": held}[kind]
            run = go(postgres_uri, (1, [10]), (2, [20]), refused=refused, keep=1, audit=audit)
            assert items_of(postgres_uri, 2) == (["20"] if kind == "live" else ["19"])
            assert run.run_id == 2
        except HeldError:
            assert kind == "held"
        moderator.commit()
    for table, user in (("user_list", "1"), ("quarantined_row", "'1'")):
        left = f"SELECT count(*) FROM recs.{table} WHERE user_id = {user}"  # noqa: S608 - constants
        assert query(postgres_uri, left) == [(0,)], table
    go(postgres_uri, (2, [21]), keep=1)
    for name in ("user_list_run_3", "user_list"):
        left = f"SELECT count(*) FROM recs.{name} WHERE user_id = 1"  # noqa: S608 - constants
        assert query(postgres_uri, left) == [(0,)]
    assert items_of(postgres_uri, 1) == ["70", "71"]


def test_who_forgets_a_user_twice_deletes_what_came_between(postgres_uri: SecretStr) -> None:
    query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
    go(postgres_uri, (2, [20]))
    query(
        postgres_uri,
        "INSERT INTO recs.user_list VALUES (1, 1, '{1}', '{1}', '{0}', '{1}') RETURNING 1",
    )
    query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
    assert query(postgres_uri, "SELECT user_id FROM recs.user_list") == [(2,)]


def test_tables_that_wait_to_be_removed_lose_forgotten_users_too(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]), keep=1)
    query(
        postgres_uri, "CREATE TABLE recs.user_list_run_77 AS SELECT * FROM recs.user_list; SELECT 1"
    )
    with session(postgres_uri, "SELECT count(*) FROM recs.user_list"):
        go(postgres_uri, (1, [11]), keep=1)
    with connect(postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE recsys_writer")
        cursor.execute("CREATE TABLE recs.user_list_run_78 AS SELECT 1::text AS user_id")
    query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
    for table in ("user_list_run_1", "user_list_run_78", "user_list"):
        left = f"SELECT count(*) FROM recs.{table}"  # noqa: S608 - constants
        assert query(postgres_uri, left) == [(0,)], table


def test_to_forget_a_user_takes_a_transaction_that_sees_what_is_committed(
    postgres_uri: SecretStr,
) -> None:
    repeatable = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT recs.forget_user(1)"
    with (
        session(postgres_uri, *repeatable) as moderator,
        pytest.raises(psycopg2.errors.RaiseException, match="READ COMMITTED"),
    ):
        moderator.commit()


def test_no_login_can_hold_the_lock_of_a_publication(postgres_uri: SecretStr) -> None:
    numbers = "SELECT pg_advisory_lock(hashtext('recsys publish')), "
    numbers += "pg_advisory_lock(hashtext('recsys switch'))"
    with session(postgres_uri, "SET ROLE recsys_app", numbers):
        go(postgres_uri, (1, [10]))
        go(postgres_uri, (1, [11]))
        assert switching.rollback(postgres_uri, None) == 1
    for role in ("recsys_app", "recsys_analyst", "recsys_moderator"):
        for text in (
            "SELECT FROM recs.id_types FOR UPDATE",
            "SELECT FROM recs.live FOR UPDATE",
            "LOCK TABLE recs.live IN ROW EXCLUSIVE MODE",
            "LOCK TABLE recs.id_types IN ROW EXCLUSIVE MODE",
        ):
            with (
                pytest.raises(psycopg2.errors.InsufficientPrivilege),
                session(postgres_uri, f"SET ROLE {role}", text),
            ):
                pass


def test_a_second_publication_waits_and_says_for_whom(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jobs.db.liveness.PROBE_EVERY", 0.1)
    lock = "SET ROLE recsys_writer", "SELECT FROM recs.id_types FOR UPDATE"
    with ThreadPoolExecutor(1) as pool, session(postgres_uri, *lock, login=LOGIN) as other:
        publishing = pool.submit(go, postgres_uri, (1, [10]))
        while "waiting for" not in caplog.text:
            assert not publishing.done()
        pid = other.info.backend_pid
        other.rollback()
        assert publishing.result().run_id == 1
    assert f"waiting for pid {pid} of login recsys (somebody, " in caplog.text


def test_a_switch_that_waits_for_too_long_names_who_is_in_the_way(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.db.liveness.PROBE_EVERY", 0.1)
    for item in (10, 11):
        go(postgres_uri, (1, [item]))
    query(postgres_uri, "ALTER ROLE recsys SET lock_timeout = '1s'; SELECT 1")
    monkeypatch.setattr("jobs.db.postgres.statement", short_waits)
    with (
        session(postgres_uri, "LOCK TABLE recs.live IN SHARE MODE", login=LOGIN) as other,
        pytest.raises(
            PostgresLockedError, match=rf"pid {other.info.backend_pid} of login \w+ \(somebody"
        ),
    ):
        switching.rollback(postgres_uri, None)
    assert items_of(postgres_uri, 1) == ["11"]


def test_the_live_run_is_shown_however_old(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    for item in range(5):
        go(postgres_uri, (1, [item]), audit=history)
    assert [(run.run_id, run.live) for run in lookup.runs(postgres_uri, 2)] == [
        (6, False),
        (5, False),
        (1, True),
    ]
