"""Check of everything that could stop a night: sources, rights, settings, published side.

It takes no Spark and less than a second: some rows of each source are read as a night reads them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from pydantic import SecretStr

from jobs.run.settings import Settings
from jobs.sinks.postgres.published_side import published_problems
from jobs.sinks.registry import open_sinks
from jobs.sources import mongo
from jobs.sources.postgres import Snapshot, read_rows, snapshot
from recsys import columns as c
from recsys.config import Config
from recsys.errors import (
    MappingError,
    OutageError,
    PublishedSideError,
    RecsysError,
    SettingsError,
    SinkUnavailableError,
    SourceEncodingError,
)
from recsys.schemas import RAW, Table
from recsys.sections.ids import Ids
from recsys.sections.sources import Source

ROWS: Final = 100
"""Rows that are read of each source."""
LEAST_ROWS: Final = 10
"""Of so many rows that are all unusable, the mapping is to blame."""
PUBLISHED: Final = "published side"
#: Errors of a server as a whole, of which one is enough.
OF_SERVER: Final = (OutageError, SettingsError, SourceEncodingError)


@dataclass(frozen=True)
class Problem:
    """One thing that would stop a night."""

    place: str
    """The source's name, `published side`, or a sink."""
    error: RecsysError


def require_ready(config: Config, settings: Settings) -> None:
    """Raises the first problem's error; it says how many others there are."""
    found = problems(config, settings)
    # A sink beside Postgres catches up, so one that is away now stops no night.
    found = [problem for problem in found if not isinstance(problem.error, SinkUnavailableError)]
    if found:
        others = f" (and {len(found) - 1} more: `recsys check` lists them)" if found[1:] else ""
        raise type(found[0].error)(f"{found[0].error}{others}") from found[0].error


def problems(config: Config, settings: Settings) -> list[Problem]:
    """Everything that would stop a night, in the order of the sources."""
    found = [*of_tables(config, settings), *of_collections(config, settings)]
    order = [*config.sources.configured()]
    found.sort(key=lambda problem: order.index(problem.place))
    if not any(isinstance(problem.error, OutageError) for problem in found):
        found += of_published_side(config.ids, settings)
        found += of_sinks(config, settings)
    return found


def of_tables(config: Config, settings: Settings) -> list[Problem]:
    """The problems of sources in Postgres."""
    return _of_server(config, settings.require_postgres, "table", _table_errors)


def of_collections(config: Config, settings: Settings) -> list[Problem]:
    """The problems of sources in MongoDB."""
    return _of_server(config, settings.require_mongo, "collection", _collection_errors)


def of_published_side(ids: Ids, settings: Settings) -> list[Problem]:
    """Reasons why a run could not be published."""
    try:
        uri = settings.require_postgres()
    except SettingsError as error:
        return [Problem(PUBLISHED, error)]
    return [Problem(PUBLISHED, PublishedSideError(text)) for text in published_problems(uri, ids)]


def of_sinks(config: Config, settings: Settings) -> list[Problem]:
    """Sinks that are not configured well, or do not answer."""
    found = []
    for name, section in config.sinks.items():
        try:
            for sink in open_sinks({name: section}, settings.require_postgres()).values():
                sink.live()
        except RecsysError as error:
            found.append(Problem(f"sink {name}", error))
    return found


Errors = Iterator[RecsysError]


def _of_server(
    config: Config,
    uri: Callable[[], SecretStr],
    kind: str,
    errors: Callable[[SecretStr, Source, Table, Ids], Errors],
) -> list[Problem]:
    """The problems of all sources on one server; it is asked no further once it fails itself."""
    found: list[Problem] = []
    for name, source in config.sources.configured().items():
        if getattr(source, kind) is None:
            continue
        try:
            wrong = errors(uri(), source, RAW[name], config.ids)
            found.extend(Problem(name, error) for error in wrong)
        except RecsysError as error:
            found.append(Problem(name, error))
            if isinstance(error, OF_SERVER):
                break
    return found


def _table_errors(uri: SecretStr, source: Source, table: Table, ids: Ids) -> Errors:
    with snapshot(uri, [source]) as state:
        faults = state.faults(source, ids)
        yield from map(MappingError, faults)
        if not faults:
            yield from _unusable(source, _table_rows(state, source, table, ids))


def _table_rows(state: Snapshot, source: Source, table: Table, ids: Ids) -> list[pa.RecordBatch]:
    plan = state.sample(state.plan(source, None, ids, outside=False), ROWS)
    return list(read_rows(state.uri, plan, 0, source, table, ids))


def _collection_errors(uri: SecretStr, source: Source, table: Table, ids: Ids) -> Errors:
    faults = mongo.mapping_faults(uri, source)
    yield from map(MappingError, faults)
    if not faults:
        yield from _unusable(source, [mongo.newest_rows(uri, source, table, ids, ROWS)])


def _unusable(source: Source, batches: list[pa.RecordBatch]) -> Errors:
    reasons = [reason for batch in batches for reason in batch[c.REJECT_REASON].to_pylist()]
    if len(reasons) >= LEAST_ROWS and None not in reasons:
        counts = ", ".join(f"{reason} ({n})" for reason, n in Counter(reasons).most_common())
        yield MappingError(
            f"{source.place}: none of {len(reasons)} rows can be used: {counts}; correct the "
            "mapping under [sources], or [ids]"
        )
