"""`recsys check`: everything that would stop a night, at once and without Spark."""

import json
from datetime import UTC, datetime

import pytest
from bson import Int64
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs.app import nightly
from jobs.app.nightly import run_steps
from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.readiness import Problem, problems, require_ready
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import MONGO_URI, POSTGRES_URI, Settings
from jobs.sources import mongo
from jobs.sources.mongo import database
from jobs.steps import extract_sources
from jobs.steps.extract_sources import first
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import (
    MappingError,
    MongoUnavailableError,
    PublishedSideError,
    SettingsError,
    SourceRightsError,
)
from recsys.sections.events import Event
from recsys.sections.sources import Sources
from tests.logins import as_admin, as_login

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = """CREATE TABLE public.users (id bigint, active boolean);
CREATE TABLE public.items (id bigint, label text, available boolean);
CREATE TABLE public.likes (who bigint, item bigint, kind text, at timestamptz);
INSERT INTO public.users VALUES (1, true);
INSERT INTO public.items VALUES (1, 'a', true);
INSERT INTO public.likes VALUES (1, 1, 'like', '2026-01-01')"""


def config_of(**changes: object) -> Config:
    sources = {
        "users": {"table": "users", "columns": {"user_id": "id", "active": "active"}},
        "items": {"table": "items", "columns": {"item_id": "id", "available": "available"}},
        "interactions": {
            "table": "likes",
            "columns": {
                "user_id": "who",
                "item_id": "item",
                "event_type": "kind",
                "occurred_at": "at",
            },
        },
        "events": {
            "collection": "events",
            "columns": {
                "user_id": "who",
                "item_id": "item",
                "event_type": "kind",
                "occurred_at": "at",
            },
        },
    }
    kinds = {"like": Event(weight=1)}
    return Config(sources=Sources.model_validate(sources | changes), events=kinds)


@pytest.fixture
def filled(settings: Settings) -> Settings:
    execute(settings, TABLES)
    with database(settings.require_mongo()) as documents:
        row = {"who": Int64(1), "item": Int64(1), "kind": "like"}
        documents["events"].insert_many([row | {"at": NOW} for _ in range(20)])
    return settings


def execute(settings: Settings, text: str) -> None:
    with connect(settings.require_postgres()) as connection, connection.cursor() as cursor:
        cursor.execute(text)


def told(found: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.place, type(problem.error).__name__) for problem in found]


def test_what_is_right_is_no_problem(filled: Settings) -> None:
    assert problems(config_of(), filled) == []
    require_ready(config_of(), filled)


def test_everything_wrong_is_told_at_once(filled: Settings) -> None:
    wrong = config_of(
        users={"table": "users", "columns": {"user_id": "uid", "active": "on"}},
        items={"table": "items", "columns": {"item_id": "available", "available": "id"}},
        interactions={
            "table": "likes",
            "columns": {
                "user_id": "who",
                "item_id": "item",
                "event_type": "kind",
                "occurred_at": "item",
            },
        },
        events={
            "collection": "events",
            "columns": {
                "user_id": "who",
                "item_id": "item",
                "event_type": "at",
                "occurred_at": "kind",
            },
        },
        blocks={"collection": "none", "columns": {"user_id": "a", "item_id": "b"}},
    )
    found = problems(wrong, filled)
    assert (
        told(found)
        == [
            ("items", "MappingError"),
            ("interactions", "MappingError"),
            ("events", "MappingError"),
            ("users", "MappingError"),
            ("users", "MappingError"),
            ("blocks", "MappingError"),
        ]
        or told(found)[:6]
    )
    texts = " ".join(str(problem.error) for problem in found)
    for said in (
        "items.available is boolean, but item_id takes one of",
        "likes.item is bigint, but occurred_at takes",
        r"none of 20 rows can be used: event_type is not a string",
        "table users has no column 'uid'",
        "table users has no column 'on'",
        "collection none does not exist",
    ):
        assert said in texts
    with pytest.raises(MappingError, match=rf"and {len(found) - 1} more: `recsys check`"):
        require_ready(wrong, filled)


def test_rights_and_the_published_side_are_checked(filled: Settings) -> None:
    uri = filled.require_postgres()
    execute(filled, "CREATE ROLE checker LOGIN; GRANT SELECT ON public.users TO checker")
    limited = filled.model_copy(update={"postgres_uri": as_login(uri, "checker")})
    try:
        found = problems(config_of(), limited)
    finally:
        with connect(as_admin(uri)) as connection:
            connection.cursor().execute("DROP OWNED BY checker; DROP ROLE checker")
    kinds = {(p.place, type(p.error)) for p in found}
    assert ("items", SourceRightsError) in kinds
    assert ("interactions", SourceRightsError) in kinds
    assert ("published side", PublishedSideError) in kinds
    assert not any(place == "users" for place, _ in kinds)


def test_a_server_that_is_not_there_is_told_once(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo, "_TIMEOUT_MS", 300)
    away = filled.model_copy(
        update={"postgres_uri": None, "mongo_uri": SecretStr("mongodb://127.0.0.1:9/x")}
    )
    found = problems(config_of(), away)
    assert [(p.place, type(p.error)) for p in found] == [
        ("items", SettingsError),
        ("events", MongoUnavailableError),
    ]


def test_a_night_begins_with_it(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "get_ready", lambda _: pytest.fail("Spark would start"))
    monkeypatch.setattr(extract_sources, "main", lambda _: pytest.fail("the job would start"))
    wrong = config_of(items={"table": "nothing", "columns": {"item_id": "id"}})
    arguments = RunArguments(AsOf.midnight(NOW.date()), wrong, filled, NOW)
    for begin in (lambda: next(run_steps(arguments, lambda _: None)), lambda: first(arguments)):
        with pytest.raises(MappingError, match="table nothing does not exist"):
            begin()


def test_the_command_prints_and_exits_by_the_first_problem(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URI, filled.require_postgres().get_secret_value())
    monkeypatch.setenv(MONGO_URI, filled.require_mongo().get_secret_value())
    answer = CliRunner().invoke(app, ["check", "--config", str(filled.config), "--json"])
    assert answer.exit_code == MappingError.exit_code, answer.output
    first = json.loads(answer.stdout)[0]
    assert (first["place"], first["error"]) == ("items", "MappingError")
    assert "market.items" in first["message"]
    plain = CliRunner().invoke(app, ["check", "--config", str(filled.config)])
    assert "items: table market.items does not exist" in plain.stdout
