"""`airflow backfill create`, carried out by a scheduler that runs, as `make airflow` starts it."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from upath import UPath

from jobs.app.nightly import run_steps
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from tests.airflow_services import Airflow
from tests.e2e.conftest import OBSERVED_AT, Pipeline

DAG = "nightly_recommendations"
END = AsOf.parse("2026-01-01")
DATES = [END - timedelta(days=1), END]
RUN_SECONDS = 1800


@pytest.mark.chaos
def test_a_scheduler_carries_out_a_backfill(
    pipeline: Pipeline,
    environment: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline.load(make_market(60, 40, 20, 2_000, 5, END))
    airflow = Airflow(tmp_path / "airflow", environment)
    airflow.set_up(nightly_slots=0)
    airflow.do("dags", "reserialize")
    airflow.do("dags", "unpause", "--yes", DAG)
    # SQLite gives up where two processes read first and then write: nobody else writes yet.
    days = ["--from-date", f"{DATES[0]}", "--to-date", f"{END + timedelta(days=1)}"]
    airflow.do("backfill", "create", "--dag-id", DAG, *days)
    begin = time.monotonic()
    with airflow.running():
        airflow.wait_for(lambda: airflow.runs() <= {"success", "failed"}, RUN_SECONDS)
        seconds = time.monotonic() - begin
    states = airflow.states()
    assert {(state, pool) for _, _, state, pool in states} == {("success", "recsys_backfill")}
    assert {(day, task) for day, task, *_ in states} == {
        (f"{day}", task) for day in DATES for task in {task for _, task, *_ in states}
    }
    published = pipeline.query("SELECT as_of, status FROM recs.run ORDER BY as_of")
    assert published == [(day.instant, "published") for day in DATES]
    assert pipeline.query("SELECT * FROM recs.live") == []
    check_it_is_what_the_command_makes(pipeline, tmp_path / "second")
    with capsys.disabled():
        print(f"\n{len(DATES)} dates, {len(states)} tasks: {seconds:.0f} s")  # noqa: T201


def check_it_is_what_the_command_makes(pipeline: Pipeline, lake: Path) -> None:
    settings = pipeline.settings.model_copy(update={"lake": UPath(lake)})
    run = RunArguments(END, pipeline.config, settings, OBSERVED_AT, promote=False)
    for day in DATES:
        for _ in run_steps(replace(run, as_of=day), lambda _: None):
            pass
    hashes = "SELECT count(*), count(DISTINCT list_hash) FROM recs.run GROUP BY as_of"
    assert pipeline.query(hashes) == [(2, 1)] * len(DATES)
