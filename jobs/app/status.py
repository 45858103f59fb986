"""State of the pipeline: what is live, what became of the last nights, what comes next.

All of it is read off the published side and the manifests of the lake; nothing is computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from jobs.lake import disk
from jobs.lake.facts import CheckFacts, ViolationFacts
from jobs.lake.files import is_local
from jobs.lake.partitions import Lake
from jobs.sinks.postgres import lookup
from jobs.steps.schedule import SCHEDULE, as_of, next_due
from jobs.stores.stages import CONTRACTS, STAGES, data_through, stage_partition
from recsys.as_of import AsOf
from recsys.schemas import HISTORIES, LISTS, QUARANTINE

NIGHTS: Final = 7
"""Last nights that are shown."""
_MADE: Final = (
    (LISTS.name, "lists are made, and not published"),
    (HISTORIES.name, "the matrix is built"),
    (QUARANTINE.name, "the matrix is being built"),
    (f"{CONTRACTS}/sources", "the sources are read"),
)
"""What of a night is in the lake, the last first, in words."""

Outcome = Literal["live", "published", "held", "retired", "staged", "stopped", "unfinished"]


@dataclass(frozen=True)
class Night:
    """The fate of one night."""

    as_of: AsOf
    run: int | None
    """Its run; None where it came to none."""
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True)
class Held:
    """A run that the audit held back, and waits for a decision."""

    run: int
    as_of: AsOf
    gates_not_passed: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class LakeState:
    """The lake on its disk; numbers are None of a lake elsewhere."""

    place: str
    bytes: int | None = None
    disk_free: int | None = None
    disk_total: int | None = None


@dataclass(frozen=True)
class Status:
    """What an operator looks at in the morning."""

    now: datetime
    live: lookup.LiveRun | None
    data_through: datetime | None
    """The newest event that the live run knew; None where the lake does not tell."""
    nights: tuple[Night, ...]
    """The last ones, newest first."""
    held: tuple[Held, ...]
    """Newer than the live run."""
    next_due: datetime
    next_as_of: AsOf
    schedule: str
    lake: LakeState
    published: lookup.Sizes


def status(uri: SecretStr, lake: Lake, now: datetime) -> Status:
    """The state at an instant. uri: of Postgres."""
    runs, live = lookup.runs(uri, 2 * NIGHTS), lookup.live_run(uri)
    due = next_due(now)
    return Status(
        now=now,
        live=live,
        data_through=None if live is None else data_through(lake, live.as_of),
        nights=last_nights(runs, lake),
        held=held_runs(runs),
        next_due=due,
        next_as_of=AsOf.parse(as_of(due, SCHEDULE)),
        schedule=SCHEDULE,
        lake=_lake_state(lake),
        published=lookup.sizes(uri),
    )


def held_runs(runs: Sequence[lookup.Run]) -> tuple[Held, ...]:
    """Runs that wait for a decision, newest first: held ones that are newer than the live run."""
    live = next((run for run in runs if run.live), None)
    waiting = [
        run for run in runs if run.status == "held" and (live is None or run.run_id > live.run_id)
    ]
    return tuple(Held(run.run_id, run.as_of, run.violations, _remedy(run, live)) for run in waiting)


def _remedy(run: lookup.Run, live: lookup.Run | None) -> str:
    look = "" if live is None else f"look at `recsys diff {live.run_id} {run.run_id}`, then "
    return (
        f'{look}`recsys publish {run.run_id} --force "reason"`, or correct the cause and run '
        f"`recsys nightly --as-of {run.as_of}`"
    )


def last_nights(runs: Sequence[lookup.Run], lake: Lake) -> tuple[Night, ...]:
    """The last nights, newest first: runs, and nights of the lake that came to none."""
    nights = [_of_run(run) for run in runs]
    published = {night.as_of for night in nights}
    for at in _in_lake(lake):
        if why := _stopped(lake, at):
            nights.append(Night(at, None, "stopped", why))
        elif at not in published:
            nights.append(Night(at, None, "unfinished", _reached(lake, at)))
    nights.sort(key=lambda night: (night.as_of, night.run or float("inf")), reverse=True)
    return tuple(nights[:NIGHTS])


def _of_run(run: lookup.Run) -> Night:
    outcome: Outcome = "live" if run.live else run.status  # type: ignore[assignment]
    why = ""
    if run.status == "held":
        why = "; ".join(run.violations)
    elif run.status == "staged":
        why = "publishing broke off, or goes on"
    return Night(run.as_of, run.run_id, outcome, why)


def _in_lake(lake: Lake) -> list[AsOf]:
    """The last nights that have left anything but raw rows in the lake."""
    found = {at for table, _ in _MADE for at in lake.instants(table)}
    return sorted(found)[-NIGHTS:]


def _stopped(lake: Lake, night: AsOf) -> str:
    """The contract that stopped a night; nothing where none did, or it was kept later on."""
    for stage in STAGES:
        partition = stage_partition(lake, stage, night)
        if partition.exists():
            broken = [v for v in CheckFacts.of(partition).violations if v.severity == "fail"]
            if broken:
                more = f", and {len(broken) - 1} more" if broken[1:] else ""
                return f"contract of {_told(broken[0])}{more}"
    return ""


def _told(violation: ViolationFacts) -> str:
    observed = violation.observed
    shown = f"{observed:.4g}" if isinstance(observed, float) else observed
    return f"{violation.table}: {violation.rule} is {shown}, allowed is {violation.allowed}"


def _reached(lake: Lake, night: AsOf) -> str:
    """How far a night came that was neither published nor stopped by a contract."""
    told = next(told for table, told in _MADE if lake.as_of(table, night).exists())
    return f"{told}; it broke off, or goes on"


def _lake_state(lake: Lake) -> LakeState:
    if not is_local(lake.root):
        return LakeState(str(lake.root))
    folder = Path(lake.root.path)
    there = disk.room(folder)
    return LakeState(str(folder), disk.size(folder), there.free, there.total)
