"""`recsys runs`, `rollback`, `publish`: which run is live, and changing it by hand."""

from datetime import UTC
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.io import lookup, switching
from jobs.settings import load_settings


def runs(
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="How many, newest first.")
    ] = 10,
) -> None:
    """List the newest runs.

    Example: recsys runs -n 3
    """
    table = Table("run", "as of", "status", "live", "users", "checksum", "published (UTC)")
    for run in lookup.runs(load_settings().require_postgres(), n):
        published = f"{run.published_at.astimezone(UTC):%F %T}" if run.published_at else ""
        users, checksum = str(run.users or ""), run.list_hash or ""
        live = "●" if run.live else ""
        table.add_row(str(run.run_id), str(run.as_of), run.status, live, users, checksum, published)
    Console().print(table)


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
