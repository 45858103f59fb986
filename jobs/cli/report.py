"""`recsys report`: a run on one page."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.report.writing import report_run
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings


def report(
    run: Annotated[
        int | None, typer.Argument(help="The run, as `recsys runs` lists it; else the newest.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Write the report of a run as one HTML file, and print where it is.

    Every night leaves one, also where its run is held back. Written anew, it says what has become
    of the run since.

    Example: recsys report 12
    """
    settings, known = load_settings(), load_config(config)
    lake = lake_of(settings)
    with lake.in_use():
        typer.echo(report_run(settings.require_postgres(), lake, known, run))
