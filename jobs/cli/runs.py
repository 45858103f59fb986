"""`recsys runs`: which runs there are, and which is live."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr
from upath import UPath

from jobs.cli.output import Json, minute, number, show_json, show_table, word
from jobs.run.settings import Settings, configured_sinks, load_settings
from jobs.sinks.postgres import lookup
from jobs.stores.report_files import report_file, reported_runs
from recsys.errors import LakeUnavailableError

_COLUMNS: Final = (
    number("run"),
    word("as of"),
    word("status"),
    number("users"),
    word("checksum"),
    word("published (UTC)"),
)


def runs(
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="How many, newest first.")
    ] = 10,
    *,
    as_json: Json = False,
) -> None:
    """List the newest runs.

    Example: recsys runs -n 3
    """
    settings = load_settings()
    uri = settings.require_postgres()
    listed = lookup.runs(uri, n)
    late = list(_behind(settings, uri, listed))
    reports = _reports(settings, listed)
    if as_json:
        show_json([_facts(run, late, reports.get(run.run_id)) for run in listed])
        return
    show_table(_COLUMNS, map(_row, listed))
    for run in listed:
        for remark in _remarks(run):
            typer.echo(f"run {run.run_id} {remark}")
    if reports:
        named = ", ".join(map(str, reports))
        typer.echo(f"runs with a report, whose file recsys report names: {named}")
    for sink in late:
        typer.echo(f"behind the live run: {sink}")


def _row(run: lookup.Run) -> tuple[str, ...]:
    return (
        str(run.run_id),
        str(run.as_of),
        "live" if run.live else run.status,
        "" if run.users is None else f"{run.users:,}",
        run.list_hash or "",
        minute(run.published_at),
    )


def _remarks(run: lookup.Run) -> Iterator[str]:
    if run.status == "held":
        yield f"is held back: {'; '.join(run.violations)}"
    if run.tuned_as_of:
        yield f"used the parameters tuned as of {run.tuned_as_of}"


def _reports(settings: Settings, runs: Sequence[lookup.Run]) -> dict[int, UPath]:
    """The report of each run that has one; none where the lake does not answer."""
    root = settings.lake
    if not isinstance(root, Path):
        # What reaches elsewhere takes a second to load.
        from jobs.run.entrypoint import lake_of  # noqa: PLC0415

        try:
            lake_of(settings)
        except LakeUnavailableError:
            return {}
    there = reported_runs(root)
    return {run.run_id: report_file(root, run.run_id) for run in runs if run.run_id in there}


def _facts(run: lookup.Run, late: Sequence[str], report: UPath | None) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "as_of": run.as_of,
        "status": run.status,
        "live": run.live,
        "users": run.users,
        "checksum": run.list_hash,
        "published_at": run.published_at,
        "gates_not_passed": run.violations,
        "tuned_as_of": run.tuned_as_of,
        "sinks_behind": late if run.live else [],
        "report": None if report is None else str(report),
    }


def _behind(settings: Settings, uri: SecretStr, runs: Sequence[lookup.Run]) -> Iterator[str]:
    """Sinks that do not have the live run yet, each in words."""
    configured = configured_sinks(settings.config)
    if not configured:
        return
    # What sinks need to be opened takes a second to load.
    from jobs.sinks.following import behind  # noqa: PLC0415
    from jobs.sinks.registry import open_sinks  # noqa: PLC0415

    live = next((run.run_id for run in runs if run.live), None)
    yield from behind(open_sinks(configured, uri), live)
