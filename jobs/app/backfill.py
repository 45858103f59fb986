"""Makes the runs of a stretch of time as history: each publishes what it would have in its time.

Events of all runs are read first and once; then runs are independent of each other, because each
is a full night, so they go in parallel, in any order, and a broken-off backfill goes on where it
ended.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from jobs.run.entrypoint import RunArguments
from jobs.sinks.postgres import lookup
from jobs.steps.extract_sources import check_date, extract_events
from recsys.as_of import AsOf


class State(StrEnum):
    """Progress of a run."""

    REMAINING = "remaining"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class PlannedRun:
    """One run of a backfill."""

    as_of: AsOf
    promote: bool = False
    """Whether the run goes live."""
    state: State = State.REMAINING
    seconds: float = 0.0
    exit_code: int = 0
    error: str = ""
    """The error's one message."""


@dataclass(frozen=True)
class Ended:
    """Exit code and error of a run."""

    exit_code: int = 0
    error: str = ""


Make = Callable[[PlannedRun], Ended]


def plan(
    arguments: RunArguments, first: AsOf, every: timedelta, *, promote: bool
) -> list[PlannedRun]:
    """A run of each instant from `first` to the arguments' as-of, oldest first; those already
    published skipped.

    With `promote` the last run goes live, and counts as done only if it is.
    Raises FutureDateError where the arguments' as-of has not come.
    """
    steps = (arguments.as_of - first) // every
    instants = [first + n * every for n in range(steps + 1)]
    last = instants[-1]
    check_date(arguments)
    uri, config_hash = arguments.settings.require_postgres(), arguments.config.fingerprint()
    published = lookup.published(uri, config_hash, first, last)
    return [_planned(at, published, promote=promote and at == last) for at in instants]


def _planned(as_of: AsOf, published: Mapping[AsOf, bool], *, promote: bool) -> PlannedRun:
    done = published.get(as_of, False) if promote else as_of in published
    return PlannedRun(as_of, promote, State.SKIPPED if done else State.REMAINING)


def remaining(planned: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Those that have to be made."""
    return [run for run in planned if run.state is State.REMAINING]


def backfill(
    arguments: RunArguments, planned: Sequence[PlannedRun], parallel: int, make: Make
) -> Iterator[PlannedRun]:
    """Makes the remaining runs, `parallel` at a time, in their order; yields each that has changed.

    One that fails does not keep the others from being made.
    """
    todo = remaining(planned)
    if not todo:
        return
    extract_events(arguments, [run.as_of for run in todo])
    pool = ThreadPoolExecutor(parallel)
    try:
        yield from _make_all(pool, todo, parallel, make)
    finally:
        pool.shutdown(cancel_futures=True)


def _make_all(
    pool: ThreadPoolExecutor, todo: list[PlannedRun], parallel: int, make: Make
) -> Iterator[PlannedRun]:
    waiting = iter(todo)
    running: dict[Future[PlannedRun], PlannedRun] = {}
    while True:
        for run in waiting:
            running[pool.submit(_timed, make, run)] = run
            yield replace(run, state=State.RUNNING)
            if len(running) == parallel:
                break
        if not running:
            return
        ended = next(as_completed(running))
        del running[ended]
        yield ended.result()


def _timed(make: Make, run: PlannedRun) -> PlannedRun:
    begin = time.monotonic()
    ended = make(run)
    seconds = time.monotonic() - begin
    state = State.FAILED if ended.exit_code else State.DONE
    return replace(run, state=state, seconds=seconds, exit_code=ended.exit_code, error=ended.error)


def make_in_process_of_its_own(run: PlannedRun, config: Path | None = None) -> Ended:
    """Makes a run with `recsys nightly`; its log goes nowhere but for the error."""
    command = [sys.executable, "-m", "jobs.cli.main", "nightly", "--as-of", f"{run.as_of}"]
    command += ["--full"]
    command += ["--promote" if run.promote else "--no-promote"]
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
