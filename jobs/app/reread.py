"""Reads windows and snapshots again that a source has since corrected.

A partition is replaced as a whole, so it stays as it was where the source cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobs.lake.facts import ReadFacts
from jobs.run.entrypoint import RunArguments
from jobs.sources.extraction import PartitionRead
from jobs.steps.extract_sources import read_again, snapshots_of
from recsys.as_of import AsOf
from recsys.errors import ConfigError, MissingPartitionError
from recsys.schemas import EVENT_SOURCES, LISTS, RAW
from recsys.window import Window


@dataclass(frozen=True)
class Plan:
    """Partitions that would be read again, and the dates whose lists were made from them."""

    reads: Sequence[PartitionRead]
    nights: Sequence[AsOf]
    """Nights in the lake whose lists were made from it."""


def plan(arguments: RunArguments, name: str, days: Window) -> Plan:
    """The partitions of a source that belong to some days.

    Of events those are the windows in which something of these days lies. Raises ConfigError for a
    source that is not configured, MissingPartitionError where the lake has none of them.
    """
    source = arguments.config.sources.configured().get(name)
    if source is None:
        known = ", ".join(arguments.config.sources.configured())
        raise ConfigError(f"there is no source {name!r} in the configuration but {known}")
    found = _windows(arguments, name, days) if name in EVENT_SOURCES else None
    chosen = _snapshots(arguments, name, days) if found is None else found
    if not chosen.reads:
        raise MissingPartitionError(
            f"the lake has nothing of {RAW[name].name} from {AsOf(days.start)} to before "
            f"{AsOf(days.end)}; choose other days, the next night reads what was never read"
        )
    return chosen


def carry_out(arguments: RunArguments, chosen: Plan) -> None:
    """Reads the partitions again."""
    read_again(arguments, list(chosen.reads))


def _windows(arguments: RunArguments, name: str, days: Window) -> Plan:
    lake, config = arguments.lake, arguments.config
    place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
    windows = [window for window in lake.windows(place) if window.overlaps(days)]
    facts = ReadFacts(observed_at=arguments.observed_at)
    source = config.sources.configured()[name]
    reads = [
        PartitionRead(source, RAW[name], lake.window(place, w), w, facts=facts) for w in windows
    ]
    nights = [
        night
        for night in lake.instants(LISTS.name)
        if any(window.overlaps(config.window.before(night)) for window in windows)
    ]
    return Plan(reads, nights)


def _snapshots(arguments: RunArguments, name: str, days: Window) -> Plan:
    lake = arguments.lake
    taken = [as_of for as_of in lake.instants(RAW[name].name) if as_of.instant in days]
    reads = [read for at in taken for read in snapshots_of(replace(arguments, as_of=at), [name])]
    return Plan(reads, [night for night in lake.instants(LISTS.name) if night in taken])
