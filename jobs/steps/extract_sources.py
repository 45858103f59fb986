"""Copies what is new in the sources to the lake (Spark).

Events are kept in windows of arrival: a run reads only the days before its date that no earlier
run has read after they had settled. Everything else is read whole, once a date; what was read on
that very day is kept, and a date that is over is reconstructed from what the source holds now.
"""

import argparse
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from jobs.lake.facts import ReadFacts
from jobs.lake.partitions import Partition
from jobs.night_log import night_step
from jobs.readiness import require_ready
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.sources.clocks import check_clocks
from jobs.sources.extraction import PartitionRead, Servers, extract
from jobs.spark.session import executor_errors, session
from jobs.stores.checks import doubted_windows, failed_tables
from recsys.as_of import AsOf
from recsys.errors import FutureDateError
from recsys.schemas import EVENT_SOURCES, RAW
from recsys.sections.sources import Source
from recsys.window import BEGINNING, Window, missing

_READS_AT_ONCE: Final = 100
"""Every read keeps a lock file open until all of them are complete."""

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__, "observed_at")


@night_step("extract_sources")
@executor_errors()
def main(arguments: RunArguments) -> None:
    check_date(arguments)
    dates = [arguments.as_of]
    with _events_alone(arguments, dates):
        _extract(arguments, [*missing_events(arguments, dates), *_of_date(arguments)])


def extract_events(arguments: RunArguments, dates: Sequence[AsOf]) -> None:
    """Reads what the runs of some dates need of the events and the lake does not have, once."""
    with _events_alone(arguments, dates):
        reads = missing_events(arguments, dates)
        for start in range(0, len(reads), _READS_AT_ONCE):
            _extract(arguments, reads[start : start + _READS_AT_ONCE])


def read_again(arguments: RunArguments, reads: list[PartitionRead]) -> None:
    """Replaces partitions by what the sources hold now, with nobody else reading events."""
    with arguments.lake.locked(arguments.lake.root / "raw"):
        for start in range(0, len(reads), _READS_AT_ONCE):
            _extract(arguments, reads[start : start + _READS_AT_ONCE])


def missing_events(arguments: RunArguments, dates: Sequence[AsOf]) -> list[PartitionRead]:
    """The windows of events that the nightly runs of some dates, in order, would read.

    Those are what no window holds yet, and the windows that have not settled, are damaged, or broke
    their contract.
    """
    lake, config, reads = arguments.lake, arguments.config, []
    facts = ReadFacts(observed_at=arguments.observed_at)
    for name, source in _events(arguments).items():
        place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
        covered, doubted = lake.windows(place), doubted_windows(lake, name)
        wanted = [config.window.before(day) for day in sorted(dates)]
        again = (w for w in covered if any(w.overlaps(other) for other in wanted))
        windows = [
            w
            for w in again
            if lake.place(lake.window(place, w).path) in doubted
            or not _complete(arguments, lake.window(place, w), w)
        ]
        for of_day in wanted:
            for gap in missing(of_day, covered):
                parts = gap.cut(_settled(arguments))
                windows += parts
                covered += parts
        for window in windows:
            partition = lake.window(place, window)
            reads.append(
                PartitionRead(source, RAW[name], partition, window, facts=facts, keeps_rows=True)
            )
    return reads


def _settled(arguments: RunArguments) -> datetime:
    """The midnight before which every event can be seen that had arrived."""
    settle = timedelta(hours=arguments.config.window.settle_hours)
    return AsOf.midnight((arguments.observed_at.astimezone(UTC) - settle).date()).instant


def _complete(arguments: RunArguments, partition: Partition, window: Window) -> bool:
    """True if a window was read after it had settled, and still is as it was read."""
    if not partition.intact():
        return False
    observed_at = ReadFacts.of(partition).observed_at
    settle = timedelta(hours=arguments.config.window.settle_hours)
    # An earlier version did not note it, and read every window once.
    return observed_at is None or observed_at - window.end >= settle


