"""Airflow's plugin: the deadlines of a night, which the scheduler sets when it begins a run.

Airflow finds it by the entry point `recsys`, so that it is there wherever the package is installed.
Only nights that the scheduler itself started have deadlines: people and backfills take their time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import timezone
from airflow.sdk.definitions.deadline import BaseDeadlineReference

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import Select
    from sqlalchemy.orm import Session


@dataclass
class NightDue(BaseDeadlineReference):
    """The instant that the scheduler's run was due at."""

    required_kwargs: ClassVar = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: "Session", dag_id: str, run_id: str) -> datetime | None:
        night = session.scalar(_nights(dag_id).filter_by(run_id=run_id))
        return None if night is None else night.run_after


@dataclass
class UsualEnd(BaseDeadlineReference):
    """The end of a run that takes some times the median of the last nights that succeeded.

    A median, because a night that waited for an answer of a person took hours. There is no deadline
    before three nights have succeeded.
    """

    nights: int = 10
    times: float = 2.0
    required_kwargs: ClassVar = {"dag_id", "run_id"}
    _LEAST: ClassVar = 3

    def serialize_reference(self) -> dict[str, Any]:
        """The reference as Airflow keeps it."""
        return {**super().serialize_reference(), "nights": self.nights, "times": self.times}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> "UsualEnd":
        """The reference that was kept."""
        return cls(reference_data["nights"], reference_data["times"])

    def _evaluate_with(self, *, session: "Session", dag_id: str, run_id: str) -> datetime | None:
        nights = _nights(dag_id)
        if session.scalar(nights.filter_by(run_id=run_id)) is None:
            return None
        last = session.scalars(nights.filter_by(state="success").limit(self.nights))
        seconds = [
            (night.end_date - night.start_date).total_seconds()
            for night in last
            if night.start_date is not None and night.end_date is not None
        ]
        if len(seconds) < self._LEAST:
            return None
        return timezone.utcnow() + timedelta(seconds=self.times * median(seconds))


def _nights(dag_id: str) -> "Select[tuple[DagRun]]":
    """The scheduler's own runs of a DAG, newest first."""
    # Airflow reads its settings while its models are imported.
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    runs = select(DagRun).order_by(DagRun.run_after.desc())
    return runs.filter_by(dag_id=dag_id, run_type="scheduled")


class RecsysPlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "recsys"
    deadline_references: ClassVar = [NightDue, UsualEnd]
