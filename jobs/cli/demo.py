"""`recsys demo-report`: what the last run did, for a person who has just run the demo."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import typer
from psycopg2.extensions import make_dsn, parse_dsn
from pydantic import SecretStr

from jobs.cli.output import Json, figure, number, show_json, show_table, word, words
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sandbox import servers
from jobs.sinks.postgres import lookup
from jobs.stores.models import histories, read_policy
from jobs.stores.step_facts import read_facts
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import DataError
from recsys.lists.steps.reciprocal import FIGURES
from recsys.ranking.policy import RankingPolicy
from recsys.schemas import ITEMS, LISTS
from recsys.sections.ids import Ids

_USERS_SHOWN: Final = 5
_ITEMS_SHOWN: Final = 5
_RECIPROCAL: Final = "reciprocal"
"""The list step that makes lists of people, and what it calls its own."""
_NAMES: Final = {
    "matches": "expected matches, each counted for both",
    "unmatched": "share of people who can expect none",
    "gini_matches": "Gini of expected matches",
    "gini_exposure": "Gini of exposure",
    "envied": "others a person envies",
}
_UNKNOWN: Final = {"bigint": "-1", "uuid": "00000000-0000-0000-0000-000000000000", "text": "?"}


@dataclass(frozen=True)
class _Person:
    """One user with a list."""

    user: str
    touched: Sequence[str]
    """Titles of the items that the user had touched most."""
    listed: Sequence[str]
    """Titles of the first items of the list, each with its source."""


def demo_report(*, as_json: Json = False) -> None:
    """Print what the live run read, trained and published, and some of its lists.

    Example: recsys demo-report
    """
    settings, config = load_settings(), load_config()
    ids = config.ids
    uri, lake = settings.require_postgres(), lake_of(settings)
    live = [run for run in lookup.runs(uri, 100) if run.live]
    if not live:
        raise DataError("no run is live; run `recsys nightly --as-of DATE` first")
    (run,) = live
    policy = read_policy(lake, run.as_of)
    items = lake.as_of(ITEMS.name, run.as_of).read(ITEMS, ids)[c.ITEM_ID]
    users = histories(lake, run.as_of, ids)
    lists = lake.as_of(LISTS.name, run.as_of).read(LISTS, ids)
    people = list(_people(uri, ids, users, items.cast(pa.string()), _active_users(lists)))
    made_together = _RECIPROCAL in config.lists.steps
    market = _market(lake, run.as_of) if made_together else None
    if as_json:
        show_json({**_as_dict(run, policy, people), "market": market})
        return
    show_table((word(""), words("")), _facts(run, policy), f"run {run.run_id} as of {run.as_of}")
    typer.echo()
    _show_people(people)
    typer.echo()
    empty = lists.filter(pc.equal(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    nobody = (
        "a user to whom nobody may be shown"
        if config.of_people
        else "a user with everything blocked"
    )
    for who, user in (
        ("a known user", _active_users(lists)[0]),
        ("an unknown user", _UNKNOWN[ids.user]),
        (nobody, str(empty[0]) if len(empty) else None),
    ):
        if user is not None:
            typer.echo(_answer(uri, who, user))
    if market is not None:
        typer.echo()
        _show_market(market)
    typer.echo(f"look further: {shlex.join([str(servers.psql_path()), _without_password(uri)])}")


def _without_password(uri: SecretStr) -> str:
    """The same address in libpq's key=value form; psql asks for the password, if there is one."""
    parts = parse_dsn(uri.get_secret_value())
    return str(make_dsn(**{key: value for key, value in parts.items() if "password" not in key}))


def _facts(run: lookup.Run, policy: RankingPolicy) -> Iterator[tuple[str, str]]:
    for group in ("read", "rejected", "matrix"):
        facts = "\n".join(f"{name}  {value:,}" for name, value in run.stats[group].items())
        yield group, facts or "none"
    yield "models", ", ".join(policy.generators)
    yield "order", policy.summary()
    yield "lists", f"{run.stats['lists']:,}"


def _as_dict(
    run: lookup.Run, policy: RankingPolicy, people: Sequence[_Person]
) -> Mapping[str, Any]:
    return {
        "run": run.run_id,
        "as_of": run.as_of,
        **{name: run.stats[name] for name in ("read", "rejected", "matrix", "lists")},
        "models": policy.generators,
        "order": policy.summary(),
        "users": people,
    }


def _market(lake: Lake, as_of: AsOf) -> Mapping[str, Mapping[str, float | None]]:
    """Figures of the market by lists of the one's chance alone, and by those that were made."""
    facts = read_facts(lake, _RECIPROCAL, as_of)
    return {
        way: {
            name: None if math.isnan(value) else value
            for name, value in zip(FIGURES, facts[way].tolist(), strict=True)
        }
        for way in ("one_sided", _RECIPROCAL)
    }


def _show_market(market: Mapping[str, Mapping[str, float | None]]) -> None:
    """The figures that say most, by the chances that the night estimated."""
    rows = [
        (text, *(figure(figures[name]) for figures in market.values()))
        for name, text in _NAMES.items()
    ]
    columns = (word("of the whole market, as estimated"), number("one-sided"), number("reciprocal"))
    show_table(columns, rows)
    typer.echo()


def _active_users(lists: pa.Table) -> list[str]:
    """Users with a list, spread over the order of ids."""
    full = lists.filter(pc.greater(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    step = max(1, len(full) // _USERS_SHOWN)
    return [str(user) for user in full[::step][:_USERS_SHOWN].to_pylist()]


def _people(
    uri: SecretStr, ids: Ids, users: pa.Table, items: pa.ChunkedArray, shown: Sequence[str]
) -> Iterator[_Person]:
    """items: the ids as text, in order of their rows."""
    for user in users.to_pylist():
        if str(user[c.USER_ID]) in shown:
            weighed = sorted(zip(user[c.WEIGHTS], user[c.ITEM_ROWS], strict=True), reverse=True)
            touched = [items[row].as_py() for _, row in weighed[:_ITEMS_SHOWN]]
            entries = lookup.top_n(uri, str(user[c.USER_ID]), _ITEMS_SHOWN)
            named = [*touched, *(entry.item_id for entry in entries)]
            title_of = dict(zip(named, named, strict=True)) | lookup.titles(uri, ids, named)
            listed = [f"{title_of[entry.item_id]} ({entry.source})" for entry in entries]
            yield _Person(str(user[c.USER_ID]), [title_of[item] for item in touched], listed)


def _show_people(people: Sequence[_Person]) -> None:
    rows = [(p.user, "\n".join(p.touched), "\n".join([*p.listed, ""])) for p in people]
    show_table((words("user"), words("had touched most"), words("is recommended")), rows)


def _answer(uri: SecretStr, who: str, user: str) -> str:
    ids = [entry.item_id for entry in lookup.top_n(uri, user, _ITEMS_SHOWN)]
    found = ", ".join(ids) if ids else "no rows"
    return f"recs.top_n('{user}', {_ITEMS_SHOWN}), {who}: {found}"
