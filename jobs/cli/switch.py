"""`recsys rollback` and `recsys publish`: another run goes live by hand."""

from typing import Annotated

import typer

from jobs.run.settings import load_settings
from jobs.sinks.postgres import switching


def rollback(
    run: Annotated[
        int | None, typer.Argument(help="The run to go back to; else the one that was live before.")
    ] = None,
) -> None:
    """Let lookups answer from an older run at once.

    Example: recsys rollback
    """
    target = switching.rollback(load_settings().require_postgres(), run)
    typer.echo(f"run {target} is live")


def publish(
    run: Annotated[int, typer.Argument(help="The run, as `recsys runs` lists it.")],
    reason: Annotated[str, typer.Option("--force", help="Why; it is recorded.")],
) -> None:
    """Let a run go live that the audit held back.

    Example: recsys publish 12 --force "new catalogue, churn is expected"
    """
    switching.release(load_settings().require_postgres(), run, reason)
    typer.echo(f"run {run} is live")
