"""Examination of everything that nights rest on: each part by itself, whatever ails the others.

What would stop a night is asked of `jobs.readiness`, as nights and `recsys check` do. Added is what
they do not look at: the machine, the disk, the lake, and whether nights have come about at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from jobs import readiness
from jobs.app.status import held_runs
from jobs.lake import claims, disk
from jobs.lake.files import is_local, try_writing
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import lake_of
from jobs.run.packages import check_packages, python_version, untested
from jobs.run.settings import Settings, load_config, load_settings
from jobs.sinks.postgres import lookup
from jobs.sources.clocks import check_clocks
from jobs.spark.session import check_java
from jobs.steps.schedule import longest_pause, next_due
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import (
    DataError,
    DiskFullError,
    FutureDateError,
    PublishedSideError,
    RecsysError,
    SettingsError,
)
from recsys.schemas import LISTS

Level = Literal["ok", "advice", "wrong"]

_GIB: Final = 2**30
_LEAST_FREE: Final = _GIB
_FEW_FREE: Final = 5 * _GIB
_LEAST_NIGHTS: Final = 3
_FEW_NIGHTS: Final = 14
"""Room on the lake's disk below which something is wrong, or advice is given."""


_ANSWERS: Final = (0, FutureDateError.exit_code)
"""Findings on a server that can be asked further."""


@dataclass(frozen=True)
class Finding:
    """The state of one thing."""

    place: str
    level: Level
    message: str
    """What was found; where it is not well, what to do about it as well."""
    exit_code: int = 0
    """Of the error, where something is wrong."""


#: Looks at one thing; raises the error that is to be reported.
Look = Callable[[], Iterator[Finding]]


def examine(config: Path | None, now: datetime) -> list[Finding]:
    """The state of everything. config: the file, if it is not the environment's."""
    found = [*_looked("Java", _java), *_looked("packages", _packages)]
    try:
        settings = load_settings()
    except RecsysError as error:
        return [*found, _wrong("environment", error)]
    chosen, of_config = _configuration(config)
    found.append(of_config)
    found += _looked("lake", lambda: _lake(settings))
    found += _looked("disk", lambda: _disk(settings))
    found += _of_postgres(chosen, settings, now)
    found += _of_mongo(chosen, settings, now)
    return found


def _looked(place: str, look: Look) -> list[Finding]:
    try:
        return list(look())
    except RecsysError as error:
        return [_wrong(place, error)]


def _wrong(place: str, error: RecsysError) -> Finding:
    return Finding(place, "wrong", str(error), error.exit_code)


# --- the machine ----------------------------------------------------------------------------------


def _java() -> Iterator[Finding]:
    yield Finding("Java", "ok", f"version {check_java()}")


def _packages() -> Iterator[Finding]:
    check_packages()
    other = untested()
    message = other or f"as they are needed, on Python {python_version()}"
    yield Finding("packages", "advice" if other else "ok", message)


def _configuration(path: Path | None) -> tuple[Config | None, Finding]:
    try:
        config = load_config(path)
    except RecsysError as error:
        return None, _wrong("configuration", error)
    names = ", ".join(config.sources.configured())
    return config, Finding("configuration", "ok", f"sources {names}")


def _lake(settings: Settings) -> Iterator[Finding]:
    root = lake_of(settings).root
    seen = claims.look(root)
    there = root
    while is_local(there) and not there.exists():
        there = there.parent
    try:
        if there.exists():
            try_writing(there)
    except OSError as error:
        raise SettingsError(
            f"RECSYS_LAKE: {root} cannot be written to ({error.strerror or error}); give this "
            "user the right, or name another folder"
        ) from error
    yield Finding("lake", "ok", seen)


def _disk(settings: Settings) -> Iterator[Finding]:
    if not is_local(settings.lake):
        return
    folder, lake = Path(settings.lake.path), Lake(settings.lake)
    free, nights = disk.room(folder).free, len(lake.instants(LISTS.name))
    a_night = disk.size(folder) / nights if nights else 0
    lasts = free / a_night if a_night else float("inf")
    told = f"{free / _GIB:.1f} GiB are free where the lake is"
    told += f", room for {lasts:,.0f} more nights" if a_night else ""
    remedy = "remove as-ofs that nobody needs from the lake, or give it a larger disk"
    if free < _LEAST_FREE or lasts < _LEAST_NIGHTS:
        raise DiskFullError(f"{told}; {remedy}")
    few = free < _FEW_FREE or lasts < _FEW_NIGHTS
    yield Finding("disk", "advice" if few else "ok", f"{told}; {remedy}" if few else told)


