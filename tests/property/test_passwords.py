"""No message holds a piece of a password, however wrong the URI that it stands in."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tenacity import wait_none

from jobs.db import postgres
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.run.settings import (
    CONFIG,
    LAKE,
    MONGO_URI,
    POSTGRES_URI,
    SANDBOX,
    SPARK_MASTER,
    load_settings,
    printable,
)
from jobs.sources import mongo
from recsys.errors import SettingsError

LETTERS = "QXZJVK789"
"""None of the words in messages and tracebacks has two of them side by side."""
PASSWORDS = st.text(LETTERS + "@:/?#%[]&=+ '\"\\!$,;", min_size=4, max_size=16).filter(
    lambda text: any(pieces(text))
)
SCHEMES = ("postgresql", "postgres", "mongodb", "mongodb+srv", "postgressql", "mysql", "jdbc:pg")
FORMS = (
    "{scheme}://{user}:{password}@{host}/{database}",
    "{scheme}://{user}:{password}@{host}",
    "{scheme}://:{password}@{host}/{database}?connect_timeout=1",
    "{scheme}://{host}/{database}?user={user}&password={password}",
    "{scheme}:{user}:{password}@{host}",
    "{scheme}//{user}:{password}@{host}/{database}",
    "{user}:{password}@{host}/{database}",
    "host=127.0.0.1 port=1 user={user} password={password} dbname={database}",
    "host=127.0.0.1 port=1 password='{password}'",
)
URIS = st.builds(
    lambda form, scheme, password, host, *, escaped: (
        form.format(
            scheme=scheme,
            user="app",
            password=quote(password, safe="") if escaped else password,
            host=host,
            database="shop",
        ),
        password,
    ),
    st.sampled_from(FORMS),
    st.sampled_from(SCHEMES),
    PASSWORDS,
    st.sampled_from(("127.0.0.1:1", "localhost:1", "[::1]:1", "127.0.0.1:1,localhost:1", "")),
    escaped=st.booleans(),
)


def pieces(password: str) -> Iterator[str]:
    """What is four characters long and says something."""
    for text in (password, quote(password, safe="")):
        for start in range(len(text) - 3):
            piece = text[start : start + 4]
            if sum(letter in LETTERS for letter in piece) >= 2:
                yield piece


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """Gives up at once on servers that are not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres._connected.retry, "wait", wait_none())
        patch.setattr(mongo, "_TIMEOUT_MS", 20)
        yield


def reach_postgres(arguments: RunArguments) -> None:
    with postgres.connect(arguments.settings.require_postgres()):
        raise AssertionError("no server should be there")


def reach_mongo(arguments: RunArguments) -> None:
    with mongo.database(arguments.settings.require_mongo()) as database:
        database.command("ping")


@contextmanager
def environment(**values: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@settings(deadline=None, max_examples=300)
@given(URIS)
@example(("postgresql://app:QX@ZJVK@127.0.0.1:1/shop", "QX@ZJVK"))
@example(("postgresql://app:QX/ZJVK@127.0.0.1:1/shop", "QX/ZJVK"))
@example(("postgresql://app:12/ZJVK@127.0.0.1:1/shop", "12/ZJVK"))
@example(("postgresql://app:QXZ%JVK@127.0.0.1:1/shop", "QXZ%JVK"))
@example(("postgresql://app:%877@127.0.0.1:1/shop", "%877"))
@example(("mysql://app:QXZJVK@127.0.0.1:1/shop", "QXZJVK"))
@example(("mongodb://app:QX@ZJVK@127.0.0.1:1/shop", "QX@ZJVK"))
@example(("mongodb://127.0.0.1:1/shop?tlsCertificateKeyFilePassword=QX&ZJVK7=1", "QX&ZJVK7"))
@example(("mongodb://app:QXZJVK7@127.0.0.1:1/shop?authMechanism=QXZJVK7", "QXZJVK7"))
def test_no_output_holds_a_piece_of_a_password(case: tuple[str, str]) -> None:
    uri, password = case
    for job in (reach_postgres, reach_mongo):
        said = io.StringIO()
        with (
            environment(**{POSTGRES_URI: uri, MONGO_URI: uri}),
            redirect_stderr(said),
            redirect_stdout(said),
            pytest.raises(SystemExit) as ended,
        ):
            run(job_parser(None), job, ["--as-of", "2026-01-01", "--debug"])
        assert ended.value.code in (12, 31, 32), said.getvalue()
        assert "error: " in said.getvalue()
        assert [piece for piece in pieces(password) if piece in said.getvalue()] == []


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://app:pa%40ss%2F%3A@db.example:5432/shop?sslmode=require",
        "postgres:///shop?host=/var/run/postgresql",
        "postgresql://app@%2Fvar%2Frun/shop",
        "postgresql://app:pass@one:5432,two:5433/shop?target_session_attrs=read-write",
        "host=db.example user=app password='it\\'s @ /' dbname=shop",
        "postgresql:///recsys?host=/tmp/sandbox/postgres&user=recsys",
    ],
)
def test_what_libpq_takes_is_taken(uri: str) -> None:
    with environment(**{POSTGRES_URI: uri}):
        assert load_settings().require_postgres().get_secret_value() == uri


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://app:pa%40ss@one:27017,two:27017,three/shop?replicaSet=rs0&authSource=admin",
        "mongodb+srv://app:pass@cluster0.example.net/shop?retryWrites=true&w=majority",
        "mongodb://127.0.0.1:41234/market",
    ],
)
def test_what_mongodb_documents_is_taken(uri: str) -> None:
    with environment(**{MONGO_URI: uri}):
        assert load_settings().require_mongo().get_secret_value() == uri


