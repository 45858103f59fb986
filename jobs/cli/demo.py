"""`recsys demo-report`: what the last run did, for a person who has just run the demo."""

import shlex
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import typer
from psycopg2.extensions import make_dsn, parse_dsn
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sandbox import servers
from jobs.sinks.postgres import lookup
from jobs.stores.models import histories, read_policy
from recsys import columns as c
from recsys.errors import DataError
from recsys.ranking.policy import RankingPolicy
from recsys.schemas import ITEMS, LISTS

_USERS_SHOWN: Final = 5
_ITEMS_SHOWN: Final = 5
_UNKNOWN: Final = {"bigint": "-1", "uuid": "00000000-0000-0000-0000-000000000000", "text": "?"}


def demo_report() -> None:
    """Print what the live run read, trained and published, and some of its lists.

    Example: recsys demo-report
    """
    settings, ids, console = load_settings(), load_config().ids, Console()
    uri, lake = settings.require_postgres(), lake_of(settings)
    live = [run for run in lookup.runs(uri, 100) if run.live]
    if not live:
        raise DataError("no run is live; run `recsys nightly --as-of DATE` first")
    (run,) = live
    console.print(_facts(run, read_policy(lake, run.as_of)))
    items = lake.as_of(ITEMS.name, run.as_of).read(ITEMS, ids)
    users = histories(lake, run.as_of, ids)
    lists = lake.as_of(LISTS.name, run.as_of).read(LISTS, ids)
    console.print(_people(uri, users, items, _active_users(lists)))
    empty = lists.filter(pc.equal(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    for who, user in (
        ("a known user", _active_users(lists)[0]),
        ("an unknown user", _UNKNOWN[ids.user]),
        ("a user with everything blocked", str(empty[0]) if len(empty) else None),
    ):
        if user is not None:
            console.print(_answer(uri, who, user), highlight=False)
    typer.echo(f"look further: {shlex.join([str(servers.psql_path()), _without_password(uri)])}")


def _without_password(uri: SecretStr) -> str:
    """The same address in libpq's key=value form; psql asks for the password, if there is one."""
    parts = parse_dsn(uri.get_secret_value())
    return str(make_dsn(**{key: value for key, value in parts.items() if "password" not in key}))


def _facts(run: lookup.Run, choice: RankingPolicy) -> Table:
    table = Table(title=f"run {run.run_id} as of {run.as_of}", show_header=False)
    stats = run.stats
    for group in ("read", "rejected", "matrix"):
        facts = "\n".join(f"{name}  {value:,}" for name, value in stats[group].items())
        table.add_row(group, facts or "none")
    table.add_row("models", ", ".join(choice.generators))
    table.add_row("order", choice.summary())
    table.add_row("lists", f"{stats['lists']:,}")
    return table


def _active_users(lists: pa.Table) -> list[str]:
    """Users with a list, spread over the order of ids."""
    full = lists.filter(pc.greater(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    step = max(1, len(full) // _USERS_SHOWN)
    return [str(user) for user in full[::step][:_USERS_SHOWN].to_pylist()]


def _people(uri: SecretStr, users: pa.Table, items: pa.Table, shown: Sequence[str]) -> Table:
    table = Table("user", "had touched most", "is recommended", show_lines=True)
    ids, titles = items[c.ITEM_ID].to_pylist(), items[c.TITLE].to_pylist()
    names = [title or str(item) for item, title in zip(ids, titles, strict=True)]
    name_of = dict(zip(map(str, ids), names, strict=True))
    for user in users.to_pylist():
        if str(user[c.USER_ID]) in shown:
            weighed = sorted(zip(user[c.WEIGHTS], user[c.ITEM_ROWS], strict=True), reverse=True)
            touched = [names[row] for _, row in weighed[:_ITEMS_SHOWN]]
            entries = lookup.top_n(uri, str(user[c.USER_ID]), _ITEMS_SHOWN)
            listed = [f"{name_of[entry.item_id]} ({entry.source})" for entry in entries]
            table.add_row(str(user[c.USER_ID]), "\n".join(touched), "\n".join(listed))
    return table


def _answer(uri: SecretStr, who: str, user: str) -> str:
    ids = [entry.item_id for entry in lookup.top_n(uri, user, _ITEMS_SHOWN)]
    found = ", ".join(ids) if ids else "no rows"
    return f"recs.top_n('{user}', {_ITEMS_SHOWN}), {who}: {found}"
