"""`recsys backfill`: run a range of dates as history, with a table of how far it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jobs.app.backfill import Day, State, backfill, plan, remaining, run_in_process_of_its_own
from jobs.readiness import require_ready
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import load_config, load_settings
from jobs.steps.extract_sources import missing_events, snapshots

_DAY: Final = ["%Y-%m-%d"]
_STYLES: Final = {
    State.REMAINING: "dim",
    State.RUNNING: "cyan",
    State.DONE: "green",
    State.SKIPPED: "dim",
    State.FAILED: "red",
}


def backfill_command(
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="The first date.")],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="The last date; it counts.")],
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Dates that run at a time.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Let the last date go live.")] = False,
) -> None:
    """Publish the runs of past dates as history; the live run stays live.

    Each date gets the lists that its own night would have made: only what was
    known before it counts. Dates that this configuration has already published
    are skipped, so a backfill that broke off is started again as it was. Ends
    with the exit code of the first date that failed.

    Example: recsys backfill --from 2025-12-19 --to 2026-01-01 --parallel 2
    """
    if first > last:
        raise typer.BadParameter(f"{first:%F} lies after {last:%F}", param_hint="--from")
    arguments = RunArguments(
        last.date(), load_config(config), load_settings(), datetime.now(UTC), promote
    )
    require_ready(arguments.config, arguments.settings)
    days = plan(arguments, first.date(), promote=promote)
    if dry_run:
        _say_what_would_be_done(arguments, days)
        return
    known = _follow(arguments, days, parallel, config)
    codes = [day.exit_code for day in known if day.exit_code]
    if codes:
        raise typer.Exit(codes[0])


def _follow(
    arguments: RunArguments, days: Sequence[Day], parallel: int, config: Path | None
) -> list[Day]:
    """Runs the days and keeps the table on the screen up to date."""
    known, console = {day.as_of: day for day in days}, Console()
    run_day = partial(run_in_process_of_its_own, config=config)
    with Live(_progress(days), console=console, auto_refresh=False, transient=True) as live:
        for day in backfill(arguments, days, parallel, run_day):
            known[day.as_of] = day
            live.update(_progress(list(known.values())), refresh=True)
    console.print(_progress(list(known.values())))
    return list(known.values())


def _progress(days: Sequence[Day]) -> Table:
    counts = Counter(day.state for day in days)
    caption = ", ".join(f"{counts[state]} {state}" for state in State)
    table = Table("as of", "state", "seconds", "exit code", "error", caption=caption)
    for day in days:
        seconds = f"{day.seconds:.0f}" if day.seconds else ""
        code = str(day.exit_code or "")
        state = f"[{_STYLES[day.state]}]{day.state}[/]"
        table.add_row(str(day.as_of), state, seconds, code, Text(day.error))
    return table


def _say_what_would_be_done(arguments: RunArguments, days: Sequence[Day]) -> None:
    console, dates = Console(), [day.as_of for day in remaining(days)]
    for read in missing_events(arguments, dates):
        console.print(f"read {read.partition.label} from {read.source.place}", highlight=False)
    table = Table("as of", "would be", "sources read as they are now")
    for day in days:
        what = f"run{' and go live' if day.promote else ''}"
        skipped = day.state is State.SKIPPED
        now = "" if skipped else _read_now(arguments, day.as_of)
        table.add_row(str(day.as_of), "skipped" if skipped else what, now)
    console.print(table)


def _read_now(arguments: RunArguments, day: date) -> str:
    reads = snapshots(replace(arguments, as_of=day))
    return ", ".join(read.table.name.removeprefix("raw/") for read in reads)
