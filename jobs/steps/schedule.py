"""The schedule of the nightly DAG: when runs are due, and the as-of of one that nobody has given.

Beside cron expressions it imports nothing, so that Airflow can read it without loading a job.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from typing import Final

from croniter import croniter

#: Cron, in UTC. To run every six hours, `0 2-23/6 * * *` is all that changes.
SCHEDULE: Final = "0 2 * * *"

_A_DAY: Final = timedelta(days=1)
_A_MONDAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
#: Runs that are looked at to see how far two of a schedule are apart.
_RUNS: Final = 200


def as_of(due: datetime, schedule: str) -> str:
    """The as-of of a run that is due at an instant, as jobs take it.

    A UTC day is divided into stretches as long as the shortest pause of the cron schedule, and the
    as-of is the beginning of the one that the run is due in, so that every run of a schedule has
    its own: midnight of a run a day at 02:00, 06:00 of one at 08:00 of a schedule of six hours.
    """
    due = due.astimezone(UTC)
    midnight = due.replace(hour=0, minute=0, second=0, microsecond=0)
    pause = min(*_pauses(schedule), _A_DAY)
    begin = midnight + (due - midnight) // pause * pause
    return f"{begin:%Y-%m-%d}" if begin == midnight else f"{begin:%Y-%m-%dT%H:%MZ}"


def next_due(now: datetime, schedule: str = SCHEDULE) -> datetime:
    """The instant of the first run after another instant."""
    due: datetime = croniter(schedule, now.astimezone(UTC)).get_next(datetime)
    return due


def longest_pause(schedule: str = SCHEDULE) -> timedelta:
    """The most time from one run to the next."""
    return max(_pauses(schedule))


@cache
def _pauses(schedule: str) -> tuple[timedelta, ...]:
    runs: Iterator[datetime] = croniter(schedule, _A_MONDAY).all_next(datetime)
    return tuple(later - earlier for earlier, later in pairwise(islice(runs, _RUNS)))
