"""Airflow's cluster policy: tasks of backfills have a pool of their own.

A task's pool is the same for every run of a DAG; only here can it depend on the kind of run.
Airflow finds this file in `$AIRFLOW_HOME/config` or on the PYTHONPATH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

__all__ = ["task_instance_mutation_hook"]

_DAG: Final = "nightly_recommendations"
_POOL: Final = "recsys_backfill"


def task_instance_mutation_hook(
    task_instance: TaskInstance,
    dag_run: DagRun | None = None,  # noqa: ARG001 - Airflow's signature
) -> None:
    """Moves a backfill's task to its own pool, so that it never keeps a nightly run waiting."""
    # The run itself is not always at hand; its id starts with its type.
    run_id = task_instance.run_id or ""
    if task_instance.dag_id == _DAG and run_id.startswith("backfill__"):
        task_instance.pool = _POOL