def test_another_server_is_named_where_that_is_safe() -> None:
    with environment(**{POSTGRES_URI: "mysql://app:QXZJ@db.example:3306/shop"}):
        with pytest.raises(SettingsError, match=r"but mysql:// on db\.example:3306") as raised:
            load_settings().require_postgres()
        assert "QXZJ" not in str(raised.value)


@pytest.mark.parametrize(
    "place", ["s3://key:QXZJ@bucket/x", "s3://key:QX/ZJVK@b/x", "gs://a:b:c@d"]
)
def test_a_lake_with_a_password_is_refused_unseen(place: str) -> None:
    with environment(**{LAKE: place}), pytest.raises(SettingsError) as raised:
        load_settings()
    assert [piece for piece in ("QXZJ", "ZJVK") if piece in str(raised.value)] == []


@settings(deadline=None)
@given(URIS, st.sampled_from((LAKE, CONFIG, SANDBOX, SPARK_MASTER, "--config")))
def test_a_login_where_a_place_belongs_is_refused_unseen(case: tuple[str, str], where: str) -> None:
    uri, password = case
    variables, words = ({}, [where, uri]) if where == "--config" else ({where: uri}, [])
    said = io.StringIO()
    with environment(**variables), redirect_stderr(said), pytest.raises(SystemExit) as ended:
        run(job_parser(None), use_nothing, ["--as-of", "2026-01-01", "--debug", *words])
    assert ended.value.code == 12, said.getvalue()
    assert [piece for piece in pieces(password) if piece in said.getvalue()] == []


def use_nothing(arguments: RunArguments) -> None:
    raise AssertionError(f"{arguments.as_of} should not have begun")


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        (LAKE, "s3://bucket/nightly@2026:01"),
        (LAKE, "/data/team@work/a:b"),
        (SANDBOX, "/srv/user@host"),
        (SPARK_MASTER, "spark://one:7077,two:7077"),
        (SPARK_MASTER, "k8s://https://cluster.example:6443"),
        (SPARK_MASTER, "local[*,3]"),
    ],
)
def test_a_place_that_only_looks_a_little_like_a_login_is_taken(variable: str, place: str) -> None:
    with environment(**{variable: place}):
        assert place in map(str, dict(load_settings()).values())


def test_an_unforeseen_error_and_the_log_hide_it_too() -> None:
    with environment(**{POSTGRES_URI: "postgresql://app:QX%40ZJVK@127.0.0.1:1/shop"}):
        assert printable("at QX@ZJVK and QX%40ZJVK, tail ZJVK") == "at *** and ***, tail ***"
        said = io.StringIO()
        with redirect_stderr(said):
            try:
                raise RuntimeError("QX@ZJVK")
            except RuntimeError as error:
                sys.excepthook(type(error), error, error.__traceback__)
        assert "RuntimeError: ***" in said.getvalue()
