"""Titles of published items, for people to read."""

from collections.abc import Sequence

import typer

from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres import lookup
from recsys import columns as c
from recsys.schemas import ITEMS


def titles_of(item_ids: Sequence[str]) -> dict[str, str]:
    """Titles by id in text form, as the live run saw them.

    There are none where the lake does not have the live run's items, which standard error is told.
    """
    settings = load_settings()
    live = [run for run in lookup.runs(settings.require_postgres(), 100) if run.live]
    if not live:
        return {}
    partition = lake_of(settings).as_of(ITEMS.name, live[0].as_of)
    if not partition.exists():
        typer.echo(
            f"no titles: the lake {settings.lake} has no items as of {live[0].as_of}, the live "
            "run's date; RECSYS_LAKE says where the lake is",
            err=True,
        )
        return {}
    wanted = set(item_ids)
    items = partition.read(ITEMS, load_config().ids)
    pairs = zip(items[c.ITEM_ID].to_pylist(), items[c.TITLE].to_pylist(), strict=True)
    return {str(item): title for item, title in pairs if title and str(item) in wanted}
