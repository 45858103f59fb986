"""What people see of what is published."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs import settings
from jobs.cli.main import app
from jobs.io import lookup
from tests.postgres.test_publishing import DAY, go


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
