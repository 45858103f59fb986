"""The as-of of a run that nobody has given one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from typing import Final

from croniter import croniter

_A_DAY: Final = timedelta(days=1)
_A_MONDAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
#: Runs that are looked at to see how close two of a schedule come.
_RUNS: Final = 200


def as_of(due: datetime, schedule: str) -> str:
    """The as-of of a run that is due at an instant, as jobs take it.

    A UTC day is divided into stretches as long as the shortest pause of the cron schedule, and the
    as-of is the beginning of the one that the run is due in, so that every run of a schedule has
    its own: midnight of a run a day at 02:00, 06:00 of one at 08:00 of a schedule of six hours.
    """
    due = due.astimezone(UTC)
    midnight = due.replace(hour=0, minute=0, second=0, microsecond=0)
    pause = min(_shortest_pause(schedule), _A_DAY)
    begin = midnight + (due - midnight) // pause * pause
    return f"{begin:%Y-%m-%d}" if begin == midnight else f"{begin:%Y-%m-%dT%H:%MZ}"


@cache
def _shortest_pause(schedule: str) -> timedelta:
    runs: Iterator[datetime] = croniter(schedule, _A_MONDAY).all_next(datetime)
    return min(later - earlier for earlier, later in pairwise(islice(runs, _RUNS)))
