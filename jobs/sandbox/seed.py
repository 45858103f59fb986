"""A made-up marketplace whose truth is known: taste groups, popularity, newcomers, dirty rows.

Pure: the same arguments give the same market, and one seed gives the same truth for every period.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from jobs.sandbox.market import BLOCKS, EVENTS, INTERACTIONS, ITEMS, USERS, Market
from jobs.sandbox.planting import (
    DAY,
    Period,
    Rng,
    World,
    draw_explicit,
    draw_period,
    draw_views,
    draw_world,
)
from jobs.sandbox.profiles import item_profiles, item_titles, user_names, user_profiles
from jobs.sandbox.rows import (
    FUTURE,
    Id,
    action_table,
    external_ids,
    instants,
    stray_event,
    with_dirty,
)
from jobs.sandbox.vocabulary import GROUPS
from jobs.sources.documents import Document
from recsys.as_of import AsOf
from recsys.sections.ids import Ids

MIN_ITEMS: Final = len(GROUPS)
#: Share of the events that are views, in MongoDB; the others are explicit, in Postgres.
SHARE_VIEWS: Final = 0.7
#: Planted rows that cannot be used, by what is wrong with them.
DIRTY: Final[Mapping[str, int]] = {
    "null id": 4,
    "unknown type": 2,
    "value not finite": 2,
    "time in the future": 2,
    "time unparsable": 1,
}

_BIGINT_IDS: Final = Ids()
_FIRST_USER: Final = 1
_FIRST_ITEM: Final = 100_001


@dataclass(frozen=True)
class Planted:
    """The truth behind a seeded market, by external id; a group is its place in GROUPS."""

    user_groups: Mapping[Id, int]
    item_groups: Mapping[Id, int]
    new_users: frozenset[Id]
    """Users without any event."""
    new_items: frozenset[Id]
    """Items without any event."""
    blocks_everything: Id
    """An active user who has blocked every item."""


def planted_groups(users: int, items: int, seed: int, ids: Ids = _BIGINT_IDS) -> Planted:
    """The truth that `make_market` plants for the same arguments."""
    world = _world(users, items, seed)
    names = _names(users, items, ids)
    user_ids, item_ids = names.users.to_pylist(), names.items.to_pylist()
    return Planted(
        user_groups=dict(zip(user_ids, world.user_group.tolist(), strict=True)),
        item_groups=dict(zip(item_ids, world.item_group.tolist(), strict=True)),
        new_users=frozenset(user_ids[i] for i in np.flatnonzero(world.activity == 0)),
        new_items=frozenset(item_ids[i] for i in np.flatnonzero(world.popularity == 0)),
        blocks_everything=user_ids[_blocker(world)],
    )


def make_market(
    users: int,
    items: int,
    days: int,
    events: int,
    seed: int,
    end: AsOf,
    ids: Ids = _BIGINT_IDS,
) -> Market:
    """A market with `events` usable events in the `days` before `end`.

    To them come repeated deliveries (one in DUPLICATE_EVERY) and the rows of DIRTY. There must be
    at least MIN_ITEMS items and 2 events.
    """
    world, names = _world(users, items, seed), _names(users, items, ids)
    rng = np.random.default_rng([seed, 1])
    until = round(end.instant.timestamp()) * 1000
    period = draw_period(world, until - days * DAY, until, rng)
    count = round(events * SHARE_VIEWS)
    views = draw_views(world, period, count, rng)
    explicit = draw_explicit(world, period, views, events - count, rng)
    titles = item_titles(world.item_group, rng)
    dirty_at = end.instant - timedelta(hours=12)
    return Market(
        users=_users(world, names, period, rng),
        items=_items(world, names, period, titles),
        interactions=with_dirty(
            action_table(names.users, names.items, explicit, INTERACTIONS), dirty_at, _DIRTY_ROWS
        ),
        blocks=_blocks(world, names, period, rng),
        events=with_dirty(
            action_table(names.users, names.items, views, EVENTS), dirty_at, _DIRTY_EVENTS
        ),
        item_profiles=item_profiles(names.items.to_pylist(), titles, world.item_group, rng),
        user_profiles=user_profiles(names.users.to_pylist(), world.user_group, rng),
        as_of=end,
        stray_events=[stray_event(names.users[0].as_py(), names.items[0].as_py(), dirty_at)],
    )


@dataclass(frozen=True)
class _Names:
    """The external ids, by number."""

    users: pa.Array
    items: pa.Array


def _names(users: int, items: int, ids: Ids) -> _Names:
    return _Names(
        external_ids("user", _FIRST_USER, users, ids.user),
        external_ids("item", _FIRST_ITEM, items, ids.item),
    )


def _world(users: int, items: int, seed: int) -> World:
    return draw_world(users, items, np.random.default_rng([seed, 0]))


def _blocker(world: World) -> int:
    return int(np.flatnonzero(world.active & (world.activity > 0))[-1])


_DIRTY_ROWS: Final[Sequence[Document]] = (
    {"user_id": None},
    {"item_id": None},
    {"kind": "teleport"},
    {"kind": "rating", "value": math.nan},
    {"kind": "rating", "value": math.inf},
    {"created_at": FUTURE},
)
_DIRTY_EVENTS: Final[Sequence[Document]] = (
    {"user_id": None},
    {"item_id": None},
    {"type": "teleport"},
    {"ts": FUTURE},
)


def _users(world: World, names: _Names, period: Period, rng: Rng) -> pa.Table:
    called = pa.array(user_names(len(names.users), rng))
    created = instants(period.user_created)
    return pa.table([names.users, called, pa.array(world.active), created], names=list(USERS))


def _items(world: World, names: _Names, period: Period, titles: list[str]) -> pa.Table:
    available, created = pa.array(world.available), instants(period.item_created)
    return pa.table([names.items, pa.array(titles), available, created], names=list(ITEMS))


def _blocks(world: World, names: _Names, period: Period, rng: Rng) -> pa.Table:
    """Every tenth user has blocked up to three items; one user has blocked all."""
    users, items = len(names.users), len(names.items)
    picky = np.repeat(rng.choice(users, users // 10, replace=False), 3)
    some = np.unique(picky * items + rng.integers(items, size=len(picky)))
    every = _blocker(world) * items + np.arange(items)
    user, item = np.divmod(np.union1d(some, every), items)
    at = rng.integers(period.start, period.end, len(user))
    columns = [names.users.take(pa.array(user)), names.items.take(pa.array(item)), instants(at)]
    return pa.table(columns, names=list(BLOCKS))