def snapshots(arguments: RunArguments) -> list[PartitionRead]:
    """The sources that change in place, except those that were read well on the date itself.

    Where the source says when a row was created, rows that the date must not know are left out.
    """
    failed = failed_tables(arguments.lake, "sources", arguments.as_of)
    wanted = []
    for name in arguments.config.sources.configured():
        partition = arguments.lake.as_of(RAW[name].name, arguments.as_of)
        good = RAW[name].name not in failed and _final(arguments, partition)
        if name not in EVENT_SOURCES and not good:
            wanted.append(name)
    return snapshots_of(arguments, wanted)


def snapshots_of(arguments: RunArguments, names: Iterable[str]) -> list[PartitionRead]:
    """Reads of some sources that change in place, for the as-of."""
    reads, window = [], Window.since(arguments.as_of)
    for name in names:
        source = arguments.config.sources.configured()[name]
        partition = arguments.lake.as_of(RAW[name].name, arguments.as_of)
        read = PartitionRead(source, RAW[name], partition, facts=_facts(arguments))
        reads.append(replace(read, window=window, outside=True) if source.time else read)
    return reads


def check_date(arguments: RunArguments) -> None:
    """Raises FutureDateError for an as-of that has not come."""
    if arguments.as_of.instant > arguments.observed_at:
        raise FutureDateError(
            f"{arguments.as_of} has not begun (UTC), so what is known before it is not complete; "
            f"the latest as-of that can be run is {AsOf.latest(arguments.observed_at)}"
        )


@contextmanager
def _events_alone(arguments: RunArguments, dates: Sequence[AsOf]) -> Iterator[None]:
    """Holds back other runs that would read the same windows of events at the same time."""
    needed = bool(missing_events(arguments, dates))
    with arguments.lake.locked(arguments.lake.root / "raw") if needed else nullcontext():
        yield


def _extract(arguments: RunArguments, reads: list[PartitionRead]) -> None:
    settings, sources = arguments.settings, [read.source for read in reads]
    servers = Servers(
        settings.require_postgres() if _any_table(sources) else None,
        settings.require_mongo() if _any_collection(sources) else None,
    )
    check_clocks(servers.postgres, servers.mongo, arguments.observed_at)
    extract(lambda: session("extract", settings), servers, reads, arguments.config.ids)


def _any_table(sources: Iterable[Source]) -> bool:
    return any(source.table for source in sources)


def _any_collection(sources: Iterable[Source]) -> bool:
    return any(source.collection for source in sources)


def _events(arguments: RunArguments) -> dict[str, Source]:
    configured = arguments.config.sources.configured()
    return {name: source for name, source in configured.items() if name in EVENT_SOURCES}


def _of_date(arguments: RunArguments) -> list[PartitionRead]:
    """Reads that belong to the date alone: snapshots, and events without a usable time."""
    lake, known = arguments.lake, Window(BEGINNING, arguments.observed_at)
    undated = []
    for name, source in _events(arguments).items():
        place = lake.events_of(RAW[name].name, arguments.config.source_fingerprint(name))
        partition = lake.as_of(f"{place}/undated", arguments.as_of)
        undated.append(PartitionRead(source, RAW[name], partition, known, outside=True))
    return [*undated, *snapshots(arguments)]


def _facts(arguments: RunArguments) -> ReadFacts:
    today = arguments.observed_at in Window.day_from(arguments.as_of)
    return ReadFacts(observed_at=arguments.observed_at, reconstructed=not today)


def _final(arguments: RunArguments, partition: Partition) -> bool:
    """True if a snapshot was taken in the 24 hours from its as-of on and they are over: it cannot
    be had again."""
    day = Window.day_from(arguments.as_of)
    if arguments.observed_at in day or not partition.intact():
        return False
    observed_at = ReadFacts.of(partition).observed_at
    if observed_at is None or observed_at not in day:
        return False
    log.info("%s: kept, it was read on the day", partition.label)
    return True


def first(arguments: RunArguments) -> None:
    """The job where it is a process of its own: what would stop a night is found before any work,
    which `recsys nightly` does by itself."""
    require_ready(arguments.config, arguments.settings)
    main(arguments)


if __name__ == "__main__":
    run(arg_parser(), first)
