"""Real servers for the whole run, a database of its own for each test."""

import itertools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from pydantic import SecretStr
from pyspark.sql import SparkSession
from upath import UPath

from jobs.run.openmp import let_idle_threads_sleep
from jobs.run.settings import Settings, load_config
from jobs.sandbox import servers
from jobs.sandbox.postgres_server import LOGIN
from jobs.sinks.postgres.migrations import migrate
from jobs.spark.session import session
from recsys.config import Config
from recsys.sections.ids import Ids
from tests.finished_nights import Publisher
from tests.logins import as_admin
from tests.mongo_servers import EMBEDDED, FERRETDB, SERVERS, emptied, ferretdb, named_server
from tests.object_store import ObjectStore, started

let_idle_threads_sleep()
REPOSITORY = Path(__file__).parents[1]
_TEMPLATE = "recsys_template"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def endpoints() -> Iterator[servers.Endpoints]:
    """An embedded Postgres and a MongoDB wire server.

    Not below pytest's own folder: each start of pytest closes that to other system users, and as
    root Postgres runs as one.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-test-") as folder:
        yield servers.up(Path(folder))
        servers.down(Path(folder))


@pytest.fixture(scope="session")
def template(endpoints: servers.Endpoints) -> str:
    """A database with the published side installed, to be cloned."""
    _execute(endpoints, "CREATE DATABASE {} OWNER {}", _TEMPLATE, LOGIN)
    migrate(_database(endpoints, _TEMPLATE), Ids())
    return _TEMPLATE


@pytest.fixture
def postgres_uri(endpoints: servers.Endpoints, template: str) -> Iterator[SecretStr]:
    """A migrated database that nothing else uses."""
    yield from cloned(endpoints, template)


@pytest.fixture
def bare_postgres_uri(endpoints: servers.Endpoints) -> Iterator[SecretStr]:
    """An empty database."""
    yield from cloned(endpoints, "template0")


@pytest.fixture
def mongo_uri(endpoints: servers.Endpoints) -> SecretStr:
    """An empty MongoDB database."""
    address = endpoints.mongo_uri.rpartition("/")[0]
    return SecretStr(f"{address}/test_{next(_numbers)}")


@pytest.fixture(scope="session")
def second_mongo() -> Iterator[SecretStr]:
    """FerretDB, in a short folder, since the path of a socket has an end."""
    with (
        tempfile.TemporaryDirectory(prefix="recsys-test-") as folder,
        ferretdb(Path(folder)) as uri,
    ):
        yield uri


@pytest.fixture(params=SERVERS)
def any_mongo_uri(request: pytest.FixtureRequest) -> Iterator[SecretStr]:
    """An empty database on each MongoDB server; a module takes it by a `mongo_uri` of its own."""
    if request.param == EMBEDDED:
        server = SecretStr(request.getfixturevalue("endpoints").mongo_uri)
    else:
        server = (
            request.getfixturevalue("second_mongo") if request.param == FERRETDB else named_server()
        )
    yield from emptied(server, f"recsys_test_{os.getpid()}_{next(_numbers)}")


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A server that speaks S3."""
    with started(tmp_path_factory.mktemp("objects")) as store:
        yield store


@pytest.fixture
def bucket(object_store: ObjectStore) -> UPath:
    """An empty place in an object store that nothing else uses."""
    return object_store.folder(f"test-{next(_numbers)}")


@pytest.fixture(scope="session")
def config() -> Config:
    """The configuration that the repository ships."""
    return load_config(REPOSITORY / "recsys.toml")


@pytest.fixture
def settings(postgres_uri: SecretStr, mongo_uri: SecretStr, tmp_path: Path) -> Settings:
    """Settings of a run on this test's own databases and lake."""
    return Settings(
        postgres_uri=postgres_uri,
        mongo_uri=mongo_uri,
        lake=UPath(tmp_path / "lake"),
        sandbox=tmp_path / "sandbox",
        config=REPOSITORY / "recsys.toml",
        submitted=False,
    )


@pytest.fixture
def publisher(settings: Settings, config: Config) -> Publisher:
    """Publishes nights that were never run, into this test's own database."""
    return Publisher(config, settings)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one Spark session; jobs run within a test get the same."""
    nowhere = tmp_path_factory.mktemp("nowhere")
    settings = Settings(
        postgres_uri=None,
        mongo_uri=None,
        lake=UPath(nowhere),
        sandbox=nowhere,
        config=nowhere,
        submitted=False,
    )
    # It would say goodbye to the garbage collector, when pytest has closed the log.
    logging.getLogger("py4j").setLevel(logging.ERROR)
    started = session("tests", settings)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public data sets beside the checkout."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


def cloned(endpoints: servers.Endpoints, template: str) -> Iterator[SecretStr]:
    """A database of its own, dropped at the end."""
    name = f"test_{next(_numbers)}"
    _execute(endpoints, "CREATE DATABASE {} TEMPLATE {} OWNER {}", name, template, LOGIN)
    yield _database(endpoints, name)
    _execute(endpoints, "DROP DATABASE {} WITH (FORCE)", name)


def _database(endpoints: servers.Endpoints, name: str) -> SecretStr:
    return SecretStr(endpoints.postgres_uri.replace("/recsys?", f"/{name}?"))


def _execute(endpoints: servers.Endpoints, text: str, *names: str) -> None:
    admin = as_admin(SecretStr(endpoints.postgres_uri))
    connection = psycopg2.connect(admin.get_secret_value())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(text).format(*map(sql.Identifier, names)))
    connection.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which slow tests run, and how hard they hit; make targets of their names run them."""
    parser.addoption("--chaos", action="store_true", help="also tests that take many minutes")
    parser.addoption("--documented", action="store_true", help="also run all commands of the docs")
    parser.addoption("--airflow", action="store_true", help="also tests of a running Airflow")
    parser.addoption("--cluster", action="store_true", help="also tests on a Spark cluster")
    parser.addoption("--wheel", action="store_true", help="also install the wheel and use it")
    parser.addoption("--chaos-days", type=int, default=4, help="dates backfilled (default 4)")
    parser.addoption("--chaos-kills", type=int, default=2, help="drivers killed (default 2)")
    parser.addoption("--chaos-seed", type=int, default=1, help="seed of the instants (default 1)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker, target in (
        ("airflow", "airflow-test"),
        ("chaos", "chaos"),
        ("cluster", "cluster-test"),
        ("documented", "check-readme"),
        ("wheel", "wheel-test"),
    ):
        if config.getoption(f"--{marker}"):
            continue
        for item in items:
            if item.get_closest_marker(marker):
                reason = f"takes minutes: `make {target}` runs it"
                item.add_marker(pytest.mark.skip(reason=reason))
