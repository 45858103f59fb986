"""`recsys migrate` with the rights that people have, and while others publish."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sandbox.postgres_server import PostgresServer
from jobs.sinks.postgres import switching
from jobs.sinks.postgres.migrations import MIGRATIONS, apply, install_lookup, migrate
from jobs.sinks.postgres.published_side import published_problems
from recsys.errors import PostgresLockedError, PublishedSideError
from recsys.sections.ids import Ids
from tests.logins import as_admin, as_login
from tests.postgres.publications import go, items_of, query
from tests.postgres.sessions import session, short_waits

EVERY = [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]


def execute(uri: SecretStr, *texts: str) -> None:
    with connect(uri) as connection, connection.cursor() as cursor:
        for text in texts:
            cursor.execute(text)


@pytest.fixture(scope="module")
def fresh_server() -> Iterator[PostgresServer]:
    """A server without the roles of the published side."""
    with tempfile.TemporaryDirectory(prefix="recsys-own-") as folder:
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def dba(fresh_server: PostgresServer) -> Iterator[SecretStr]:
    """The superuser of a server without roles and schema; a login `pipeline` with CREATEROLE."""
    uri = as_admin(SecretStr(fresh_server.uri()))
    execute(uri, "CREATE ROLE pipeline LOGIN CREATEROLE")
    yield uri
    execute(uri, "DROP SCHEMA IF EXISTS recs CASCADE")
    for role in ("recsys_writer", "recsys_analyst", "recsys_moderator", "recsys_app", "pipeline"):
        exists = query(uri, f"SELECT count(*) FROM pg_roles WHERE rolname = '{role}'")  # noqa: S608
        if exists == [(1,)]:
            execute(uri, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def pipeline(dba: SecretStr) -> SecretStr:
    return as_login(dba, "pipeline")


def publishes(uri: SecretStr, dba: SecretStr) -> None:
    """Publishing, rollback and every role's rights work."""
    assert published_problems(uri, Ids()) == []
    go(uri, (1, [10]))
    go(uri, (1, [11]))
    assert switching.rollback(uri, None) == 1
    assert query(dba, "SELECT count(*) FROM recs.top_n(1, 5)", "recsys_app") == [(1,)]
    assert query(dba, "SELECT count(*) FROM recs.list_item", "recsys_analyst") == [(2,)]
    query(dba, "SELECT recs.forget_user(1)", "recsys_moderator")
    assert migrate(uri, Ids()) == []


def test_a_login_with_createrole_and_create_migrates_and_publishes(dba: SecretStr) -> None:
    execute(dba, "GRANT CREATE ON DATABASE recsys TO pipeline")
    assert migrate(pipeline(dba), Ids()) == EVERY
    publishes(pipeline(dba), dba)
    assert migrate(pipeline(dba), Ids(), recreate=True) == EVERY


@pytest.mark.parametrize(
    "made",
    [
        ["CREATE SCHEMA recs AUTHORIZATION pipeline"],
        ["CREATE ROLE recsys_writer", "CREATE SCHEMA recs AUTHORIZATION recsys_writer",
         "GRANT recsys_writer TO pipeline"],
        ["CREATE ROLE recsys_writer", "GRANT recsys_writer TO pipeline", "CREATE SCHEMA recs",
         "GRANT USAGE, CREATE ON SCHEMA recs TO recsys_writer WITH GRANT OPTION"],
    ],
    ids=["the login's", "the writer's", "granted"],
)  # fmt: skip
def test_a_schema_that_the_dba_made_will_do_without_create(dba: SecretStr, made: list[str]) -> None:
    execute(dba, *made)
    assert migrate(pipeline(dba), Ids()) == EVERY
    publishes(pipeline(dba), dba)


