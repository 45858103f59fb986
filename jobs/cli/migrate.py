"""`recsys migrate`: the tables, roles and functions of the published side."""

from typing import Annotated

import typer

from jobs.io import migrations
from jobs.settings import load_config, load_settings


def migrate(
    *,
    recreate: Annotated[
        bool, typer.Option("--recreate", help="First drop what is published, with its history.")
    ] = False,
) -> None:
    """Bring the published side of the database to the present schema.

    Example: recsys migrate
    """
    uri, ids = load_settings().require_postgres(), load_config().ids
    applied = migrations.migrate(uri, ids, recreate=recreate)
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to apply")
