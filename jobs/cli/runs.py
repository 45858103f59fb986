"""`recsys runs`: which runs there are, and which is live."""

from datetime import UTC
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from jobs.run.settings import load_settings
from jobs.sinks.postgres import lookup


def runs(
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="How many, newest first.")
    ] = 10,
) -> None:
    """List the newest runs.

    Example: recsys runs -n 3
    """
    checksum = Column("checksum", overflow="fold")
    table = Table("run", "as of", "status", "live", "users", checksum, "published (UTC)")
    for run in lookup.runs(load_settings().require_postgres(), n):
        published = f"{run.published_at.astimezone(UTC):%F %T}" if run.published_at else ""
        users, found = str(run.users or ""), run.list_hash or ""
        live = "●" if run.live else ""
        table.add_row(str(run.run_id), str(run.as_of), run.status, live, users, found, published)
    Console().print(table)
