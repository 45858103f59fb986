"""Sinks that follow Postgres: what they get, when, and what is said of one that is behind."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from jobs.app.forgetting import erase
from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.lake.claims import Marker, mark
from jobs.lake.files import make_root
from jobs.readiness import problems
from jobs.run.entrypoint import lake_of
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.registry import open_sinks
from recsys.as_of import AsOf
from recsys.errors import ConfigError, HeldError
from recsys.sections.gates import Gates
from tests.finished_nights import FinishedNight, Publisher
from tests.sinks.cases import Case

LISTS = {user: [user % 5 + 1, 7, 8] for user in range(40)}
OPEN = Gates(min_overlap=None, min_users_kept=None, max_score_drift=None)


def night(shift: int, day: int = 1) -> FinishedNight:
    """A night whose lists tell which it is."""
    lists = {user: [item + shift for item in items] for user, items in LISTS.items()}
    return FinishedNight(lists, as_of=AsOf.parse(f"2026-01-0{day}"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "sink"


@pytest.fixture
def files(publisher: Publisher, place: Path) -> Case:
    record = publisher.settings.require_postgres().get_secret_value()
    return Case("files", record, {"path": str(place)})


@pytest.fixture
def publish(publisher: Publisher, place: Path) -> Callable[..., None]:
    """Publishes a night into Postgres and the files."""

    def published(made: FinishedNight, **changes: Any) -> None:
        sinks = {"files": {"path": str(place)}}
        publisher.publish(made, **{"gates": OPEN, "sinks": sinks, **changes})

    return published


@pytest.fixture
def recsys(publisher: Publisher, place: Path, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command where the files are configured."""
    shipped = publisher.settings.config.read_text(encoding="utf-8")
    config = tmp_path / "sinks.toml"
    section = f"[sinks.files]\npath = {json.dumps(str(place))}\n"
    config.write_text(f"{shipped}\n{section}", encoding="utf-8")
    environment: Mapping[str, str] = {
        "RECSYS_POSTGRES_URI": publisher.settings.require_postgres().get_secret_value(),
        "RECSYS_LAKE": str(publisher.settings.lake),
        "RECSYS_CONFIG": str(config),
        "COLUMNS": "200",
    }

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, words, env=environment)

    return run


def test_files_hold_what_postgres_holds(
    publish: Callable[..., None], files: Case, place: Path, recsys: Callable[..., Result]
) -> None:
    publish(night(0))
    postgres = Case("postgres", files.record)
    assert files.read() == postgres.read() == LISTS
    pointer = json.loads((place / "live.json").read_bytes())
    run = pointer["runs"][str(pointer["live"])]
    assert (run["as_of"], run["models"], run["users"]) == ("2026-01-01", ["popularity"], 40)
    publish(night(10))
    assert files.read() == postgres.read() == night(10).lists
    assert "behind" not in recsys("runs").stdout
    done = recsys("rollback")
    assert done.output == "run 1 is live\nsink files has run 1\n"
    assert files.read() == postgres.read() == LISTS


def test_what_does_not_go_live_is_not_copied(publish: Callable[..., None], files: Case) -> None:
    publish(night(0, day=5))
    publish(night(10, day=4))
    with pytest.raises(HeldError):
        publish(night(20, day=6), gates=Gates(min_overlap=0.9))
    sink = files.open()
    assert (sink.live(), list(sink.runs()), files.read()) == (1, [1], LISTS)


def test_a_sink_that_is_away_is_named_and_catches_up(
    publish: Callable[..., None],
    files: Case,
    place: Path,
    recsys: Callable[..., Result],
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(night(0))
    away = place.rename(place.with_name("away"))
    place.write_text("a file in its place", encoding="utf-8")
    publish(night(10))
    assert "sink files is behind" in caplog.text
    assert "`recsys publish 2 --sink files`" in caplog.text
    assert Case("postgres", files.record).read() == night(10).lists
    assert "behind the live run: files does not answer" in recsys("runs").stdout
    place.unlink()
    away.rename(place)
    assert "behind the live run: files has run 1" in recsys("runs").stdout
    assert files.read() == LISTS
    done = recsys("publish", "2", "--sink", "files")
    assert done.output == "sink files holds run 2, and readers get run 2\n"
    assert files.read() == night(10).lists
    assert "behind" not in recsys("runs").stdout


def test_the_next_publication_catches_up_too(publish: Callable[..., None], files: Case) -> None:
    publish(night(0), sinks={})
    publish(night(10), sinks={})
    publish(night(20))
    assert (files.read(), list(files.open().runs())) == (night(20).lists, [3])


def test_a_released_run_is_copied_and_an_older_one_on_demand(
    publish: Callable[..., None], files: Case, recsys: Callable[..., Result]
) -> None:
    publish(night(0))
    with pytest.raises(HeldError):
        publish(night(10), gates=Gates(min_overlap=0.9))
    assert recsys("publish", "2", "--force", "wanted").exit_code == 0
    assert files.read() == night(10).lists
    publish(night(20, day=1), sinks={}, promote=False)
    done = recsys("publish", "3", "--sink", "files")
    assert done.output == "sink files holds run 3, and readers get run 2\n"
    assert list(files.open().runs()) == [3, 2, 1]
    assert recsys("publish", "77", "--sink", "files").exit_code == 13
    assert recsys("publish", "3", "--sink", "kafka").exit_code == 10
    assert recsys("publish", "3").exit_code == 2


def test_who_is_forgotten_is_in_no_sink(
    publish: Callable[..., None], publisher: Publisher, files: Case
) -> None:
    publish(night(0))
    record = PostgresSink(publisher.settings.require_postgres(), publisher.config.ids)
    sinks = [files.open()]
    done = erase(record, sinks, lake_of(publisher.settings), publisher.config, 7)
    assert (done.left, 7 in files.read(), 8 in files.read()) == (0, False, True)
    # As a moderator does it, who knows of no sink.
    with connect(record.uri) as connection:
        connection.cursor().execute("SELECT recs.forget_user(8)")
    publish(night(10))
    assert (files.open().mentions(7), files.open().mentions(8)) == (0, 0)


def test_a_sink_that_cannot_work_is_found_before_a_night(publisher: Publisher, place: Path) -> None:
    def errors(sinks: Mapping[str, Mapping[str, Any]]) -> list[str]:
        config = publisher.config.model_copy(update={"sinks": sinks})
        found = problems(config, publisher.settings)
        return [f"{p.place}: {p.error}" for p in found if p.place.startswith("sink")]

    assert "there is no such sink; there is files" in errors({"kafka": {}})[0]
    assert "sinks.files.path: Field required" in errors({"files": {}})[0]
    assert "sinks.files.pth" in errors({"files": {"path": "x", "pth": 1}})[0]
    assert "holds a password" in errors({"files": {"path": "s3://me:secret@bucket/x"}})[0]
    assert errors({"files": {"path": str(place)}}) == []
    place.write_text("a file", encoding="utf-8")
    (problem,) = errors({"files": {"path": str(place)}})
    assert "cannot be used" in problem


def test_a_sink_is_not_put_into_a_lake(publisher: Publisher) -> None:
    lake = publisher.settings.lake
    make_root(lake)
    mark(lake, Marker())
    uri = publisher.settings.require_postgres()
    sink = open_sinks({"files": {"path": str(lake / "lists")}}, uri)["files"]
    with pytest.raises(ConfigError, match="within the lake"), sink.publication():
        pass
