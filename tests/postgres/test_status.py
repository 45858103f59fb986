"""`recsys status`: what is live, what became of nights, what waits, and what comes next."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.lake.facts import CheckFacts, EventCheck, ViolationFacts
from jobs.run import settings
from jobs.run.entrypoint import lake_of
from jobs.steps.schedule import next_due
from jobs.stores.stages import stage_partition
from recsys.as_of import AsOf
from recsys.errors import HeldError
from recsys.schemas import HISTORIES
from tests.finished_nights import DAY, FinishedNight, Publisher

BROKEN = ViolationFacts(
    table="raw/events", rule="volume", severity="fail", observed=0.05, allowed="at least 0.2"
)
NEWEST = datetime(2025, 12, 31, 23, 57, tzinfo=UTC)
LISTS = {user: [10, 11, 12] for user in range(40)}


def day(number: int) -> AsOf:
    return DAY + timedelta(days=number)


@pytest.fixture
def nights(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live night, one that was held, one that a contract stopped, one that broke off."""
    monkeypatch.setenv(
        settings.POSTGRES_URI, publisher.settings.require_postgres().get_secret_value()
    )
    monkeypatch.setenv(settings.LAKE, str(publisher.settings.lake))
    monkeypatch.setenv("COLUMNS", "80")
    lake = lake_of(publisher.settings)

    def checked(night: AsOf, facts: CheckFacts) -> None:
        with stage_partition(lake, "sources", night).replace() as draft:
            facts.note(draft)

    read = EventCheck(windows=(), mix={}, newest=NEWEST)
    checked(DAY, CheckFacts(events={"events": read}))
    publisher.publish(FinishedNight(lists=LISTS))
    with pytest.raises(HeldError):
        publisher.publish(FinishedNight(lists={user: [20] for user in LISTS}, as_of=day(1)))
    checked(day(2), CheckFacts(violations=(BROKEN,)))
    checked(day(3), CheckFacts())
    with lake.as_of(HISTORIES.name, day(3)).replace():
        pass


@pytest.mark.usefixtures("nights")
def test_one_screen_says_how_things_are() -> None:
    shown = CliRunner().invoke(app, ["status"])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert len(lines) <= 24
    assert [line for line in lines if len(line) > 80] == []
    text = " ".join(shown.stdout.split())
    for said in (
        "live run 1 as of 2026-01-01, ",
        "lists 40 of 3 items",
        "data until 2025-12-31 23:57",
        "held run 2: 0 is below gates.min_overlap = 0.2; look at `recsys diff 1 2`",
        'then `recsys publish 2 --force "reason"`',
        "2026-01-04 unfinished the matrix is built; it broke off, or goes on",
        "2026-01-03 stopped contract of raw/events: volume is 0.05, allowed is at least 0.2",
        "2026-01-02 2 held 0 is below gates.min_overlap = 0.2",
        "2026-01-01 1 live",
    ):
        assert said in text


@pytest.mark.usefixtures("nights")
def test_the_same_as_json() -> None:
    before = datetime.now(UTC)
    told = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    outcomes = [(night["as_of"], night["run"], night["outcome"]) for night in told["nights"]]
    assert outcomes == [
        (str(day(3)), None, "unfinished"),
        (str(day(2)), None, "stopped"),
        (str(day(1)), 2, "held"),
        (str(DAY), 1, "live"),
    ]
    assert (told["live"]["run_id"], told["live"]["places"]) == (1, 3)
    assert told["data_through"] == "2025-12-31T23:57:00Z"
    assert [held["run"] for held in told["held"]] == [2]
    due = {next_due(before), next_due(datetime.now(UTC))}
    assert datetime.fromisoformat(told["next_due"]) in due
    assert told["lake"]["bytes"] > 0 < told["published"]["published"]


def test_before_the_first_night_it_says_what_to_run(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        settings.POSTGRES_URI, publisher.settings.require_postgres().get_secret_value()
    )
    monkeypatch.setenv(settings.LAKE, str(publisher.settings.lake))
    shown = CliRunner().invoke(app, ["status"])
    assert (shown.exit_code, "none; run `recsys nightly" in shown.stdout) == (0, True)
