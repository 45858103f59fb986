"""`recsys reread`: read again what a source held wrongly when it was read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from jobs.app.reread import carry_out, plan
from jobs.run.entrypoint import RunArguments
from jobs.run.reporting import start_log
from jobs.run.settings import load_config, load_settings
from recsys.as_of import AsOf
from recsys.window import Window

_DAY: Final = ["%Y-%m-%d"]


def reread(
    source: Annotated[str, typer.Option(help="Name under [sources], as events or users.")],
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="The first day.")],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="The last day; it counts.")],
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Replace what the lake has of a source by what the source holds now.

    Of events, every window of arrival that holds one of the days is read again, of
    other sources the snapshots of these dates. Says which, with the rows that they
    have, and which nights were made from them; those have to be run again. Rows that
    the source does not hold any more are gone from the lake afterwards.

    Example: recsys reread --source events --from 2026-01-03 --to 2026-01-04
    """
    if first > last:
        raise typer.BadParameter(f"{first:%F} lies after {last:%F}", param_hint="--from")
    start_log()
    begin, end = AsOf.midnight(first.date()), AsOf.midnight(last.date()) + timedelta(days=1)
    arguments = RunArguments(end, load_config(config), load_settings(), datetime.now(UTC))
    chosen = plan(arguments, source, Window(begin.instant, end.instant))
    for read in chosen.reads:
        rows = read.partition.manifest().rows
        typer.echo(f"{read.partition.label}: {rows:,} rows, from {read.source.place}")
    nights = ", ".join(f"{night}" for night in chosen.nights) or "no night"
    typer.echo(f"made from it: {nights}")
    if not yes:
        typer.confirm("Read this again?", abort=True)
    carry_out(arguments, chosen)
    for read in chosen.reads:
        typer.echo(f"{read.partition.label}: {read.partition.manifest().rows:,} rows now")
    if chosen.nights:
        typer.echo("run these nights again with recsys nightly --as-of DATE --full")
