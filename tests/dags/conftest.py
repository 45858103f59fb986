"""The DAG as Airflow parses it, in an AIRFLOW_HOME of the test run's own.

Airflow reads its environment once, while it is imported, so it is imported in fixtures only.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG, BaseOperator

REPOSITORY = Path(__file__).parents[2]
RUN_AFTER = datetime(2026, 3, 4, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Everything that imports Airflow depends on this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(REPOSITORY / "dags"))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("AIRFLOW__USAGE_DATA_COLLECTION__ENABLED", "False")
        patch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", '{"conn_type": "spark", "host": "local[1]"}')
        patch.syspath_prepend(REPOSITORY / "dags")
        yield


@pytest.fixture(autouse=True)
def no_log_of_airflow_is_left() -> Iterator[None]:
    """Airflow logs all that a process does to the standard output of the test that began it."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(scope="session")
def database(airflow: None) -> None:  # noqa: ARG001
    """Airflow's own, in that home."""
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()


@pytest.fixture
def dag_bag(airflow: None) -> DagBag:  # noqa: ARG001
    """Parsed for each test anew, because rendering leaves a run's parameters in the DAG."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415

    # It holds a parameter that DAGs share where one process parses them all.
    sys.modules.pop("recsys_tasks", None)
    return DagBag(dag_folder=REPOSITORY / "dags", bundle_path=REPOSITORY / "dags")


@pytest.fixture
def dag(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["nightly_recommendations"]


@pytest.fixture
def render(dag: DAG) -> Callable[..., BaseOperator]:
    return rendering(dag)


def rendering(dag: DAG) -> Callable[..., BaseOperator]:
    """Renders a task for a run; `conf` is what a person gave when starting it.

    variables: Airflow's own.
    """
    from airflow.sdk import BaseOperator  # noqa: PLC0415
    from airflow.sdk.api.datamodels._generated import DagRun  # noqa: PLC0415
    from airflow.sdk.definitions.param import process_params  # noqa: PLC0415

    def rendered(
        task_id: str,
        conf: Mapping[str, object],
        logical_date: datetime | None = None,
        run_type: str = "manual",
        variables: Mapping[str, str] = {},
    ) -> BaseOperator:
        run: dict[str, object] = {
            **dict.fromkeys(DagRun.model_fields),
            "dag_id": dag.dag_id,
            "run_id": "run",
            "run_type": run_type,
            "state": "running",
            "run_after": RUN_AFTER,
            "logical_date": logical_date,
            "consumed_asset_events": [],
        }
        task = dag.get_task(task_id).prepare_for_execution()
        assert isinstance(task, BaseOperator)
        params = process_params(dag, task, dict(conf), suppress_exception=False)
        context: Any = {"params": params, "dag_run": DagRun.model_validate(run)}
        context["var"] = {"value": variables}
        task.render_template_fields(context)
        return task

    return rendered
