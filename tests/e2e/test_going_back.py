"""A past date that is run again by hand does not go back in time."""

from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres import lookup
from recsys.as_of import AsOf
from tests.e2e.conftest import Pipeline

PAST, NEWEST = AsOf.parse("2025-12-30"), AsOf.parse("2026-01-01")


def test_a_past_night_becomes_history(pipeline: Pipeline, environment: dict[str, str]) -> None:
    pipeline.load(make_market(60, 40, 20, 2_000, 5, NEWEST))
    pipeline.run(NEWEST)
    done = CliRunner().invoke(app, ["nightly", "--as-of", str(PAST)], env=environment)
    assert done.exit_code == 0, done.output
    runs = lookup.runs(pipeline.settings.require_postgres(), 3)
    assert [(run.as_of, run.status, run.live) for run in runs] == [
        (PAST, "published", False),
        (NEWEST, "published", True),
    ]
