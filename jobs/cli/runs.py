"""`recsys runs`: which runs there are, and which is live."""

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Column, Table

from jobs.run.settings import Settings, configured_sinks, load_settings
from jobs.sinks.postgres import lookup


def runs(
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="How many, newest first.")
    ] = 10,
) -> None:
    """List the newest runs.

    Example: recsys runs -n 3
    """
    settings, checksum = load_settings(), Column("checksum", overflow="fold")
    table = Table("run", "as of", "status", "live", "users", checksum, "published (UTC)")
    uri = settings.require_postgres()
    listed = lookup.runs(uri, n)
    late = _behind(settings, uri, listed)
    for run in listed:
        published = f"{run.published_at.astimezone(UTC):%F %T}" if run.published_at else ""
        users, found = str(run.users or ""), run.list_hash or ""
        live, status = ("●", f"{run.status}{late}") if run.live else ("", run.status)
        table.add_row(str(run.run_id), str(run.as_of), status, live, users, found, published)
    Console().print(table)
    for run in listed:
        if tuning := (run.stats.get("tuning") or {}).get("as_of"):
            typer.echo(f"run {run.run_id} used the parameters tuned as of {tuning}")


def _behind(settings: Settings, uri: SecretStr, runs: Sequence[lookup.Run]) -> str:
    """Sinks that do not have the live run yet, to be added to its status."""
    configured = configured_sinks(settings.config)
    if not configured:
        return ""
    # What sinks need to be opened takes a second to load.
    from jobs.sinks.following import behind  # noqa: PLC0415
    from jobs.sinks.registry import open_sinks  # noqa: PLC0415

    live = next((run.run_id for run in runs if run.live), None)
    return "".join(f"; behind: {each}" for each in behind(open_sinks(configured, uri), live))
