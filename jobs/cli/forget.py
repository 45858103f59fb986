"""`recsys forget-user`: erase a person."""

from typing import Annotated

import pyarrow as pa
import typer

from jobs.app.forgetting import erase
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.registry import open_sinks
from recsys.errors import DataError
from recsys.ids import canonical_ids


def forget_user(
    user: Annotated[str, typer.Argument(help="The user's id, as the source has it.")],
) -> None:
    """Erase a person from the lake, the models, the quarantine and every kept run.

    The sources are yours to clear: what they still hold, the next night reads.

    Example: recsys forget-user 42
    """
    settings, config = load_settings(), load_config()
    (known,) = canonical_ids(pa.array([user], pa.string()), config.ids.user).to_pylist()
    if known is None:
        raise DataError(f"{user!r} is not a {config.ids.user}, which [ids] says user ids are")
    typer.echo("waiting until no job uses the lake", err=True)
    record = PostgresSink(settings.require_postgres(), config.ids)
    sinks = open_sinks(config.sinks, record.uri).values()
    done = erase(record, sinks, lake_of(settings), config, known)
    typer.echo(f"{done.rewritten} partitions rewritten, {done.dropped} matrices and models dropped")
    if done.left:
        raise DataError(f"a search still finds {user} in {done.left} rows; run the command again")
    typer.echo(f"a search of lake and published lists finds nothing of {user}")
