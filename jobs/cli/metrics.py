"""`recsys metrics`: how things are, as Prometheus reads it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile

from jobs.app.metrics import State, StateCollector, last_run
from jobs.app.status import NIGHTS, status
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres import lookup
from jobs.steps import NAMES
from jobs.stores.run_metrics import step_seconds
from recsys.errors import SettingsError


def metrics(
    textfile: Annotated[
        Path | None,
        typer.Option(
            help="Write to this file, replaced as a whole; its name ends with .prom, and its "
            "folder is that of node_exporter's textfile collector. Default: print."
        ),
    ] = None,
) -> None:
    """Tell how things are in Prometheus' text format, for node_exporter.

    Where Postgres does not answer, the file stays as it was, and its age tells.

    Example: recsys metrics --textfile /var/lib/node_exporter/recsys.prom
    """
    registry = CollectorRegistry()
    registry.register(StateCollector(_state()))
    if textfile is None:
        typer.echo(generate_latest(registry).decode(), nl=False)
        return
    if textfile.suffix != ".prom":
        raise SettingsError(
            f"--textfile {textfile}: node_exporter reads files whose names end with .prom; "
            "name it so"
        )
    try:
        write_to_textfile(str(textfile), registry)
    except OSError as error:
        raise SettingsError(
            f"--textfile {textfile}: cannot be written ({error.strerror or error}); name a folder "
            "that is there and that this user may write to"
        ) from error


def _state() -> State:
    settings, config = load_settings(), load_config()
    uri, lake = settings.require_postgres(), lake_of(settings)
    found = status(uri, lake, datetime.now(UTC))
    return State(
        status=found,
        last=last_run(lookup.runs(uri, 2 * NIGHTS)),
        step_seconds=step_seconds(lake, NAMES, found.nights[0].as_of) if found.nights else {},
        gates=config.gates,
    )
