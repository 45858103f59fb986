"""`recsys backfill`: make the runs of a stretch of time as history, with a table of progress."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console, Group
from rich.live import Live

from jobs.app.backfill import (
    PlannedRun,
    State,
    backfill,
    make_in_process_of_its_own,
    plan,
    remaining,
)
from jobs.cli.as_of import as_of_option
from jobs.cli.output import number, show_table, table, word, words
from jobs.readiness import require_ready
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import load_config, load_settings
from jobs.steps.extract_sources import missing_events, snapshots
from recsys.as_of import AsOf

_SPAN: Final = re.compile(r"([1-9]\d{0,3})(m|h|d)", re.ASCII)
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_COLUMNS: Final = (
    word("as of"),
    word("state"),
    number("seconds"),
    number("exit code"),
    words("error"),
)


def _span(text: str) -> timedelta:
    """A span of time as it is typed; raises BadParameter for other text."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no span of time like 90m, 6h or 1d", param_hint="--every"
        )
    return int(found[1]) * _UNITS[found[2]]


def backfill_command(
    first: Annotated[AsOf, as_of_option("As-of of the first run.", "--from")],
    last: Annotated[AsOf, as_of_option("As-of of the last run; it counts.", "--to")],
    every: Annotated[
        str, typer.Option(metavar="SPAN", help="From one run to the next, as 90m, 6h or 1d.")
    ] = "1d",
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Runs at a time.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Let the last run go live.")] = False,
) -> None:
    """Publish the runs of the past as history; the live run stays live.

    Each run makes the lists that it would have made in its time: only what was
    known before its as-of counts. Runs that this configuration has already published
    are skipped, so a backfill that broke off is started again as it was. Ends
    with the exit code of the first run that failed.

    Example: recsys backfill --from 2025-12-19 --to 2026-01-01 --parallel 2

    Example: recsys backfill --from 2025-12-31 --to 2026-01-01 --every 6h
    """
    span = _span(every)
    if first > last:
        raise typer.BadParameter(f"{first} lies after {last}", param_hint="--from")
    arguments = RunArguments(last, load_config(config), load_settings(), datetime.now(UTC), promote)
    require_ready(arguments.config, arguments.settings)
    planned = plan(arguments, first, span, promote=promote)
    if dry_run:
        _say_what_would_be_done(arguments, planned)
        return
    ended = _follow(arguments, planned, parallel, config)
    codes = [run.exit_code for run in ended if run.exit_code]
    if codes:
        raise typer.Exit(codes[0])


def _follow(
    arguments: RunArguments, planned: Sequence[PlannedRun], parallel: int, config: Path | None
) -> list[PlannedRun]:
    """Makes the runs and keeps the table on the screen up to date."""
    known, console = {run.as_of: run for run in planned}, Console()
    make = partial(make_in_process_of_its_own, config=config)
    with Live(_progress(planned), console=console, auto_refresh=False, transient=True) as live:
        for run in backfill(arguments, planned, parallel, make):
            known[run.as_of] = run
            live.update(_progress(list(known.values())), refresh=True)
    show_table(_COLUMNS, map(_row, known.values()))
    typer.echo(_counts(known.values()))
    return list(known.values())


def _progress(runs: Sequence[PlannedRun]) -> Group:
    return Group(table(_COLUMNS, map(_row, runs)), _counts(runs))


def _row(run: PlannedRun) -> tuple[str, ...]:
    seconds = f"{run.seconds:.0f}" if run.seconds else ""
    return str(run.as_of), str(run.state), seconds, str(run.exit_code or ""), run.error


def _counts(runs: Iterable[PlannedRun]) -> str:
    counts = Counter(run.state for run in runs)
    return ", ".join(f"{counts[state]} {state}" for state in State)


def _say_what_would_be_done(arguments: RunArguments, planned: Sequence[PlannedRun]) -> None:
    instants = [run.as_of for run in remaining(planned)]
    for read in missing_events(arguments, instants):
        typer.echo(f"read {read.partition.label} from {read.source.place}")
    rows = []
    for run in planned:
        what = f"run{' and go live' if run.promote else ''}"
        skipped = run.state is State.SKIPPED
        now = "" if skipped else _read_now(arguments, run.as_of)
        rows.append((str(run.as_of), "skipped" if skipped else what, now))
    show_table((word("as of"), word("would be"), words("sources read as they are now")), rows)


def _read_now(arguments: RunArguments, as_of: AsOf) -> str:
    reads = snapshots(replace(arguments, as_of=as_of))
    return ", ".join(read.table.name.removeprefix("raw/") for read in reads)
