"""Copies what is new in the sources to the lake (Spark).

Events are kept in windows of arrival that never change: a run reads only the days before its
date that no earlier run has read. Everything else is read whole, once a date.
"""

import argparse
from collections.abc import Iterable

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.extraction import Read, Servers, extract
from jobs.spark import session
from recsys.config import Source
from recsys.errors import FutureDateError
from recsys.schemas import EVENT_SOURCES, RAW
from recsys.window import BEGINNING, Window, midnight, missing


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    _check_date(arguments)
    sources = arguments.config.sources.configured()
    servers = Servers(
        arguments.settings.require_postgres() if _any_table(sources.values()) else None,
        arguments.settings.require_mongo() if _any_collection(sources.values()) else None,
    )
    reads = [read for name, source in sources.items() for read in _reads(arguments, name, source)]
    settings = arguments.settings
    extract(lambda: session("extract", settings), servers, reads, arguments.config.ids)


def _any_table(sources: Iterable[Source]) -> bool:
    return any(source.table for source in sources)


def _any_collection(sources: Iterable[Source]) -> bool:
    return any(source.collection for source in sources)


def _reads(arguments: RunArguments, name: str, source: Source) -> list[Read]:
    table, lake = RAW[name], arguments.lake
    if name not in EVENT_SOURCES:
        return [Read(source, table, lake.as_of(table.name, arguments.as_of))]
    place = lake.events_of(table.name, arguments.config.source_fingerprint(name))
    wanted = arguments.config.window.before(arguments.as_of)
    known = Window(BEGINNING, arguments.observed_at)
    return [
        *(
            Read(source, table, lake.window(place, window), window)
            for window in missing(wanted, lake.windows(place))
        ),
        Read(source, table, lake.as_of(f"{place}/undated", arguments.as_of), known, outside=True),
    ]


def _check_date(arguments: RunArguments) -> None:
    if midnight(arguments.as_of) > arguments.observed_at:
        raise FutureDateError(
            f"{arguments.as_of} has not begun (UTC), so days before it are not complete; "
            f"the latest date that can be run is {arguments.observed_at:%Y-%m-%d}"
        )


if __name__ == "__main__":
    run(arg_parser(), main)
