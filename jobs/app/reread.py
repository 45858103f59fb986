"""Reads windows and snapshots again that a source has since corrected.

A partition is replaced as a whole, so it stays as it was where the source cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from jobs.lake.manifests import OBSERVED_AT
from jobs.run.entrypoint import RunArguments
from jobs.sources.extraction import PartitionRead
from jobs.steps.extract_sources import read_again, snapshots_of
from recsys.errors import ConfigError, MissingPartitionError
from recsys.schemas import EVENT_SOURCES, LISTS, RAW
from recsys.window import Window, midnight


@dataclass(frozen=True)
class Plan:
    """What would be read again, and what was made of it."""

    reads: Sequence[PartitionRead]
    nights: Sequence[date]
    """Dates in the lake whose lists were made from it."""


def plan(arguments: RunArguments, name: str, first: date) -> Plan:
    """The partitions of a source from `first` to the arguments' date, both counted.

    Of events those are the windows in which something of these days lies. Raises ConfigError for a
    source that is not configured, MissingPartitionError where the lake has none of them.
    """
    source = arguments.config.sources.configured().get(name)
    if source is None:
        known = ", ".join(arguments.config.sources.configured())
        raise ConfigError(f"there is no source {name!r} in the configuration but {known}")
    found = _windows(arguments, name, first) if name in EVENT_SOURCES else None
    chosen = _snapshots(arguments, name, first) if found is None else found
    if not chosen.reads:
        raise MissingPartitionError(
            f"the lake has nothing of {RAW[name].name} from {first} to {arguments.as_of}; "
            "choose other days, the next night reads what was never read"
        )
    return chosen


def carry_out(arguments: RunArguments, chosen: Plan) -> None:
    """Reads the partitions again."""
    read_again(arguments, list(chosen.reads))


def _windows(arguments: RunArguments, name: str, first: date) -> Plan:
    lake, config = arguments.lake, arguments.config
    place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
    days = Window(midnight(first), midnight(arguments.as_of + timedelta(days=1)))
    windows = [window for window in lake.windows(place) if window.overlaps(days)]
    facts = {OBSERVED_AT: arguments.observed_at.isoformat()}
    source = config.sources.configured()[name]
    reads = [
        PartitionRead(source, RAW[name], lake.window(place, w), w, facts=facts) for w in windows
    ]
    nights = [
        day
        for day in lake.days(LISTS.name)
        if any(window.overlaps(config.window.before(day)) for window in windows)
    ]
    return Plan(reads, nights)


def _snapshots(arguments: RunArguments, name: str, first: date) -> Plan:
    lake = arguments.lake
    days = [day for day in lake.days(RAW[name].name) if first <= day <= arguments.as_of]
    reads = [read for day in days for read in snapshots_of(replace(arguments, as_of=day), [name])]
    return Plan(reads, [day for day in lake.days(LISTS.name) if day in days])
