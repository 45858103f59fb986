"""The login of the embedded server is no superuser, also where an earlier version knew no other."""

import pytest
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sandbox.postgres_server import LOGIN, PostgresServer
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.published_side import published_problems, require_publishable
from recsys.errors import PublishedSideError
from recsys.sections.ids import Ids
from tests.logins import as_admin
from tests.postgres.publications import go, items_of, query

MADE = """
    CREATE SCHEMA market;
    CREATE TYPE market.kind AS ENUM ('view');
    CREATE TABLE market.users (user_id bigint GENERATED ALWAYS AS IDENTITY, number serial);
    CREATE TABLE market.parts (kind market.kind) PARTITION BY LIST (kind);
    CREATE TABLE market.views PARTITION OF market.parts FOR VALUES IN ('view');
    CREATE VIEW market.seen AS SELECT * FROM market.users;
    CREATE SEQUENCE market.numbers;
    CREATE FUNCTION market.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE public.mine (user_id bigint)"""
OF_THE_SUPERUSER = """
    SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relowner = 'postgres'::regrole AND n.nspname IN ('market', 'public', 'recs')"""


@pytest.fixture
def earlier(own_server: PostgresServer) -> SecretStr:
    """A database in which everything was made by the superuser, since there was no other login."""
    admin = as_admin(SecretStr(own_server.uri()))
    with connect(admin) as connection:
        connection.cursor().execute(f"ALTER DATABASE recsys OWNER TO postgres; DROP ROLE {LOGIN}")
        connection.cursor().execute(MADE)
    migrate(admin, Ids())
    go(admin, (1, [10]))
    with pytest.raises(PublishedSideError, match="login postgres is a superuser"):
        require_publishable(admin, Ids())
    return admin


def test_a_server_of_an_earlier_version_is_handed_over_when_it_starts(
    own_server: PostgresServer, earlier: SecretStr
) -> None:
    own_server.start()
    uri = SecretStr(own_server.uri())
    rights = f"SELECT rolsuper, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = '{LOGIN}'"  # noqa: S608
    assert query(uri, rights) == [(False, False, False)]
    assert query(earlier, OF_THE_SUPERUSER) == []
    assert published_problems(uri, Ids()) == []
    assert items_of(uri, 1) == ["10"]
    go(uri, (1, [11]))
    assert items_of(uri, 1) == ["11"]
    with connect(uri) as connection:
        connection.cursor().execute("DROP SCHEMA market CASCADE; DROP TABLE public.mine")
    migrate(uri, Ids(), recreate=True)
    go(uri, (1, [12]))
    assert items_of(uri, 1) == ["12"]


def test_a_login_that_was_a_superuser_is_none_any_more(own_server: PostgresServer) -> None:
    uri = SecretStr(own_server.uri())
    with connect(as_admin(uri)) as connection:
        connection.cursor().execute(f"ALTER ROLE {LOGIN} SUPERUSER NOCREATEROLE")
    own_server.start()
    migrate(uri, Ids())
    assert published_problems(uri, Ids()) == []
