"""Outcomes: what came of the items that users turned to, out of recent events.

An outcome whose time is not over at the end of what is known is neither a yes nor a no.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logit

from recsys import columns as c
from recsys.arrays import Floats, Ints, Mask
from recsys.as_of import AsOf
from recsys.dataset.training import OutcomeRates, Training
from recsys.people.eligibility import Eligibility
from recsys.sections.objectives import Objective

_DAY: Final = 86_400_000_000
_PRIOR: Final = 10.0
"""Pairs that the rate of all counts as, beside those of an item or a user."""


@dataclass(frozen=True)
class Events:
    """Events, an entry each; times are microseconds since 1970."""

    users: Ints
    items: Ints
    types: pa.ChunkedArray
    liked: Mask
    occurred: Ints
    known: Ints

    @classmethod
    def of(cls, recent: pa.Table) -> Self:
        """recent: the `recent_events` table."""
        times = (recent[name].cast(pa.int64()) for name in (c.OCCURRED_AT, c.ARRIVED_AT))
        return cls(
            recent[c.USER_ROW].to_numpy().astype(np.int64),
            recent[c.ITEM_ROW].to_numpy().astype(np.int64),
            recent[c.EVENT_TYPE],
            recent[c.LIKED].to_numpy(),
            *(each.to_numpy() for each in times),
        )

    def where(self, chosen: Mask) -> Self:
        """Some of the events."""
        return type(self)(
            self.users[chosen],
            self.items[chosen],
            self.types.filter(pa.array(chosen)),
            self.liked[chosen],
            self.occurred[chosen],
            self.known[chosen],
        )

    def of_types(self, names: tuple[str, ...]) -> Mask:
        """(n,) whether an event is of one of some types."""
        found = pc.is_in(self.types, value_set=pa.array(names, pa.string()))
        return np.asarray(found.to_numpy(), np.bool_)

    @cached_property
    def pairs(self) -> Ints:
        """(n,) one number for the user and the item of each."""
        return self.users << 32 | self.items


@dataclass(frozen=True)
class Outcomes:
    """Pairs of users and items that something came of, or that it may still come of.

    Pairs are numbers as `Events.pairs`, each once.
    """

    yes: Ints
    no: Ints
    """Turned to, and nothing came of it in time; of events, none."""
    open: Ints
    """Turned to so late that nobody knows yet."""

    def labels(self, users: Ints, items: Ints) -> tuple[Mask, Mask]:
        """(p,) of pairs whether it came, and whether that is known; whoever did not turn to an item
        has a no."""
        pairs = users << 32 | items
        return np.isin(pairs, self.yes), ~np.isin(pairs, self.open)


def outcomes(
    objective: Objective, events: Events, since: AsOf | None, end: AsOf, people: Eligibility | None
) -> Outcomes:
    """Outcomes of what became known from an instant on, as far as was known at the end.

    since: None from the beginning. people: whose rows are which items; None where they are not.
    """
    known = events.where(events.known < _micros(end))
    fresh = known if since is None else known.where(known.known >= _micros(since))
    none = np.empty(0, np.int64)
    if objective.events:
        return Outcomes(np.unique(fresh.pairs[fresh.of_types(objective.events)]), none, none)
    wait = objective.wait_days * _DAY
    turned = _firsts(fresh.where(fresh.liked))
    over = turned.occurred + wait <= _micros(end)
    if objective.reply_within_days:
        came = _replied(turned, known, wait, people)
    else:
        times = turned.occurred + _DAY, turned.occurred + wait
        came = _came_between(turned.users, *times, known.users, known.occurred)
    pairs = turned.pairs
    return Outcomes(pairs[over & came], pairs[over & ~came], pairs[~over])


def rates(
    objectives: Mapping[str, Objective],
    events: Events,
    at: AsOf,
    holdout_days: int,
    training: Training,
) -> Mapping[str, OutcomeRates]:
    """How often each outcome came of items and of users' doings, as it was known at an instant.

    Of events, among all pairs that were touched; of what takes time, among those of as many days as
    a holdout has. training: what was known by then.
    """
    touched = training.history.tocoo()
    found = {}
    for name, objective in objectives.items():
        if objective.events:
            of_all = outcomes(objective, events, None, at, training.people)
            asked = touched.row.astype(np.int64) << 32 | touched.col
        else:
            days = timedelta(days=holdout_days + objective.wait_days)
            of_all = outcomes(objective, events, at - days, at, training.people)
            asked = np.concatenate([of_all.yes, of_all.no])
        share = (len(of_all.yes) + 1.0) / (len(asked) + 2.0)
        users, items = training.history.shape
        found[name] = OutcomeRates(
            items=_log_odds(of_all.yes & 0xFFFFFFFF, asked & 0xFFFFFFFF, items, share),
            users=_log_odds(of_all.yes >> 32, asked >> 32, users, share),
        )
    return found


def _log_odds(yes: Ints, asked: Ints, count: int, share: float) -> npt.NDArray[np.float32]:
    """(count,) log odds of a yes of each row, drawn to the share of all where little is known."""
    came, of = (np.bincount(rows, minlength=count) for rows in (yes, asked))
    found: Floats = (came + _PRIOR * share) / (np.maximum(of, came) + _PRIOR)
    return np.asarray(logit(found), np.float32)


def _firsts(events: Events) -> Events:
    """The first event of each pair, in the order of pairs."""
    order = np.lexsort((events.occurred, events.pairs))
    pairs = events.pairs[order]
    first = np.zeros(len(pairs), np.bool_)
    first[order[np.flatnonzero(np.diff(pairs, prepend=-1))]] = True
    return events.where(first)


def _replied(turned: Events, known: Events, wait: int, people: Eligibility | None) -> Mask:
    """(n,) whether who was turned to turned to the user in time."""
    if people is None:
        raise ValueError("nobody replies where users and items are not the same people")
    back = people.persons[turned.items] << 32 | people.items[turned.users]
    likes = known.where(known.liked)
    times = turned.occurred, turned.occurred + wait
    return _came_between(back, *times, likes.pairs, likes.occurred)


def _came_between(keys: Ints, after: Ints, until: Ints, others: Ints, occurred: Ints) -> Mask:
    """(n,) whether an event of the same key came later than one instant and not after another.

    keys, after, until: (n,). others, occurred: (m,) keys and times of events.
    """
    keys, times = np.concatenate([others, keys]), np.concatenate([occurred, after])
    asks = np.arange(len(keys)) >= len(others)
    # Of equal times events come first, for they are not later.
    order = np.lexsort((times, keys))
    places = np.where(asks[order], len(order), np.arange(len(order)))
    following = np.append(order, -1)[np.minimum.accumulate(places[::-1])[::-1]]
    next_event = np.empty(len(order), np.int64)
    next_event[order] = following
    found = next_event[len(others) :]
    there = (found >= 0) & (keys[found] == keys[len(others) :])
    return np.asarray(there & (times[found] <= until))


def _micros(at: AsOf) -> int:
    return int(at.instant.timestamp()) * 1_000_000
