"""`recsys demo-report`: what the last run did, for a person who has just run the demo."""

import shlex
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from jobs.cli.titles import titles_of
from jobs.io import lookup
from jobs.io.features import interactions
from jobs.io.lake import Lake
from jobs.sandbox import servers
from jobs.settings import load_config, load_settings
from recsys import columns as c
from recsys.errors import DataError
from recsys.schemas import ITEMS, TOP_N

_USERS_SHOWN: Final = 5
_ITEMS_SHOWN: Final = 5
_UNKNOWN: Final = {"bigint": "-1", "uuid": "00000000-0000-0000-0000-000000000000", "text": "?"}


def demo_report() -> None:
    """Print what the live run read, trained and published, and some of its lists.

    Example: recsys demo-report
    """
    settings, ids, console = load_settings(), load_config().ids, Console()
    uri, lake = settings.require_postgres(), Lake(settings.lake)
    live = [run for run in lookup.runs(uri, 100) if run.live]
    if not live:
        raise DataError("no run is live; run `recsys nightly --as-of DATE` first")
    (run,) = live
    console.print(_facts(run))
    items = lake.as_of(ITEMS.name, run.as_of).read(ITEMS, ids)
    users = interactions(lake, run.as_of, ids)
    lists = lake.as_of(TOP_N.name, run.as_of).read(TOP_N, ids)
    console.print(_people(uri, users, items, _active_users(lists)))
    empty = lists.filter(pc.equal(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    for who, user in (
        ("a known user", _active_users(lists)[0]),
        ("an unknown user", _UNKNOWN[ids.user]),
        ("a user with everything blocked", str(empty[0]) if len(empty) else None),
    ):
        if user is not None:
            console.print(_answer(uri, who, user), highlight=False)
    psql = shlex.join([str(servers.psql_path()), uri.get_secret_value()])
    typer.echo(f"look further: {psql}")


def _facts(run: lookup.Run) -> Table:
    table = Table(title=f"run {run.run_id} as of {run.as_of}", show_header=False)
    stats = run.stats
    for group in ("read", "rejected", "matrix", "models"):
        facts = "\n".join(f"{name}  {_fact(value)}" for name, value in stats[group].items())
        table.add_row(group, facts or "none")
    table.add_row("lists", f"{stats['lists']:,}")
    return table


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{v} {k}" for k, v in value.items())
    return f"{value:,}"


def _active_users(lists: pa.Table) -> list[str]:
    """Users with a list, spread over the order of ids."""
    full = lists.filter(pc.greater(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    step = max(1, len(full) // _USERS_SHOWN)
    return [str(user) for user in full[::step][:_USERS_SHOWN].to_pylist()]


def _people(uri: SecretStr, users: pa.Table, items: pa.Table, shown: Sequence[str]) -> Table:
    table = Table("user", "had touched most", "is recommended", show_lines=True)
    names = [t or str(i) for i, t in zip(*(items[n].to_pylist() for n in _NAMES), strict=True)]
    for user in users.to_pylist():
        if str(user[c.USER_ID]) in shown:
            weighed = sorted(zip(user[c.WEIGHTS], user[c.ITEM_ROWS], strict=True), reverse=True)
            touched = [names[row] for _, row in weighed[:_ITEMS_SHOWN]]
            entries = lookup.top_n(uri, str(user[c.USER_ID]), _ITEMS_SHOWN)
            titles = titles_of([entry.item_id for entry in entries])
            listed = [f"{titles.get(e.item_id, e.item_id)} ({e.source})" for e in entries]
            table.add_row(str(user[c.USER_ID]), "\n".join(touched), "\n".join(listed))
    return table


_NAMES: Final = (c.ITEM_ID, c.TITLE)


def _answer(uri: SecretStr, who: str, user: str) -> str:
    ids = [entry.item_id for entry in lookup.top_n(uri, user, _ITEMS_SHOWN)]
    found = ", ".join(ids) if ids else "no rows"
    return f"recs.top_n('{user}', {_ITEMS_SHOWN}), {who}: {found}"
