"""The shape of the weekly DAG, and the command that its task runs."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime, timedelta
from string import Template
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from jobs.cli.main import app
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.sections.tuning import Tuning
from tests.dags.conftest import rendering

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

TASK = "tune_generators"


@pytest.fixture
def weekly(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["weekly_tuning"]


def test_it_runs_after_the_night_of_the_same_day(weekly: DAG, dag: DAG) -> None:
    from airflow.sdk import CronTriggerTimetable  # noqa: PLC0415

    assert weekly.timetable == CronTriggerTimetable("0 5 * * 0", timezone="UTC")
    assert dag.timetable == CronTriggerTimetable("0 2 * * *", timezone="UTC")
    assert (weekly.catchup, weekly.max_active_runs) == (False, 1)


def test_its_one_task_is_retried_and_may_take_as_long_as_it_is_configured(weekly: DAG) -> None:
    (task,) = weekly.tasks
    assert (task.task_id, task.pool, task.retries) == (TASK, "recsys", 2)
    (longest,) = (
        meta.le for meta in Tuning.model_fields["minutes"].metadata if hasattr(meta, "le")
    )
    assert task.execution_timeout is not None
    assert task.execution_timeout > timedelta(minutes=float(longest))


@pytest.mark.parametrize(
    ("conf", "expected"),
    [({"as_of": "2026-01-01T06:00Z"}, "2026-01-01T06:00Z"), ({}, "2026-03-01")],
    ids=["parameter", "schedule"],
)
def test_the_command_understands_its_arguments(
    weekly: DAG, conf: dict[str, str], expected: str, config: Config
) -> None:
    task: Any = rendering(weekly)(TASK, conf, datetime(2026, 3, 1, 5, tzinfo=UTC))
    words = shlex.split(Template(task.bash_command).substitute(task.env))
    assert words[:5] == ["exec", sys.executable, "-m", "jobs.cli.main", "tune"]
    command: Any = get_command(app)
    tune = command.get_command(
        command.make_context("recsys", ["tune"], resilient_parsing=True), "tune"
    )
    parsed = tune.make_context("tune", words[5:]).params
    assert parsed["as_of"] == AsOf.parse(expected)
    assert parsed["minutes"] is None
    assert config.tuning.minutes == 10.0
