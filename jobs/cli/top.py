"""`recsys top`: a user's list."""

from typing import Annotated

import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.titles import titles_of
from jobs.io import lookup
from jobs.settings import load_config, load_settings
from recsys.errors import DataError
from recsys.ids import canonical_ids


def top(
    user: Annotated[str, typer.Argument(help="The user's id, as the source has it.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="Length of the list.")
    ] = 20,
    segment: Annotated[
        str | None,
        typer.Option(help="Segment, as path=value, whose list answers for a user without one."),
    ] = None,
) -> None:
    """Show a user's list, as an app gets it.

    Example: recsys top 42 -n 10 --segment home.country=IT
    """
    settings, ids = load_settings(), load_config().ids
    (known,) = canonical_ids(pa.array([user], pa.string()), ids.user).to_pylist()
    if known is None:
        raise DataError(f"{user!r} is not a {ids.user}, which [ids] says user ids are")
    items = lookup.top_n(settings.require_postgres(), str(known), n, segment)
    titles = titles_of([item.item_id for item in items])
    table = Table("rank", "item", "title", "score", "source")
    for item in items:
        title = titles.get(item.item_id, "")
        table.add_row(str(item.rank), item.item_id, title, f"{item.score:.3f}", item.source)
    Console().print(table if items else f"nothing to recommend to {user}")
