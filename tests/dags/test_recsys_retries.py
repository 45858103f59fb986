"""Which exit codes of a job are tried again, as told by the operators' own exceptions."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recsys.errors import (
    IncompleteReadError,
    InterruptedRunError,
    OutageError,
    RecsysError,
    TerminatedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import BaseOperator

pytestmark = pytest.mark.usefixtures("airflow")


def _errors(root: type[RecsysError]) -> Iterator[type[RecsysError]]:
    for error in root.__subclasses__():
        yield error
        yield from _errors(error)


@pytest.mark.parametrize("error", list(_errors(RecsysError)))
def test_only_what_may_pass_is_tried_again(error: type[RecsysError]) -> None:
    passing = OutageError | InterruptedRunError | TerminatedError | IncompleteReadError
    again = issubclass(error, passing)
    assert _tried_again(_bash(error.exit_code)) == again


@pytest.mark.parametrize(
    ("code", "again"), [(1, True), (2, False), (137, True)], ids=["crash", "usage", "out of memory"]
)
def test_codes_that_are_not_the_jobs_own(code: int, again: bool) -> None:  # noqa: FBT001
    assert _tried_again(_bash(code)) == again


def test_spark_submit_passes_the_code_on(tmp_path: Path) -> None:
    from airflow.providers.apache.spark.operators.spark_submit import (  # noqa: PLC0415
        SparkSubmitOperator,
    )

    job = tmp_path / "job.py"
    job.write_text("raise SystemExit(21)", encoding="utf-8")
    operator: Any = SparkSubmitOperator(task_id="job", application=str(job))
    assert not _tried_again(operator)
    operator._hook._submit_sp.stdout.close()  # which the hook leaves open


def test_a_failure_without_a_code_is_tried_again() -> None:
    from airflow.sdk.definitions.retry_policy import RetryAction  # noqa: PLC0415
    from airflow.sdk.exceptions import AirflowTaskTimeout  # noqa: PLC0415

    policy = importlib.import_module("recsys_retries").RetryOutages()
    assert policy.evaluate(AirflowTaskTimeout("3600"), 1, 2).action is RetryAction.DEFAULT


def _bash(code: int) -> BaseOperator:
    from airflow.providers.standard.operators.bash import BashOperator  # noqa: PLC0415

    return BashOperator(task_id="job", bash_command=f"exit {code}", skip_on_exit_code=None)


def _tried_again(operator: BaseOperator) -> bool:
    """Runs the operator, which must fail, and asks the policy about its exception."""
    from airflow.sdk.definitions.retry_policy import RetryAction  # noqa: PLC0415
    from airflow.sdk.exceptions import AirflowException  # noqa: PLC0415

    with pytest.raises(AirflowException) as failure:
        operator.execute({})
    policy = importlib.import_module("recsys_retries").RetryOutages()
    return bool(policy.evaluate(failure.value, 1, 2).action is RetryAction.DEFAULT)
