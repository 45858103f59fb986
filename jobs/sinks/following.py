"""Sinks that follow the record: each is brought to the run that is live in Postgres.

A sink is compared with the record each time, so that it does not matter what it missed, and which
of two publications or rollbacks ends last.
"""

import logging
from collections.abc import Iterator, Mapping

from jobs.sinks.base import Sink
from jobs.sinks.postgres.sink import PostgresSink
from recsys.errors import RecsysError

log = logging.getLogger(__name__)


def follow(record: PostgresSink, sink: Sink, keep: int) -> None:
    """Brings a sink to the live run of the record, and deletes the lists of forgotten users.

    keep: runs that stay in the sink. Raises what the sink or Postgres raises; called again, it goes
    on.
    """
    sink.forget(record.forgotten())
    while (live := record.live()) is not None and live != sink.live():
        if live in sink.runs():
            sink.rollback(live)
        else:
            copy_run(record, sink, live, keep, live=True)


def copy_run(
    record: PostgresSink, sink: Sink, run_id: int, keep: int, *, live: bool = False
) -> None:
    """Copies a run that is kept in Postgres into a sink, unless it is there.

    live: whether it goes live there. Raises RunNotThereError where Postgres does not have it.
    """
    with sink.publication() as publication:
        # Another process may have copied it while this one waited.
        if run_id not in sink.runs():
            staged = publication.stage(run_id, record.record(run_id), record.tables(run_id))
            publication.complete(staged, live=live)
            publication.retire(keep)


def follow_all(record: PostgresSink, sinks: Mapping[str, Sink], keep: int) -> None:
    """Brings every sink up to date; one that fails is logged and does not keep the others back.

    The run is live in Postgres by then, so a sink that is away is no reason to fail it.
    """
    for name, sink in sinks.items():
        try:
            follow(record, sink, keep)
        except RecsysError as error:
            log.error(
                "sink %s is behind: %s; the next publication brings it up to date, and so does "
                "`recsys publish %s --sink %s`",
                name,
                error,
                record.live(),
                name,
            )
        else:
            log.info("sink %s has run %s", name, sink.live())


def behind(sinks: Mapping[str, Sink], live: int | None) -> Iterator[str]:
    """Sinks whose live run is not the record's, each in words."""
    for name, sink in sinks.items():
        try:
            found = sink.live()
        except RecsysError:
            yield f"{name} does not answer"
            continue
        if found != live:
            yield f"{name} has {'no run' if found is None else f'run {found}'}"
