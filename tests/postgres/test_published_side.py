"""What keeps a run from being published is found before any work, each with its remedy."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.readiness import problems
from jobs.run.settings import Settings
from jobs.sandbox.postgres_server import PostgresServer
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.published_side import published_problems, require_publishable
from recsys.config import Config
from recsys.errors import PostgresUnavailableError, PublishedSideError
from recsys.sections.ids import Ids
from tests.logins import as_admin, as_login
from tests.postgres.pooler import Pooler

MEMBER, STRANGER = "one_member", "one_stranger"


def execute(uri: SecretStr, text: str) -> None:
    with connect(as_admin(uri)) as connection:
        connection.cursor().execute(text)


@pytest.fixture
def logins(postgres_uri: SecretStr) -> Iterator[SecretStr]:
    """Two logins of the server: a member of the writer, and one that is not."""
    execute(
        postgres_uri,
        f"CREATE ROLE {MEMBER} LOGIN IN ROLE recsys_writer; CREATE ROLE {STRANGER} LOGIN",
    )
    yield postgres_uri
    execute(postgres_uri, f"DROP ROLE {MEMBER}; DROP ROLE {STRANGER}")


def test_a_login_that_may_publish_has_no_problems(logins: SecretStr) -> None:
    assert published_problems(logins, Ids()) == []
    assert published_problems(as_login(logins, MEMBER), Ids()) == []
    require_publishable(as_login(logins, MEMBER), Ids())


def test_a_login_that_is_no_member_of_the_writer_is_named(logins: SecretStr) -> None:
    (problem,) = published_problems(as_login(logins, STRANGER), Ids())
    assert problem.endswith(f"`GRANT recsys_writer TO {STRANGER}`")


def test_a_superuser_is_refused_with_a_remedy(logins: SecretStr) -> None:
    (problem,) = published_problems(as_admin(logins), Ids())
    assert problem.startswith("login postgres is a superuser")
    assert "`CREATE ROLE pipeline LOGIN" in problem
    with pytest.raises(PublishedSideError) as caught:
        require_publishable(as_admin(logins), Ids())
    assert caught.value.exit_code == 16


def test_a_member_that_may_not_set_the_role_is_named(logins: SecretStr) -> None:
    execute(logins, f"GRANT recsys_writer TO {STRANGER} WITH SET FALSE, INHERIT TRUE")
    (problem,) = published_problems(as_login(logins, STRANGER), Ids())
    assert "may not act as recsys_writer" in problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "REVOKE ALL ON SCHEMA recs FROM recsys_writer; ALTER SCHEMA recs OWNER TO postgres",
            ["USAGE on schema recs", "CREATE on schema recs"],
        ),
        ("ALTER TABLE recs.live OWNER TO postgres", ["ownership of recs.live, which is postgres"]),
        ("DELETE FROM recs.migration WHERE number IN (6, 7)", ["0006_lookup_by_table, 0007_look"]),
        ("INSERT INTO recs.migration VALUES (99, 'x')", ["[99] are of newer code"]),
        ("UPDATE recs.id_types SET user_id = 'uuid'", ["uuid user ids and bigint item ids"]),
        ("DROP SCHEMA recs CASCADE", ["recsys migrate"]),
        (f"ALTER ROLE {MEMBER} SET default_transaction_read_only = on", ["ALTER ROLE one_member"]),
    ],
    ids=["usage", "owner", "behind", "ahead", "ids", "none", "reads"],
)
def test_each_reason_is_told_with_its_remedy(
    logins: SecretStr, change: str, said: list[str]
) -> None:
    execute(logins, change)
    problems = published_problems(as_login(logins, MEMBER), Ids())
    assert len(problems) == len(said), problems
    for problem, text in zip(problems, said, strict=True):
        assert text in problem
    with pytest.raises(PublishedSideError):
        require_publishable(as_login(logins, MEMBER), Ids())


def test_a_standby_is_refused(own_server: PostgresServer) -> None:
    uri = SecretStr(own_server.uri())
    migrate(uri, Ids())
    own_server.stop()
    (own_server.data / "standby.signal").touch()
    shutil.chown(own_server.data / "standby.signal", own_server.data.owner())
    own_server.start()
    (problem,) = published_problems(uri, Ids())
    assert "is a standby" in problem
    assert "primary" in problem


def test_a_server_that_is_away_is_an_outage_and_a_problem(tmp_path: Path) -> None:
    away = SecretStr(f"postgresql://someone:secret@/db?host={tmp_path}")
    with pytest.raises(PostgresUnavailableError):
        require_publishable(away, Ids())
    (problem,) = published_problems(away, Ids())
    assert "does not answer" in problem
    assert "secret" not in problem


def test_it_is_found_before_anything_is_extracted(
    settings: Settings, config: Config, bare_postgres_uri: SecretStr
) -> None:
    bare = settings.model_copy(update={"postgres_uri": bare_postgres_uri})
    assert any("recsys migrate" in str(problem.error) for problem in problems(config, bare))
    migrate(bare_postgres_uri, replace_user(config))
    found = [str(problem.error) for problem in problems(config, bare)]
    assert any("publishes text user ids" in text for text in found), found
    assert not Path(str(settings.lake)).exists()


def replace_user(config: Config) -> Ids:
    return config.ids.model_copy(update={"user": "text"})


@contextmanager
def pooled(uri: SecretStr, servers: int) -> Iterator[SecretStr]:
    """The database behind a pooler in transaction mode."""
    (host,) = parse_qs(urlsplit(uri.get_secret_value()).query)["host"]
    with tempfile.TemporaryDirectory() as folder:
        pooler = Pooler(Path(host), Path(folder), servers)
        base = uri.get_secret_value().partition("?")[0]
        yield SecretStr(f"{base}?host={folder}&port=5432")
        pooler.close()


@pytest.mark.parametrize("servers", [1, 2, 5])
def test_a_pooler_in_transaction_mode_is_refused(postgres_uri: SecretStr, servers: int) -> None:
    with pooled(postgres_uri, servers) as uri:
        plain = psycopg2.connect(uri.get_secret_value())
        with plain, plain.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT count(*) FROM recs.run"))
            assert cursor.fetchone() == (0,)
        plain.close()
        with pytest.raises(PublishedSideError, match="pooler"):
            require_publishable(uri, Ids())
