"""`recsys migrate`: the tables, roles and functions of the published side."""

from typing import Annotated

import typer

from jobs.run.settings import load_config, load_settings
from jobs.sandbox.replacing import check_no_runs
from jobs.sinks.postgres import migrations


def migrate(
    *,
    recreate: Annotated[
        bool, typer.Option("--recreate", help="First drop what is published, with its history.")
    ] = False,
    replace_published: Annotated[
        bool,
        typer.Option("--replace-published", help="With --recreate: also where runs are published."),
    ] = False,
) -> None:
    """Bring the published side of the database to the present schema.

    Example: recsys migrate
    """
    uri, ids = load_settings().require_postgres(), load_config().ids
    if recreate and not replace_published:
        check_no_runs(uri)
    applied = migrations.migrate(uri, ids, recreate=recreate)
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to apply")
