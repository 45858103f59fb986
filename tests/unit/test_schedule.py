"""Every run of a schedule has an as-of of its own, not after the run."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from croniter import croniter

from jobs.steps.schedule import as_of, longest_pause, next_due
from recsys.as_of import AsOf

SCHEDULES = ["0 2 * * *", "0 */6 * * *", "0 2-23/6 * * *", "15 3,14 * * *", "*/20 * * * *"]
SCHEDULES += ["0 2 * * 1", "0 2 1 * *", "30 1-22/7 * * 1-5"]


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
    due: datetime, schedule: str, expected: str
) -> None:
    assert as_of(due, schedule) == expected


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_run_has_its_own(schedule: str) -> None:
    runs = croniter(schedule, datetime(2026, 2, 1, tzinfo=UTC))
    due = [runs.get_next(datetime) for _ in range(100)]
    found = [AsOf.parse(as_of(run, schedule)) for run in due]
    assert sorted(set(found)) == found
    assert all(one.instant <= run for one, run in zip(found, due, strict=True))


def test_the_next_run_and_the_longest_wait_for_one() -> None:
    friday = datetime(2026, 1, 2, 8, tzinfo=UTC)
    assert next_due(friday, "0 2-23/6 * * 1-5") == datetime(2026, 1, 2, 14, tzinfo=UTC)
    assert longest_pause("0 2-23/6 * * 1-5") == timedelta(days=2, hours=6)
