"""`recsys check`: what would stop a night, before it begins."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.readiness import problems
from jobs.run.settings import load_config, load_settings


def check(
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
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
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        for problem in found:
            typer.echo(f"{problem.place}: {problem.error}")
        if not found:
            typer.echo("nothing is wrong: a night can begin")
    if found:
        raise typer.Exit(found[0].error.exit_code)
