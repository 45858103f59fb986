"""A made-up market in Postgres that benchmarks run on, and the configuration that reads it."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement
from jobs.sinks.postgres.migrations import with_id_types
from recsys.arrays import Ints
from recsys.as_of import AsOf
from recsys.schemas import TIMESTAMP
from recsys.sections.ids import Ids
from tests.logins import as_admin

DAY = AsOf.parse("2026-01-01")
HISTORY_DAYS = 365
#: The shipped configuration without the sources in MongoDB.
CONFIG = """
[sources.users]
table = "market.users"
columns = { user_id = "user_id", active = "active" }

[sources.items]
table = "market.items"
columns = { item_id = "item_id", available = "available" }

[sources.interactions]
table = "market.interactions"
columns = { user_id = "user_id", item_id = "item_id", event_type = "kind", occurred_at = "created_at", arrived_at = "received_at" }

[events]
view = { weight = 1.0, half_life_days = 90 }
like = { weight = 3.0, half_life_days = 365 }
bookmark = { weight = 3.0, half_life_days = 365 }
purchase = { weight = 5.0, half_life_days = 365 }
"""  # noqa: E501
#: Kinds of interaction and their shares.
KINDS = {"view": 0.7, "like": 0.2, "bookmark": 0.05, "purchase": 0.05}
GROUPS = 50
_USERS_A_PART = 200_000

Tables = Mapping[str, pa.Table]


def market(users: int, items: int, interactions: int, seed: int) -> dict[str, pa.Table]:
    """Users who differ in how much they do, items in how popular they are, by a power law.

    Users and items are of groups, and half of what a user does is within the own group. A user
    does something with an item once at most.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0.0, 1.0, users)
    popularity = 1.0 / np.arange(1, items + 1) ** 0.7
    pairs = np.empty(0, np.int64)
    while len(pairs) < interactions:
        count = int(1.3 * (interactions - len(pairs))) + 1000
        who = rng.choice(users, count, p=activity / activity.sum())
        what = rng.choice(items, count, p=popularity / popularity.sum())
        near = what - what % GROUPS + who % GROUPS
        what = np.where((rng.random(count) < 0.5) & (near < items), near, what)
        pairs = np.union1d(pairs, who * items + what)
    pairs = np.sort(rng.choice(pairs, interactions, replace=False))
    kinds = rng.choice(len(KINDS), interactions, p=list(KINDS.values()))
    ago = rng.integers(1, HISTORY_DAYS * 86_400, interactions)
    return {
        "users": pa.table({"user_id": np.arange(users), "active": [True] * users}),
        "items": pa.table({"item_id": np.arange(items), "available": [True] * items}),
        "interactions": _interactions(pairs // items, pairs % items, kinds, ago, DAY),
    }


def in_parts(users: int, items: int, interactions: int, seed: int) -> Iterator[Tables]:
    """A market part by part, of so many users each as fit into memory; the first has the items."""
    parts = -(-users // _USERS_A_PART)
    for part in range(parts):
        first, last = (users * n // parts for n in (part, part + 1))
        made = market(last - first, items, interactions // parts, seed + part)
        for name in ("users", "interactions"):
            moved = pc.add(made[name]["user_id"], first)
            made[name] = made[name].set_column(0, "user_id", moved)
        yield made if part == 0 else {name: made[name] for name in ("users", "interactions")}


def day_after(
    made: dict[str, pa.Table], day: AsOf, events: int, visit: int, seed: int
) -> dict[str, pa.Table]:
    """Interactions that arrive in the 24 hours before a date: visits of so many events each.

    Users come in proportion to what they did before, and items are met in proportion to how often
    they were, half of them within the user's group.
    """
    rng, before = np.random.default_rng(seed), made["interactions"]
    visits = -(-events // visit)
    who = rng.choice(before["user_id"].to_numpy(), visits).repeat(visit)[:events]
    what = rng.choice(before["item_id"].to_numpy(), events)
    near = what - what % GROUPS + who % GROUPS
    what = np.where((rng.random(events) < 0.5) & (near < len(made["items"])), near, what)
    kinds = rng.choice(len(KINDS), events, p=list(KINDS.values()))
    return {"interactions": _interactions(who, what, kinds, rng.integers(1, 86_400, events), day)}


def _interactions(who: Ints, what: Ints, kinds: Ints, ago: Ints, day: AsOf) -> pa.Table:
    """Rows of the source table. ago: seconds before the date."""
    end = int(day.instant.timestamp()) * 1_000_000
    times = pa.array(end - ago * 1_000_000, pa.int64()).cast(TIMESTAMP)
    columns = {
        "user_id": who,
        "item_id": what,
        "kind": pa.array(list(KINDS)).take(pa.array(kinds)),
        "created_at": times,
        "received_at": times,
    }
    return pa.table(columns).sort_by("created_at")


def fill(uri: SecretStr, parts: Iterable[Tables]) -> None:
    """Creates the source tables, loads them and tidies up, which else the first reader would do."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(with_id_types(statement("market/create"), Ids()))
    for tables in parts:
        add(uri, tables)
    with connect(as_admin(uri)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")


def add(uri: SecretStr, tables: Tables) -> None:
    """Adds rows to source tables."""
    with dbapi.connect(uri.get_secret_value()) as loader, loader.cursor() as cursor:
        for name, table in tables.items():
            cursor.adbc_ingest(name, table, mode="append", db_schema_name="market")
        loader.commit()
