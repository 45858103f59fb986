"""Published lists and runs as commands show them, and what they say is missing."""

import json
import re

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.run import settings
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys.as_of import AsOf
from recsys.errors import HeldError
from tests.finished_nights import FinishedNight, Publisher
from tests.postgres.publications import BIGINT, RECORD, go, lists, passed, popular, tables


@pytest.mark.parametrize("segment", ["de", "c=DE"])
def test_a_segment_without_a_list_is_said_with_those_there_are(
    segment: str, postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.POSTGRES_URI, postgres_uri.get_secret_value())
    go(postgres_uri, (1, [10, 11]))
    wrong = CliRunner().invoke(app, ["top", "9", "--segment", segment])
    assert (wrong.exit_code, "popular" in wrong.stdout) == (0, True), wrong.output
    assert f"the live run has no list of segment '{segment}', only of c=de, c=fr" in wrong.stderr
    right = CliRunner().invoke(app, ["top", "9", "--segment", "c=de"])
    assert "80" in right.stdout
    assert "segment" not in right.stderr


def test_a_run_without_segments_says_so(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.POSTGRES_URI, postgres_uri.get_secret_value())
    made = tables(BIGINT, lists(BIGINT, (1, [10])), popular(BIGINT, 70))
    publish(PostgresSink(postgres_uri, BIGINT), RECORD, made, passed, 7)
    shown = CliRunner().invoke(app, ["top", "9", "--segment", "c=de"])
    assert "no list of segment 'c=de', nor of another; segments.attribute" in shown.stderr


def test_tables_of_runs_are_whole_and_plain_at_80_columns(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = publisher.settings.require_postgres()
    monkeypatch.setenv(settings.POSTGRES_URI, uri.get_secret_value())
    monkeypatch.setenv(settings.LAKE, str(publisher.settings.lake))
    monkeypatch.setenv("COLUMNS", "80")
    before = {user: [10, 11, 12] for user in range(2_000)}
    noon = AsOf.parse("2026-01-02T12:00Z")
    publisher.publish(FinishedNight(lists=before))
    with pytest.raises(HeldError):
        publisher.publish(FinishedNight(lists={user: [20] for user in before}, as_of=noon))
    first, held = recsys("runs"), json.loads(recsys("runs", "--json"))[0]
    # Run, as-of, status, users and checksum.
    assert re.search(r"^ +2 +2026-01-02T12:00Z +held +2,000 +\w{16}$", first, re.MULTILINE)
    assert "run 2 is held back: 0 is below gates.min_overlap = 0.2" in first
    assert held["gates_not_passed"] == ["0 is below gates.min_overlap = 0.2"]
    assert (held["as_of"], held["live"], len(held["checksum"])) == (str(noon), False, 16)
    for shown in (first, recsys("diff", "1", "2"), recsys("top", "1")):
        assert [line for line in shown.splitlines() if len(line) > 80] == []
        assert not set(shown) & set("\x1b…│┃━")


def recsys(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout
