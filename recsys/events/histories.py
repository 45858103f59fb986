"""From raw evidence to one row a user: what was touched, how much it weighs, how old it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys.arrays import Floats, Ints, offsets_of
from recsys.as_of import AsOf
from recsys.events.weights import FRACTION_BITS, SECONDS_PER_DAY, fixed_weights
from recsys.sections.events import Event

BLOCK: Final = -1
"""Kind of evidence that is no event, but a user's wish never to see the item."""
_DAY: Final = 1e6 * SECONDS_PER_DAY
_LONG_AGO: Final = np.iinfo(np.int64).min // 2
"""Before every event, with room to subtract it."""


@dataclass(frozen=True)
class Weighting:
    """Rules of events' worth, and the two instants at which they are weighed."""

    rules: Mapping[str, Event]
    """Kinds of events; evidence names a kind by its place here."""
    as_of: AsOf
    earlier: AsOf
    """An instant before, as of which weights are wanted too."""


@dataclass(frozen=True)
class Evidence:
    """Events and blocks of some users, in any order; one entry a row."""

    users: Ints
    """(n,) number of the user among those that are asked for."""
    items: Ints
    """(n,) item rows."""
    kinds: Ints
    """(n,) place of the event type in the rules, or BLOCK."""
    occurred: Ints
    """(n,) microseconds since 1970."""
    known: Ints
    """(n,) when the source knew of it, likewise."""
    values: Floats
    """(n,) the event's own value, NaN where it has none."""

    def of(self, places: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Self:
        """The entries at some places."""
        return type(self)(*(column[places] for column in vars(self).values()))


@dataclass(frozen=True)
class Histories:
    """Histories of some users, user by user, items ascending."""

    offsets: Ints
    """(users + 1,) where each user's items begin and end."""
    items: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    ages: npt.NDArray[np.float32]
    """Days from the pair's first event to the as-of."""
    last_ages: npt.NDArray[np.float32]
    """Days from the pair's last event to the as-of."""
    earlier: pa.Array
    """float32 weight as of the earlier instant, of the events that were known by then; null without
    any."""
    earlier_last_ages: pa.Array
    """float32 days from the last of those events to the earlier instant; null without any."""
    blocked_offsets: Ints
    blocked: npt.NDArray[np.int32]
    events: int
    distinct_events: int


def histories(evidence: Evidence, users: int, weighting: Weighting) -> Histories:
    """The histories of `users` users.

    An event delivered twice, the same in all but its arrival, counts once. Weights add up in fixed
    point, so that the order of the evidence does not matter.
    """
    blocks = evidence.kinds == BLOCK
    offsets, blocked = _distinct_pairs(evidence.of(blocks), users)
    events = evidence.of(~blocks) if blocks.any() else evidence
    distinct = distinct_events(events)
    pairs = _starts(distinct.users, distinct.items)
    weights, earlier = (
        _weights(distinct, weighting, weighting.as_of),
        _weights(distinct, weighting, weighting.earlier),
    )
    was_known = distinct.known < _micros(weighting.earlier)
    unknown = _sums(was_known.astype(np.int64), pairs) == 0
    first, last = (_of_each(pick, distinct.occurred, pairs) for pick in (np.minimum, np.maximum))
    known_last = _of_each(np.maximum, np.where(was_known, distinct.occurred, _LONG_AGO), pairs)
    counts = np.bincount(distinct.users[pairs], minlength=users)
    return Histories(
        offsets=offsets_of(counts),
        items=distinct.items[pairs].astype(np.int32),
        weights=_floats(_sums(weights, pairs)),
        ages=_days(first, weighting.as_of),
        last_ages=_days(last, weighting.as_of),
        earlier=pa.array(_floats(_sums(np.where(was_known, earlier, 0), pairs)), mask=unknown),
        earlier_last_ages=pa.array(_days(known_last, weighting.earlier), mask=unknown),
        blocked_offsets=offsets,
        blocked=blocked,
        events=len(events.users),
        distinct_events=len(distinct.users),
    )


def distinct_events(events: Evidence) -> Evidence:
    """Events by user and item, each once, known from its first arrival on, but not beforehand."""
    values = events.values + 0.0
    bits = np.where(np.isnan(values), np.nan, values).view(np.int64)
    order = _ordered(events, bits)
    ordered = events.of(order)
    firsts = _starts(ordered.users, ordered.items, ordered.kinds, ordered.occurred, bits[order])
    distinct = ordered.of(firsts) if len(firsts) < len(order) else ordered
    known = np.maximum(distinct.known, distinct.occurred)
    return Evidence(**{**vars(distinct), "known": known})


def _ordered(events: Evidence, bits: Ints) -> Ints:
    """(n,) places in the order of user, item, kind, time, value and arrival.

    Most events are the only ones of their user, item and kind: only the others are compared in all.
    """
    items, kinds = (int(column.max(initial=0)) + 1 for column in (events.items, events.kinds))
    keys = (events.users * items + events.items) * kinds + events.kinds
    order = np.argsort(keys)
    same = np.diff(keys[order]) == 0
    several = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    places = order[several[: len(order)]]
    rest = (events.known[places], bits[places], events.occurred[places], keys[places])
    order[several[: len(order)]] = places[np.lexsort(rest)]
    return order


def _distinct_pairs(blocks: Evidence, users: int) -> tuple[Ints, npt.NDArray[np.int32]]:
    ordered = blocks.of(np.lexsort((blocks.items, blocks.users)))
    pairs = ordered.of(_starts(ordered.users, ordered.items))
    counts = np.bincount(pairs.users, minlength=users)
    return offsets_of(counts), pairs.items.astype(np.int32)


def _starts(*columns: npt.NDArray[np.integer]) -> Ints:
    """Places where any of the columns differs from the place before, and the first place."""
    changes = np.zeros(len(columns[0]), dtype=bool)
    changes[:1] = True
    for column in columns:
        changes[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changes)


def _weights(events: Evidence, weighting: Weighting, end: AsOf) -> Ints:
    """(n,) weight of each event as of an instant, in units of 2**-32; of later ones, undecayed."""
    ages = np.maximum((_micros(end) - events.occurred) / _DAY, 0.0)
    weights = np.zeros(len(ages), np.int64)
    for kind, rule in enumerate(weighting.rules.values()):
        mine = events.kinds == kind
        weights[mine] = fixed_weights(events.values[mine], ages[mine], rule)
    return weights


def _sums(values: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(values, starts) if len(starts) else values


def _of_each(pick: np.ufunc, values: Ints, starts: Ints) -> Ints:
    """The least or greatest value of each group."""
    return np.asarray(pick.reduceat(values, starts) if len(starts) else values)


def _days(instants: Ints, end: AsOf) -> npt.NDArray[np.float32]:
    """(n,) days from each instant to the end."""
    return np.asarray((_micros(end) - instants) / _DAY, np.float32)


def _floats(fixed: Ints) -> npt.NDArray[np.float32]:
    return (fixed / 2.0**FRACTION_BITS).astype(np.float32)


def _micros(as_of: AsOf) -> int:
    return int(as_of.instant.timestamp()) * 1_000_000
