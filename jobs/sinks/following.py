"""Sinks that follow the record: each is brought to the run that is live in Postgres.

A sink is compared with the record each time, so that it does not matter what it missed, and which
of two publications or rollbacks ends last.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from jobs.sinks.base import Sink
from jobs.sinks.postgres.sink import PostgresSink
from recsys.errors import RecsysError, RunNotThereError, SinkUnavailableError

_TRIES: Final = 5

log = logging.getLogger(__name__)


def follow(record: PostgresSink, sink: Sink, keep: int) -> None:
    """Brings a sink to the live run of the record, and deletes the lists of forgotten users.

    keep: runs that stay in the sink. Raises what the sink or Postgres raises; called again, it goes
    on.
    """
    sink.forget(record.forgotten())
    for _ in range(_TRIES):
        live = record.live()
        if live is None or live == sink.live():
            return
        if live not in sink.runs():
            copy_run(record, sink, live, keep, live=True)
        else:
            # Another process may have made it live since it was looked at.
            with suppress(RunNotThereError):
                sink.rollback(live)
    raise SinkUnavailableError("the live run changes faster than the sink can follow; try again")


def copy_run(
    record: PostgresSink, sink: Sink, run_id: int, keep: int, *, live: bool = False
) -> None:
    """Copies a run that is kept in Postgres into a sink, unless it is there.

    live: whether it goes live there. Raises RunNotThereError where Postgres does not have it.
    """
    with sink.publication() as publication:
        # Another process may have copied it while this one waited.
        if run_id in sink.runs():
            return
        run = record.record(run_id)
        staged = publication.stage(run_id, run, record.tables(run_id))
        # A run that was retired while it was read may have lost its lists before they were.
        record.record(run_id)
        publication.complete(staged, live=live)
        publication.retire(keep)


def follow_all(record: PostgresSink, sinks: Mapping[str, Sink], keep: int, run_id: int) -> None:
    """Brings every sink up to date after a publication, whatever becomes of the others.

    A sink that fails is logged: its run is complete in Postgres by then, and a step that is tried
    again would publish it twice. run_id: the run that was published.
    """
    for name, sink in sinks.items():
        try:
            follow(record, sink, keep)
            log.info("sink %s has run %s", name, sink.live())
        except RecsysError as error:
            log.error(
                "sink %s is behind: %s; the next publication brings it up to date, and so does "
                "`recsys publish %d --sink %s`",
                name,
                error,
                run_id,
                name,
            )


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
