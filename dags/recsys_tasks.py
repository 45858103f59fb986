"""Parts that the DAGs have in common: the as-of of a run, a process as a task, retries."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param
from recsys_alerts import Alert
from recsys_retries import RetryOutages

#: Where relative paths of the environment begin: where Airflow was started, as for tasks of Spark.
STARTED_IN: Final = str(Path.cwd())
# Runs that an asset or a person starts may have no logical date.
AS_OF: Final = "{{ params.as_of or (dag_run.logical_date or dag_run.run_after) | as_of }}"
#: What every DAG is made with.
COMMON: Final[dict[str, Any]] = {
    "start_date": datetime(2010, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "params": {
        "as_of": Param(
            None,
            type=["null", "string"],
            anyOf=[{"format": "date"}, {"pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}Z$"}],
            description="Exclusive UTC bound, 2026-01-01 or 2026-01-01T06:00Z; empty: that of the "
            "schedule",
        )
    },
    "default_args": {
        "pool": "recsys",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=15),
        "retry_policy": RetryOutages(),
        "on_failure_callback": [Alert("failed")],
    },
    "tags": ["recommendations"],
}


def process_task(
    name: str,
    module: str,
    longest: timedelta,
    *,
    options: str = "",
    operator: type[BashOperator] = BashOperator,
    result: bool = False,
) -> BashOperator:
    """Run `python -m <module> --as-of …` with Airflow's own Python.

    module: with a command of its own, if it has any. options: a template, added as it is rendered.
    result: whether the operator gives one; the last line of a log is none.
    """
    return operator(
        task_id=name,
        # The date reaches the shell as a variable, never as text of the command.
        bash_command=f'exec "$PYTHON" -m {module} --as-of "$AS_OF"{options}',
        env={"PYTHON": sys.executable, "AS_OF": AS_OF},
        append_env=True,
        cwd=STARTED_IN,
        skip_on_exit_code=None,
        do_xcom_push=result,
        execution_timeout=longest,
    )
