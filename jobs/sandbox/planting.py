"""The random part of the made-up marketplace: who likes what, and what they do and when.

Users, items and groups are numbered from 0. Times are milliseconds since 1970, as MongoDB keeps
them.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from jobs.sandbox.vocabulary import GROUPS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator

DAY: Final = 86_400_000
#: Share of a user's events on items of the user's own group.
SHARE_INSIDE: Final = 0.85
#: The item of rank r in its group draws 1 / r**SKEW of what the first draws (Zipf).
SKEW: Final = 0.7
#: One event in so many is received days late, and one in so many is stored twice.
LATE_EVERY: Final = 200
DUPLICATE_EVERY: Final = 500

_KINDS: Final = ("like", "bookmark", "purchase", "rating")
_KIND_SHARES: Final = (0.45, 0.2, 0.15, 0.2)


@dataclass(frozen=True)
class World:
    """Members, items and tastes, independent of time."""

    user_group: Ints
    """(users,) the group of each user's taste."""
    item_group: Ints
    """(items,) the group each item belongs to."""
    activity: Floats
    """(users,) share of all events that each user causes; 0 for a new user."""
    popularity: Floats
    """(items,) relative pull of each item on its group; 0 for a new item."""
    active: Mask
    """(users,) whether the user is an active member."""
    available: Mask
    """(items,) whether the item can be recommended."""


@dataclass(frozen=True)
class Period:
    """Times of actions."""

    start: int
    end: int
    """Exclusive."""
    user_created: Ints
    """(users,) when each user joined."""
    item_created: Ints
    """(items,) when each item was listed."""


@dataclass(frozen=True)
class Actions:
    """Events as columns of equal length, one place an event."""

    user: Ints
    item: Ints
    kind: npt.NDArray[np.str_]
    value: Floats
    """NaN where the event has none."""
    at: Ints
    received: Ints

    def take(self, places: Ints) -> "Actions":
        """The events at some places, in their order."""
        return Actions(
            user=self.user[places],
            item=self.item[places],
            kind=self.kind[places],
            value=self.value[places],
            at=self.at[places],
            received=self.received[places],
        )


def draw_world(users: int, items: int, rng: Rng) -> World:
    """Groups of unequal popularity; 2 % new users, 5 % rare ones, 3 % new items."""
    share = 1 / np.sqrt(np.arange(len(GROUPS)) + 2)
    user_group = rng.choice(len(GROUPS), users, p=share / share.sum())
    item_group = rng.permutation(np.arange(items) % len(GROUPS))
    activity = rng.lognormal(sigma=0.7, size=users)
    order = rng.permutation(users)
    new, rare = users // 50, users // 20
    activity[order[new : new + rare]] *= 0.05
    activity[order[:new]] = 0
    popularity = _rank_in_group(item_group) ** -SKEW
    popularity[rng.permutation(items)[: items * 3 // 100]] = 0
    available = np.ones(items, bool)
    available[rng.permutation(np.flatnonzero(popularity))[: items // 50]] = False
    active = np.ones(users, bool)
    active[order[new + rare : new + rare + users // 100]] = False
    return World(user_group, item_group, activity / activity.sum(), popularity, active, available)


def _rank_in_group(group: Ints) -> Floats:
    """(n,) from 1, the place of each among those of its group, which are in random order."""
    rank = np.empty(len(group))
    for g in range(len(GROUPS)):
        rank[group == g] = np.arange(np.count_nonzero(group == g)) + 1.0
    return rank


def draw_period(world: World, start: int, end: int, rng: Rng) -> Period:
    """Most are older than the period; some join or are listed within it, newcomers at its end."""
    rare = world.activity < 0.1 * np.median(world.activity)
    user_created = created(rare, start, end, rng)
    item_created = created(world.popularity == 0, start, end, rng)
    return Period(start, end, user_created, item_created)


def created(newcomers: Mask, start: int, end: int, rng: Rng) -> Ints:
    """(n,) when each joined or was listed; newcomers at the end."""
    length, many = end - start, len(newcomers)
    before = start - rng.random(many) * 300 * DAY
    within = start + rng.random(many) * 0.7 * length
    late = end - rng.random(many) * min(7 * DAY, 0.3 * length)
    created = np.where(rng.random(many) < 0.8, before, within)
    return np.where(newcomers, late, created).astype(np.int64)


def draw_views(world: World, period: Period, count: int, rng: Rng) -> Actions:
    """Views, more of them towards the end; users come back to what is popular in their group."""
    user = rng.choice(len(world.activity), count, p=world.activity)
    own = world.user_group[user]
    other = (own + rng.integers(1, len(GROUPS), count)) % len(GROUPS)
    group = np.where(rng.random(count) < SHARE_INSIDE, own, other)
    item = _draw_items(world, group, rng)
    first = np.maximum(period.user_created[user], period.item_created[item])
    first = np.maximum(first, period.start)
    at = first + ((period.end - first) * rng.random(count) ** 0.7).astype(np.int64)
    kind = np.full(count, "view")
    return received(Actions(user, item, kind, np.full(count, np.nan), at, at), period, rng)


def _draw_items(world: World, group: Ints, rng: Rng) -> Ints:
    """(n,) an item of each of (n,) groups, by popularity."""
    items = np.empty_like(group)
    for g in range(len(GROUPS)):
        members = np.flatnonzero(world.item_group == g)
        weight = world.popularity[members]
        wanted = group == g
        drawn = rng.choice(members, np.count_nonzero(wanted), p=weight / weight.sum())
        items[wanted] = drawn
    return items


def draw_explicit(world: World, period: Period, views: Actions, count: int, rng: Rng) -> Actions:
    """Likes, bookmarks, purchases and ratings, each within two hours of a view of that item."""
    viewed = views.take(rng.choice(len(views.user), count, replace=count > len(views.user)))
    room = np.minimum(DAY // 12, period.end - viewed.at)
    at = viewed.at + (room * rng.random(count)).astype(np.int64)
    kind = rng.choice(_KINDS, count, p=_KIND_SHARES)
    inside = world.user_group[viewed.user] == world.item_group[viewed.item]
    stars = np.where(inside, rng.integers(7, 11, count), rng.integers(2, 8, count)) / 2
    value = np.where(kind == "rating", stars, np.nan)
    return received(Actions(viewed.user, viewed.item, kind, value, at, at), period, rng)


def received(actions: Actions, period: Period, rng: Rng) -> Actions:
    """The events in the order of their arrival: within a minute, some late, some twice."""
    count = len(actions.at)
    lag = rng.integers(50, 60_000, count)
    early = np.flatnonzero(actions.at < period.end - 6 * DAY)
    late = rng.permutation(early)[: count // LATE_EVERY]
    lag[late] = rng.integers(DAY, 5 * DAY, len(late))
    received = np.minimum(actions.at + lag, period.end - 1)
    twice = rng.choice(count, count // DUPLICATE_EVERY, replace=False)
    places = np.concatenate([np.arange(count), twice])
    places = places[np.argsort(received[places], kind="stable")]
    return replace(actions, received=received).take(places)
