"""Nights and backfills run in this process."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from upath import UPath

from jobs.app.backfill import Ended, PlannedRun
from jobs.app.nightly import run_steps
from jobs.run.entrypoint import RunArguments
from recsys.as_of import AsOf
from tests.e2e.conftest import Pipeline

END = AsOf.parse("2026-01-01")


def arguments(pipeline: Pipeline, observed_at: datetime, day: AsOf = END) -> RunArguments:
    return RunArguments(day, pipeline.config, pipeline.settings, observed_at, promote=False)


def night(run: RunArguments) -> None:
    for _ in run_steps(run, lambda _: None):
        pass


def in_this_process(run: RunArguments) -> Callable[[PlannedRun], Ended]:
    """What runs each planned run of a backfill, here instead of in a process of its own."""

    def make(planned: PlannedRun) -> Ended:
        night(replace(run, as_of=planned.as_of, promote=planned.promote))
        return Ended()

    return make


def into_an_empty_lake(pipeline: Pipeline, lake: Path) -> Pipeline:
    """The same sources, with nothing read or published of them."""
    for table in ("recs.fallback_list", "recs.user_list", "recs.run"):
        pipeline.query(f"WITH gone AS (DELETE FROM {table}) SELECT 1")  # noqa: S608
    settings = pipeline.settings.model_copy(update={"lake": UPath(lake)})
    return Pipeline(settings, pipeline.config)
