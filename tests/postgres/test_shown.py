"""Published lists and runs as commands show them, and what they say is missing."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.run import settings
from jobs.sinks.postgres import lookup
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from tests.postgres.publications import BIGINT, DAY, RECORD, go, lists, passed, popular, tables


def test_a_lake_without_the_live_run_is_said(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(settings.POSTGRES_URI, postgres_uri.get_secret_value())
    monkeypatch.setenv(settings.LAKE, str(tmp_path / "wrong"))
    go(postgres_uri, (1, [10, 11]))
    shown = CliRunner().invoke(app, ["top", "1"])
    assert shown.exit_code == 0, shown.output
    assert "10" in shown.stdout
    assert f"{tmp_path}/wrong has no items as of {DAY}" in shown.stderr
    assert "RECSYS_LAKE" in shown.stderr


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


def test_the_table_of_runs_is_whole_at_80_columns(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.POSTGRES_URI, postgres_uri.get_secret_value())
    monkeypatch.setenv("COLUMNS", "80")
    go(postgres_uri, (1, [10, 11]))
    shown = CliRunner().invoke(app, ["runs"]).stdout
    (run,) = lookup.runs(postgres_uri, 1)
    assert "…" not in shown
    cells = [line.split("│")[6].strip() for line in shown.splitlines() if line.startswith("│")]
    assert "".join(cells) == run.list_hash
