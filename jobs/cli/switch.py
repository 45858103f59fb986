"""`recsys rollback` and `recsys publish`: what apps get is changed by hand."""

from typing import Annotated

import typer

from jobs.run.settings import configured_sinks, load_config, load_settings
from jobs.sinks.following import copy_run, follow
from jobs.sinks.postgres import switching
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.registry import open_sinks
from recsys.errors import ConfigError


def rollback(
    run: Annotated[
        int | None, typer.Argument(help="The run to go back to; else the one that was live before.")
    ] = None,
) -> None:
    """Let lookups answer from an older run at once.

    Sinks beside Postgres follow.

    Example: recsys rollback
    """
    target = switching.rollback(load_settings().require_postgres(), run)
    typer.echo(f"run {target} is live")
    _follow()


def publish(
    run: Annotated[int, typer.Argument(help="The run, as `recsys runs` lists it.")],
    reason: Annotated[
        str | None, typer.Option("--force", help="Why it goes live; it is recorded.")
    ] = None,
    sink: Annotated[
        str | None,
        typer.Option("--sink", help="A sink to copy it into and bring up to date."),
    ] = None,
) -> None:
    """Let a run go live that the audit held back, or bring a sink up to date.

    A sink gets the run, and the live run of Postgres goes live there.

    Example: recsys publish 12 --force "new catalogue, churn is expected"
    """
    if (reason is None) == (sink is None):
        raise typer.BadParameter("give either --force with a reason, or --sink")
    if reason is not None:
        switching.release(load_settings().require_postgres(), run, reason)
        typer.echo(f"run {run} is live")
        _follow()
    elif sink is not None:
        _catch_up(sink, run)


def _follow() -> None:
    """Brings all sinks to the live run."""
    settings = load_settings()
    if not configured_sinks(settings.config):
        return
    config = load_config()
    record = PostgresSink(settings.require_postgres(), config.ids)
    for name, sink in open_sinks(config.sinks, record.uri).items():
        follow(record, sink, config.lists.keep_runs)
        typer.echo(f"sink {name} has run {sink.live()}")


def _catch_up(name: str, run: int) -> None:
    """Copies a run into one sink, and brings it to the live run."""
    settings, config = load_settings(), load_config()
    record = PostgresSink(settings.require_postgres(), config.ids)
    sinks = open_sinks(config.sinks, record.uri)
    if name not in sinks:
        raise ConfigError(f"sinks.{name} is not configured; there is {', '.join(sinks) or 'none'}")
    copy_run(record, sinks[name], run, config.lists.keep_runs)
    follow(record, sinks[name], config.lists.keep_runs)
    typer.echo(f"sink {name} holds run {run}, and readers get run {sinks[name].live()}")