def test_what_lacks_is_told_and_nothing_is_left(dba: SecretStr) -> None:
    with pytest.raises(PublishedSideError, match="permission denied for database recsys"):
        migrate(pipeline(dba), Ids())
    execute(dba, "CREATE SCHEMA recs")
    with pytest.raises(PublishedSideError, match=r"recs belongs to postgres.*ALTER SCHEMA"):
        migrate(pipeline(dba), Ids())
    execute(dba, "ALTER ROLE pipeline NOCREATEROLE")
    with pytest.raises(PublishedSideError, match="permission denied to create role"):
        migrate(pipeline(dba), Ids())
    assert query(dba, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'recsys\\_%'") == [(0,)]


def test_a_login_that_is_no_member_of_roles_of_others_is_told(dba: SecretStr) -> None:
    migrate(dba, Ids())
    with pytest.raises(PublishedSideError, match="recsys_writer"):
        migrate(pipeline(dba), Ids())
    execute(dba, "GRANT recsys_writer TO pipeline")
    assert migrate(pipeline(dba), Ids()) == []


def test_two_first_migrations_at_once_are_one(bare_postgres_uri: SecretStr) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: migrate(bare_postgres_uri, Ids()), range(4)))
    assert sorted(map(len, done)) == [0, 0, 0, len(EVERY)]


def test_a_migration_waits_for_publications_and_switches(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.db.postgres.statement", short_waits)
    go(postgres_uri, (1, [10]))
    for held in ("SELECT FROM recs.id_types FOR UPDATE", "LOCK recs.live IN EXCLUSIVE MODE"):
        with (
            session(postgres_uri, "SET ROLE recsys_writer", held),
            pytest.raises(PostgresLockedError, match="end that session"),
        ):
            migrate(postgres_uri, Ids())


def test_the_latest_migrations_keep_a_published_history(bare_postgres_uri: SecretStr) -> None:
    paths = sorted(MIGRATIONS.glob("*.sql"))
    before = [path for path in paths if path.stem < "0010"]
    later = [path.stem for path in paths if path.stem >= "0010"]
    migrate(bare_postgres_uri, Ids())
    with connect(bare_postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA recs CASCADE")
        for path in before:
            apply(connection, path, Ids())
        cursor.execute("SET ROLE recsys_writer")
        install_lookup(connection, Ids())
        cursor.execute(
            """INSERT INTO recs.run (as_of, status, config_hash, code_version, models, stats,
                list_hash) VALUES ('2026-01-01', 'published', 'h', '1', '{als}', '{}', 'old');
            CREATE TABLE recs.user_list_run_1 PARTITION OF recs.user_list FOR VALUES IN (1);
            INSERT INTO recs.user_list VALUES (1, 5, '{50}', '{1}', '{0}', '{1}');
            INSERT INTO recs.quarantined_row (run_id, source, user_id, reject_reason)
            VALUES (1, 'events', '6', 'x');
            INSERT INTO recs.live (run_id) VALUES (1);
            SELECT recs.write_lookup(1); RESET ROLE;
            GRANT SELECT ON recs.list_item TO PUBLIC;
            CREATE VIEW public.report AS SELECT as_of FROM recs.list_item;
            DO $$ BEGIN
                EXECUTE format(
                    'ALTER DATABASE %I SET timezone TO ''Asia/Tokyo''', current_database()
                );
            END $$"""
        )
    assert items_of(bare_postgres_uri, 5) == ["50"]
    with pytest.raises(PublishedSideError, match=r"cannot drop .* because other objects depend"):
        migrate(bare_postgres_uri, Ids())
    execute(bare_postgres_uri, "DROP VIEW public.report")
    assert migrate(bare_postgres_uri, Ids()) == later
    midnight = [(datetime(2026, 1, 1, tzinfo=UTC), 50)]
    for role in ("recsys_analyst", "recsys_app"):
        shown = "SELECT as_of, item_id FROM recs.list_item"
        assert query(bare_postgres_uri, shown, role) == midnight
    assert query(bare_postgres_uri, "SELECT count(*) FROM recs.quarantine", "recsys_analyst")
    assert items_of(bare_postgres_uri, 5) == ["50"]
    assert query(bare_postgres_uri, "SELECT item_id FROM recs.top_n(5, NULL)") == [(50,)]
    query(bare_postgres_uri, "SELECT recs.forget_user(6)", "recsys_moderator")
    assert query(bare_postgres_uri, "SELECT count(*) FROM recs.quarantined_row") == [(0,)]
    assert go(bare_postgres_uri, (5, [51])).run_id == 2
    assert switching.rollback(bare_postgres_uri, 1) == 1
    assert items_of(bare_postgres_uri, 5) == ["50"]
