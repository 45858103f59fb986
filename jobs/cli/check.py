"""`recsys check`: what would stop a night, before it begins."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.output import Json, show_json
from jobs.readiness import problems
from jobs.run.settings import load_config, load_settings


def check(
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """List everything that is wrong with sources, rights, settings and the published side.

    Reads some rows of each source as a night does, without Spark. The exit
    code is that of the first problem.

    Example: recsys check
    """
    settings = load_settings()
    found = problems(load_config(config), settings)
    if as_json:
        told = [
            {
                "place": problem.place,
                "error": type(problem.error).__name__,
                "exit_code": problem.error.exit_code,
                "message": str(problem.error),
            }
            for problem in found
        ]
        show_json(told)
    else:
        for problem in found:
            typer.echo(f"{problem.place}: {problem.error}")
        if not found:
            typer.echo("nothing is wrong: a night can begin")
    if found:
        raise typer.Exit(found[0].error.exit_code)