# --- the servers ----------------------------------------------------------------------------------


def _of_postgres(config: Config | None, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Postgres, and what rests on it: that is not looked at where it does not answer."""
    server = _server("Postgres", lambda: check_clocks(settings.require_postgres(), None, now))
    yield server
    if server.exit_code not in _ANSWERS:
        return
    publishable = True
    if config is not None:
        yield from _of_sources(config, "table", readiness.of_tables(config, settings))
        published = readiness.of_published_side(config.ids, settings)
        yield from _told(published, {readiness.PUBLISHED: "runs can be published"})
        sinks = {f"sink {name}": "it answers" for name in config.sinks}
        yield from _told(readiness.of_sinks(config, settings), sinks)
        publishable = not published
    limit = None if config is None else config.nights.max_age_hours
    for found in _looked("live run", lambda: _live(settings.require_postgres(), now, limit)):
        # Why the published side cannot be read was said.
        if publishable or found.exit_code != PublishedSideError.exit_code:
            yield found


def _of_mongo(config: Config | None, settings: Settings, now: datetime) -> Iterator[Finding]:
    """MongoDB, where a source is there, and those sources."""
    if config is None:
        needed = settings.mongo_uri is not None
    else:
        needed = any(source.collection for source in config.sources.configured().values())
    if not needed:
        return
    server = _server("MongoDB", lambda: check_clocks(None, settings.require_mongo(), now))
    yield server
    if config is not None and server.exit_code in _ANSWERS:
        yield from _of_sources(config, "collection", readiness.of_collections(config, settings))


def _server(place: str, ask: Callable[[], None]) -> Finding:
    try:
        ask()
    except RecsysError as error:
        return _wrong(place, error)
    return Finding(place, "ok", "it answers")


def _of_sources(
    config: Config, kind: Literal["table", "collection"], problems: list[readiness.Problem]
) -> Iterator[Finding]:
    """Sources of one server; where that ails as a whole, the others were not asked."""
    well = {
        name: f"{kind} {source.place} is read as a night reads it"
        for name, source in config.sources.configured().items()
        if getattr(source, kind) is not None
    }
    if any(isinstance(problem.error, readiness.OF_SERVER) for problem in problems):
        well = {}
    yield from _told(problems, well)


def _told(problems: list[readiness.Problem], well: dict[str, str]) -> Iterator[Finding]:
    """well: what to say of each place without a problem."""
    ailing = {problem.place for problem in problems}
    for place, message in well.items():
        if place not in ailing:
            yield Finding(place, "ok", message)
    for problem in problems:
        yield _wrong(problem.place, problem.error)


# --- the nights -----------------------------------------------------------------------------------


def _live(uri: SecretStr, now: datetime, max_age_hours: float | None) -> Iterator[Finding]:
    """Whether nights come about; a run that waits for a decision is told too."""
    place = "live run"
    for held in held_runs(lookup.runs(uri, 100)):
        gates = "; ".join(held.gates_not_passed)
        yield Finding("held run", "advice", f"run {held.run}: {gates}; {held.remedy}")
    live = lookup.live_run(uri)
    if live is None:
        yield Finding(place, "advice", "none yet; run `recsys nightly --as-of DATE`")
        return
    age = now - live.as_of.instant
    limit = 2 * longest_pause() if max_age_hours is None else timedelta(hours=max_age_hours)
    told = f"run {live.run_id} as of {live.as_of} is {age / timedelta(hours=1):,.0f} hours old"
    if age > limit:
        yield _wrong(
            place,
            DataError(
                f"{told}, more than {limit / timedelta(hours=1):,.0f}; `recsys status` says what "
                f"became of the nights since, `recsys nightly --as-of {AsOf.midnight(now.date())}` "
                "makes the missing one"
            ),
        )
    else:
        yield Finding(place, "ok", f"{told}; the next is due {next_due(now):%F %H:%M} UTC")
