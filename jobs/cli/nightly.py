"""`recsys nightly`: a night without Airflow."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.app.nightly import run_steps
from jobs.cli.as_of import as_of_option
from jobs.run.entrypoint import RunArguments
from jobs.run.reporting import start_log
from jobs.run.settings import load_config, load_settings
from recsys.as_of import AsOf


def nightly(
    as_of: Annotated[AsOf, as_of_option("Exclusive UTC bound of what the run knows.")],
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    promote: Annotated[
        bool | None,
        typer.Option(
            help="Go live whatever is live, or leave the live run alone.",
            show_default="go live unless the live run is of a later instant",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Make everything anew, whatever nights.full_every says.")
    ] = False,
) -> None:
    """Run the nightly jobs in order, without Airflow.

    Example: recsys nightly --as-of 2026-01-01
    """
    start_log()
    arguments = RunArguments(
        as_of, load_config(config), load_settings(), datetime.now(UTC), promote, full
    )
    console = Console(stderr=True)
    with console.status("starting") as status:
        for name, seconds in run_steps(arguments, lambda step: status.update(f"{step} …")):
            console.print(f"[green]✓[/] {name} [dim]{seconds:.1f} s[/]")
