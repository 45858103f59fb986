"""A made-up market of people whose truth is known: how likely each says yes to each.

Pure: the same arguments give the same market, and one seed gives the same people for every period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from jobs.sandbox.market import BLOCKS, EVENTS, INTERACTIONS, ITEMS, USERS, Market
from jobs.sandbox.people_planting import Meetings, People, actions, draw_meetings, draw_people
from jobs.sandbox.planting import DAY, Period, Rng, created
from jobs.sandbox.profiles import person_profiles, user_names
from jobs.sandbox.rows import FUTURE, action_table, external_ids, instants, stray_event, with_dirty
from jobs.sources.documents import Document
from recsys.as_of import AsOf
from recsys.matching.market import Market as PairedMarket
from recsys.schemas import TIMESTAMP, arrow_id_type
from recsys.sections.ids import IdType

CONFIG: Final = Path(__file__).with_name("people.toml")
"""The configuration for it."""
DIRTY: Final[Mapping[str, int]] = {
    "null id": 4,
    "unknown type": 2,
    "time in the future": 2,
    "time unparsable": 1,
}
"""Planted rows that cannot be used, by what is wrong with them."""
_EVENTS_A_MEETING: Final = 2.3
_BLOCKS_EVERY: Final = 10
"""One block on so many people."""
_DIRTY_ROWS: Final[Sequence[Document]] = (
    {"user_id": None},
    {"item_id": None},
    {"kind": "teleport"},
    {"created_at": FUTURE},
)
_DIRTY_EVENTS: Final[Sequence[Document]] = (
    {"user_id": None},
    {"item_id": None},
    {"type": "teleport"},
    {"ts": FUTURE},
)


@dataclass(frozen=True)
class PlantedPeople:
    """The truth behind a seeded market of people."""

    ids: pa.Array
    """(people,) external ids, by number."""
    people: People
    meetings: Meetings

    def open_market(self) -> PairedMarket:
        """The active members with all pairs that suit and are not over, by their chances: 0 of who
        has said no, 1 of who has said yes. It grows with the square of the people."""
        n, met = len(self.people), self.meetings
        one, other = self.people.suiting_pairs()
        pairs = one * n + other
        low, high = np.minimum(met.viewer, met.other), np.maximum(met.viewer, met.other)
        codes, sides = low * n + high, (met.viewer == low, met.viewer == high)
        open_ = ~np.isin(pairs, codes[met.over])
        one, other, pairs = one[open_], other[open_], pairs[open_]
        chances = self.people.chances(one, other), self.people.chances(other, one)
        for side, likes in zip(sides, chances, strict=True):
            likes[np.isin(pairs, codes[side & ~met.yes])] = 0.0
        said = tuple(np.isin(pairs, codes[side & met.yes]) for side in sides)
        return PairedMarket.of((one, other), chances, np.arange(n) % 2, said=(said[0], said[1]))


def planted_people(
    count: int, days: int, events: int, seed: int, end: AsOf, kind: IdType = "bigint"
) -> PlantedPeople:
    """The truth that `make_people` plants for the same arguments."""
    people = draw_people(count, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    until = round(end.instant.timestamp()) * 1000
    start = until - days * DAY
    joined = created(~people.known, start, until, rng)
    period = Period(start, until, joined, joined)
    meetings = draw_meetings(people, period, max(round(events / _EVENTS_A_MEETING), 1), rng)
    return PlantedPeople(external_ids("person", 1, count, kind), people, meetings)


def make_people(
    count: int, days: int, events: int, seed: int, end: AsOf, kind: IdType = "bigint"
) -> Market:
    """A market of people with about `events` usable events in the `days` before `end`; fewer where
    hardly anybody is left to meet.

    To them come repeated deliveries (one in DUPLICATE_EVERY) and the rows of DIRTY.
    """
    planted = planted_people(count, days, events, seed, end, kind)
    rng = np.random.default_rng([seed, 2])
    ids, people, period = planted.ids, planted.people, planted.meetings.period
    explicit, seen = actions(planted.meetings, rng)
    dirty_at = end.instant - timedelta(hours=12)
    names, joined = pa.array(user_names(count, rng)), instants(period.user_created)
    return Market(
        users=pa.table([ids, names, pa.array(people.active), joined], names=list(USERS)),
        items=_no_items(kind),
        interactions=with_dirty(
            action_table(ids, ids, explicit, INTERACTIONS), dirty_at, _DIRTY_ROWS
        ),
        blocks=_blocks(planted, rng),
        events=with_dirty(action_table(ids, ids, seen, EVENTS), dirty_at, _DIRTY_EVENTS),
        item_profiles=[],
        user_profiles=person_profiles(ids.to_pylist(), people, rng),
        as_of=end,
        stray_events=[stray_event(ids[0].as_py(), ids[1].as_py(), dirty_at)],
    )


def _no_items(kind: IdType) -> pa.Table:
    """The catalogue, which is empty: people stand for items."""
    types = (arrow_id_type(kind), pa.string(), pa.bool_(), TIMESTAMP)
    return pa.schema(zip(ITEMS, types, strict=True)).empty_table()


def _blocks(planted: PlantedPeople, rng: Rng) -> pa.Table:
    """Some who were liked, and said no, have also blocked who liked them."""
    met, n = planted.meetings, len(planted.people)
    unwanted = np.flatnonzero(met.answered & ~met.yes_back)
    chosen = np.sort(rng.permutation(unwanted)[: n // _BLOCKS_EVERY])
    at = np.minimum(met.answered_at[chosen] + DAY // 24, met.period.end - 1)
    people = [planted.ids.take(pa.array(part[chosen])) for part in (met.other, met.viewer)]
    return pa.table([*people, instants(at)], names=list(BLOCKS))
