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
    from sqlalchemy import Select
    from sqlalchemy.orm import Session


@dataclass
class NightDue(BaseDeadlineReference):
    """The instant that the scheduler's run was due at."""

    required_kwargs: ClassVar = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: "Session", dag_id: str, run_id: str) -> datetime | None:
        due: datetime | None = session.scalar(_nights(dag_id, "run_after").filter_by(run_id=run_id))
        return due


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
        nights = _nights(dag_id, "start_date", "end_date")
        if session.execute(nights.filter_by(run_id=run_id)).first() is None:
            return None
        last = session.execute(nights.filter_by(state="success").limit(self.nights))
        took = [(end - start).total_seconds() for start, end in last if start and end]
        if len(took) < self._LEAST:
            return None
        return timezone.utcnow() + timedelta(seconds=self.times * median(took))


def _nights(dag_id: str, *columns: str) -> "Select[Any]":
    """Columns of the scheduler's own runs of a DAG, newest first."""
    # Airflow reads its settings while its models are imported.
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    runs = select(*(getattr(DagRun, name) for name in columns)).select_from(DagRun)
    return runs.where(DagRun.dag_id == dag_id, DagRun.run_type == "scheduled").order_by(
        DagRun.run_after.desc()
    )


class RecsysPlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "recsys"
    deadline_references = [NightDue, UsualEnd]  # noqa: RUF012 - Airflow's own declaration
