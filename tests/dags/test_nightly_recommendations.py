"""The DAG's shape, and the commands that its tasks run."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import pytest

from jobs.steps import STEPS, schedule
from tests.dags.conftest import rendering

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG, BaseOperator

    from tests.finished_nights import Publisher

    Render = Callable[..., BaseOperator]

REPOSITORY = Path(__file__).parents[2]
DAGS = REPOSITORY / "dags"
STEPS_FILE = REPOSITORY / "jobs" / "steps" / "__init__.py"
SNAPSHOT = Path(__file__).parent / "snapshots" / "nightly_recommendations.json"
TASKS = [step.name for step in STEPS]
AS_OF = {"as_of": "2026-01-01"}


def test_every_file_imports(dag_bag: DagBag) -> None:
    assert dag_bag.import_errors == {}
    assert sorted(dag_bag.dags) == [
        "nightly_recommendations",
        "watch_live_lists",
        "weekly_tuning",
    ]


def test_orchestration_imports_the_list_of_steps_and_nothing_else_of_the_house() -> None:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in DAGS.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert "airflow.sdk" in modules
    ours = {name for name in modules if name.partition(".")[0] in {"recsys", "jobs"}}
    assert ours == {"jobs.airflow_plugin", "jobs.steps", "jobs.steps.schedule"}
    for file in (STEPS_FILE, STEPS_FILE.with_name("schedule.py")):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^(from|import) (recsys|jobs|data_contracts)", text, re.M)


def test_tasks_run_in_the_order_of_the_data(dag: DAG) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "extract_sources": ["check_sources"],
        "check_sources": ["build_matrix"],
        "build_matrix": ["check_matrix"],
        "check_matrix": ["train_generators"],
        "train_generators": ["choose_ranking"],
        "choose_ranking": ["rank_lists"],
        "rank_lists": ["check_lists"],
        "check_lists": ["publish_lists"],
        "publish_lists": ["approve_held_run"],
        "approve_held_run": ["promote_held_run"],
        "promote_held_run": ["announce_live_run"],
        "announce_live_run": [],
    }


def test_groups_read_as_the_parts_of_a_night(dag: DAG) -> None:
    groups: dict[str, list[str]] = {}
    for task in dag.tasks:
        groups.setdefault(str(task.task_group and task.task_group.group_id), []).append(
            task.task_id
        )
    assert groups == {
        "read": ["extract_sources", "check_sources"],
        "build": ["build_matrix", "check_matrix"],
        "train": ["train_generators", "choose_ranking"],
        "rank": ["rank_lists", "check_lists"],
        "publish": ["publish_lists", "approve_held_run", "promote_held_run", "announce_live_run"],
    }


def test_one_run_a_night_and_no_catching_up(dag: DAG) -> None:
    from airflow.sdk import CronTriggerTimetable  # noqa: PLC0415

    assert dag.timetable == CronTriggerTimetable("0 2 * * *", timezone="UTC")
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert dag.start_date is not None
    assert dag.start_date.utcoffset() == timedelta(0)


@pytest.mark.parametrize("task_id", TASKS)
def test_every_task_is_bounded_and_retried(dag: DAG, task_id: str) -> None:
    task = dag.get_task(task_id)
    assert (task.pool, task.retries) == ("recsys", 2)
    assert (task.retry_delay, task.retry_exponential_backoff) == (timedelta(minutes=1), 2.0)
    assert task.max_retry_delay is not None
    assert task.execution_timeout is not None
    assert timedelta(0) < task.execution_timeout <= timedelta(hours=3)


def test_only_what_looks_at_the_live_run_updates_the_asset(dag: DAG) -> None:
    from airflow.sdk import Asset  # noqa: PLC0415

    outlets = {task.task_id: task.outlets for task in dag.tasks}
    assert outlets.pop("announce_live_run") == [Asset("recs.live_lists")]
    assert not any(outlets.values())


def test_a_variable_names_the_archive_that_spark_gets(render: Render) -> None:
    variables = {"recsys_package": "/opt/recsys.zip"}
    for task_id in ("extract_sources", "build_matrix", "rank_lists"):
        task: Any = render(task_id, AS_OF, variables=variables)
        assert task.py_files == "/opt/recsys.zip"


def test_rendered_commands_equal_the_snapshot(render: Render) -> None:
    """After an intended change, `pytest -vv` shows on the left what the snapshot should hold."""
    commands = {task_id: _command(render(task_id, AS_OF)) for task_id in TASKS}
    assert commands == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("task_id", TASKS)
@pytest.mark.parametrize(
    ("conf", "logical_date", "expected"),
    [
        (AS_OF, datetime(2026, 2, 3, 2, tzinfo=UTC), "2026-01-01"),
        ({}, datetime(2026, 2, 3, 2, tzinfo=UTC), "2026-02-03"),
        ({"as_of": "2026-01-01T06:00Z"}, None, "2026-01-01T06:00Z"),
        ({}, None, "2026-03-04"),
    ],
    ids=["parameter", "logical date", "parameter with an hour", "only the due time"],
)
def test_the_jobs_understand_their_arguments(
    render: Render,
    task_id: str,
    conf: dict[str, str],
    logical_date: datetime | None,
    expected: str,
) -> None:
    job, arguments = _job_and_arguments(render(task_id, conf, logical_date))
    assert job == task_id
    parsed = importlib.import_module(f"jobs.steps.{job}").arg_parser().parse_args(arguments)
    assert str(parsed.as_of) == expected


def test_the_schedule_alone_makes_four_runs_a_day(
    airflow: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415

    monkeypatch.setattr(schedule, "SCHEDULE", "0 2-23/6 * * *")
    bag = DagBag(dag_folder=DAGS, bundle_path=DAGS)
    render = rendering(bag.dags["nightly_recommendations"])
    found = []
    for hour in (2, 8, 14, 20):
        task: Any = render("check_lists", {}, datetime(2026, 2, 3, hour, tzinfo=UTC), "scheduled")
        found.append(task.env["AS_OF"])
    day = "2026-02-03"
    assert found == [day, f"{day}T06:00Z", f"{day}T12:00Z", f"{day}T18:00Z"]


@pytest.mark.parametrize(
    ("run_type", "is_backfill"), [("scheduled", False), ("manual", False), ("backfill", True)]
)
def test_only_a_backfill_makes_full_nights_and_leaves_the_live_run_alone(
    render: Render,
    run_type: str,
    is_backfill: bool,  # noqa: FBT001
) -> None:
    parsed = {}
    for task_id in ("train_generators", "choose_ranking", "publish_lists"):
        job, arguments = _job_and_arguments(render(task_id, AS_OF, run_type=run_type))
        parser = importlib.import_module(f"jobs.steps.{job}").arg_parser()
        parsed[task_id] = parser.parse_args(arguments)
    assert parsed["train_generators"].full is is_backfill
    assert parsed["choose_ranking"].full is is_backfill
    assert parsed["publish_lists"].promote is not is_backfill


@pytest.mark.parametrize(
    ("conf", "logical_date", "run_type"),
    [
        (AS_OF, datetime(2026, 2, 3, 2, tzinfo=UTC), "manual"),
        ({}, datetime(2026, 1, 1, 2, tzinfo=UTC), "scheduled"),
    ],
    ids=["a manual run of a past date", "a cleared task of a past night"],
)
def test_a_past_date_becomes_history(
    render: Render,
    publisher: Publisher,
    conf: dict[str, str],
    logical_date: datetime,
    run_type: str,
    tmp_path: Path,
) -> None:
    from jobs.sinks.postgres import lookup  # noqa: PLC0415
    from recsys.as_of import AsOf  # noqa: PLC0415
    from tests.finished_nights import FinishedNight  # noqa: PLC0415

    past = FinishedNight({user: [1, 2] for user in range(40)}, AsOf.parse("2026-01-01"))
    publisher.publish(replace(past, as_of=AsOf.parse("2026-01-09")))
    publisher.fill(past)
    task: Any = render("publish_lists", conf, logical_date, run_type)
    settings = publisher.settings
    places = {
        "RECSYS_POSTGRES_URI": settings.require_postgres().get_secret_value(),
        "RECSYS_LAKE": str(settings.lake),
        "RECSYS_CONFIG": str(settings.config),
        "OUTCOME": str(tmp_path / "outcome.json"),
    }

    def live() -> list[tuple[str, str, bool]]:
        runs = lookup.runs(settings.require_postgres(), 3)
        return [(str(run.as_of), run.status, run.live) for run in runs]

    def publish(more: str = "") -> str:
        done = subprocess.run(
            ["bash", "-c", task.bash_command + more],
            env={**os.environ, **task.env, **places},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stderr

    assert "run 2 is not live: it is of 2026-01-01, the live run 1 of 2026-01-09" in publish()
    newest = ("2026-01-09", "published", True)
    assert live() == [("2026-01-01", "published", False), newest]
    publish(" --promote")
    assert live()[0] == ("2026-01-01", "published", True)


@pytest.mark.parametrize(
    ("run_id", "pool"), [("backfill__2026-01-01", "recsys_backfill"), ("scheduled__x", "recsys")]
)
def test_a_backfill_has_a_pool_of_its_own(dag: DAG, run_id: str, pool: str) -> None:
    from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415

    policy = importlib.import_module("airflow_local_settings").task_instance_mutation_hook
    for task in _as_the_scheduler_knows_it(dag).tasks:
        instance = TaskInstance(task, dag_version_id=None, run_id=run_id)
        policy(instance, dag_run=None)
        assert instance.pool == pool


@pytest.mark.parametrize(
    "as_of",
    [
        "2026-01-01; id",
        "$(id)",
        "2026-1-1",
        "20260101",
        "2026-02-30",
        "2026-01-01T06:00",
        "2026-01-01T06:00Z; id",
        "",
        20260101,
        [],
    ],
)
def test_what_is_not_a_date_is_refused(render: Render, as_of: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError  # noqa: PLC0415

    with pytest.raises(ParamValidationError, match="as_of"):
        render("publish_lists", {"as_of": as_of})


def test_the_shell_never_reads_the_date(render: Render) -> None:
    """Even text that validation missed stays one argument."""
    hostile = "2026-01-01\"; echo '$(id)' `id` $HOME"
    task: Any = render("publish_lists", AS_OF)
    environment = {**task.env, "PYTHON": "printf", "AS_OF": hostile, "OUTCOME": "file"}
    command = task.bash_command.replace("-m jobs.steps.publish_lists", "'%s|'")
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"--as-of|{hostile}|--outcome|file|"


def _as_the_scheduler_knows_it(dag: DAG) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415

    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def _command(task: BaseOperator) -> dict[str, Any]:
    """What the snapshot keeps of a rendered task, without this machine's paths."""
    fields = ["application", "application_args", "conf", "name", "py_files"]
    fields += ["bash_command", "cwd", "env", "skip_on_exit_code"]
    values = {name: getattr(task, name) for name in fields if hasattr(task, name)}
    text = json.dumps({"operator": type(task).__name__, **values})
    text = text.replace(sys.executable, "PYTHON").replace(str(REPOSITORY), "REPOSITORY")
    command: dict[str, Any] = json.loads(text)
    return command


def _job_and_arguments(task: Any) -> tuple[str, list[str]]:
    if hasattr(task, "application"):
        return Path(task.application).relative_to(
            REPOSITORY / "jobs" / "steps"
        ).stem, task.application_args
    words = shlex.split(Template(task.bash_command).safe_substitute(task.env))
    assert words[:3] == ["exec", sys.executable, "-m"]
    return words[3].removeprefix("jobs.steps."), words[4:]
