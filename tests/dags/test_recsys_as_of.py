"""Every run of a schedule has an as-of of its own, not after the run."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from croniter import croniter

from recsys.as_of import AsOf

if TYPE_CHECKING:
    from collections.abc import Callable

    AsOfRun = Callable[[datetime, str], str]

SCHEDULES = ["0 2 * * *", "0 */6 * * *", "0 2-23/6 * * *", "15 3,14 * * *", "*/20 * * * *"]
SCHEDULES += ["0 2 * * 1", "0 2 1 * *", "30 1-22/7 * * 1-5"]


@pytest.fixture
def as_of(monkeypatch: pytest.MonkeyPatch) -> AsOfRun:
    """The function that the DAG uses, which only Airflow has on its path."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "dags")
    found: AsOfRun = importlib.import_module("recsys_as_of").as_of
    return found


@pytest.mark.parametrize(
    ("due", "schedule", "expected"),
    [
        (datetime(2026, 1, 2, 2, tzinfo=UTC), "0 2 * * *", "2026-01-02"),
        (datetime(2026, 1, 2, 23, 59, 59, tzinfo=UTC), "0 2 * * *", "2026-01-02"),
        (datetime(2026, 1, 2, 8, tzinfo=UTC), "0 2-23/6 * * *", "2026-01-02T06:00Z"),
        (datetime(2026, 1, 2, 0, tzinfo=UTC), "0 */6 * * *", "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=5))), "0 2 * * *", "2026-01-01"),
        (datetime(2026, 1, 5, 2, tzinfo=UTC), "0 2 * * 1", "2026-01-05"),
    ],
)
def test_an_as_of_is_where_the_part_of_the_day_begins(
    as_of: AsOfRun, due: datetime, schedule: str, expected: str
) -> None:
    assert as_of(due, schedule) == expected


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_run_has_its_own(as_of: AsOfRun, schedule: str) -> None:
    runs = croniter(schedule, datetime(2026, 2, 1, tzinfo=UTC))
    due = [runs.get_next(datetime) for _ in range(100)]
    found = [AsOf.parse(as_of(run, schedule)) for run in due]
    assert sorted(set(found)) == found
    assert all(one.instant <= run for one, run in zip(found, due, strict=True))
