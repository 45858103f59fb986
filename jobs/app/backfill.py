"""Runs a range of dates as history: each publishes what the nightly run of that date would have.

Events of all dates are read first and once; then dates are independent of each other, because each
is a full night, so they run in parallel, in any order, and a broken-off backfill goes on where it
ended.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from jobs.run.entrypoint import RunArguments
from jobs.sinks.postgres import lookup
from jobs.steps.extract_sources import check_date, extract_events


class State(StrEnum):
    """How far a date is."""

    REMAINING = "remaining"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Day:
    """One date of a backfill."""

    as_of: date
    promote: bool = False
    """Whether the run goes live."""
    state: State = State.REMAINING
    seconds: float = 0.0
    exit_code: int = 0
    error: str = ""
    """The error's one message."""


@dataclass(frozen=True)
class Ended:
    """How the run of one date ended."""

    exit_code: int = 0
    error: str = ""


RunDay = Callable[[Day], Ended]


def plan(arguments: RunArguments, first: date, *, promote: bool) -> list[Day]:
    """The dates from `first` to the arguments' own, oldest first; those already published skipped.

    With `promote` the last date goes live, and counts as done only if it is.
    Raises FutureDateError where the last date has not begun.
    """
    last = arguments.as_of
    check_date(arguments)
    uri, config_hash = arguments.settings.require_postgres(), arguments.config.fingerprint()
    published = lookup.published(uri, config_hash, first, last)
    dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [_planned(day, published, promote=promote and day == last) for day in dates]


def _planned(day: date, published: Mapping[date, bool], *, promote: bool) -> Day:
    done = published.get(day, False) if promote else day in published
    return Day(day, promote, State.SKIPPED if done else State.REMAINING)


def remaining(days: Sequence[Day]) -> list[Day]:
    """Those that have to be run."""
    return [day for day in days if day.state is State.REMAINING]


def backfill(
    arguments: RunArguments, days: Sequence[Day], parallel: int, run_day: RunDay
) -> Iterator[Day]:
    """Runs the remaining days, `parallel` at a time, in their order; yields each that has changed.

    A date that fails does not keep the others from running.
    """
    todo = remaining(days)
    if not todo:
        return
    extract_events(arguments, [day.as_of for day in todo])
    pool = ThreadPoolExecutor(parallel)
    try:
        yield from _run_all(pool, todo, parallel, run_day)
    finally:
        pool.shutdown(cancel_futures=True)


def _run_all(
    pool: ThreadPoolExecutor, todo: list[Day], parallel: int, run_day: RunDay
) -> Iterator[Day]:
    waiting = iter(todo)
    running: dict[Future[Day], Day] = {}
    while True:
        for day in waiting:
            running[pool.submit(_timed, run_day, day)] = day
            yield replace(day, state=State.RUNNING)
            if len(running) == parallel:
                break
        if not running:
            return
        ended = next(as_completed(running))
        del running[ended]
        yield ended.result()


def _timed(run_day: RunDay, day: Day) -> Day:
    begin = time.monotonic()
    ended = run_day(day)
    seconds = time.monotonic() - begin
    state = State.FAILED if ended.exit_code else State.DONE
    return replace(day, state=state, seconds=seconds, exit_code=ended.exit_code, error=ended.error)


def run_in_process_of_its_own(day: Day, config: Path | None = None) -> Ended:
    """Runs a date with `recsys nightly`; its log goes nowhere but for the error."""
    command = [sys.executable, "-m", "jobs.cli.main", "nightly", "--as-of", f"{day.as_of}"]
    command += ["--full"]
    command += ["--promote" if day.promote else "--no-promote"]
    command += [] if config is None else ["--config", str(config)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return Ended()
    code = done.returncode if done.returncode > 0 else 128 - done.returncode
    return Ended(code, _last_error(done.stderr) or f"the run ended with exit code {code}")


def _last_error(log: str) -> str:
    """The error's message, or of a crash the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]
