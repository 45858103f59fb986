"""What followed lists, where it is plain to see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pytest

from recsys import columns as c
from recsys.ids import IdIndex
from recsys.lists.realised import Realised, Replies, Yeses
from recsys.schemas import HISTORIES, LISTS
from recsys.sections.ids import Ids

DEPTH: Final = 2
#: Of each user the items, with their weights and days from the first event with each. 50 is on
#: nobody's list and no item; of 60 nothing is known any more.
TOUCHED: Final[Mapping[int, Mapping[int, tuple[float, float]]]] = {
    10: {20: (1.0, 2.5), 30: (0.0, 1.0), 40: (1.0, 2.0)},
    20: {10: (1.0, 9.0)},
    30: {},
    40: {10: (2.0, 3.0)},
    50: {10: (1.0, 1.0)},
    70: {80: (1.0, 0.5)},
    80: {70: (1.0, 0.5)},
}
USERS: Final = IdIndex(pa.array(list(TOUCHED)))
ITEMS: Final = IdIndex(pa.array([5, 10, 20, 30, 40, 70, 80]))
LISTED: Final[Mapping[int, Sequence[int]]] = {
    10: [20, 30, 40],
    20: [],
    30: [40, 10],
    40: [10, 5],
    50: [10],
    60: [10, 20],
    70: [80],
    80: [70],
}


@pytest.fixture
def histories() -> list[pa.RecordBatch]:
    """Two users a part."""
    rows = []
    for row, touched in enumerate(TOUCHED.values()):
        cells = {
            c.ITEM_ROWS: ITEMS.places(pa.array(list(touched), pa.int64())).tolist(),
            c.WEIGHTS: [weight for weight, _ in touched.values()],
            c.AGES: [age for _, age in touched.values()],
        }
        rows.append({c.USER_ROW: row, **cells})
    schema = HISTORIES.arrow(Ids())
    kept = pa.schema([schema.field(name) for name in rows[0]])
    return list(pa.Table.from_pylist(rows, kept).to_batches(max_chunksize=2))


def lists() -> list[pa.RecordBatch]:
    """Three users a part."""
    rows = [{c.USER_ID: user, c.ITEM_IDS: list(items)} for user, items in LISTED.items()]
    schema = LISTS.arrow(Ids())
    kept = pa.schema([schema.field(name) for name in rows[0]])
    return list(pa.Table.from_pylist(rows, kept).to_batches(max_chunksize=3))


def test_what_followed_lists_is_counted(histories: list[pa.RecordBatch]) -> None:
    """10 turned to 20, who had turned to 10 before; to 40 only beyond the places that count, but 40
    has 10 too, since the very instant of the run. 30 was only looked at. 70 and 80 found each
    other, each by the own list, which is one match."""
    yeses = Yeses.of(histories, USERS, ITEMS, 3.0)
    three, one = (yeses.among(lists(), days, DEPTH) for days in (3.0, 1.0))
    of_items = Realised(lists=7, entries=11, yeses=5, users=5)
    assert three.realised() == of_items
    people = yeses.realised_by_people([three, one], histories)
    # 20 has an empty list, so it is none of those who could be without a match.
    assert replace(people[0], replies=()) == replace(of_items, matches=3, matched=4)
    last = Realised(lists=7, entries=11, yeses=3, users=3, matches=1, matched=2)
    assert replace(people[1], replies=()) == last


def test_replies_are_counted_by_how_often_people_are_listed(
    histories: list[pa.RecordBatch],
) -> None:
    """40 and 50 turned to 10, the most listed, who has answered 40. That 10 turned to 20 was an
    answer itself; 70 and 80 turned to each other at once."""
    yeses = Yeses.of(histories, USERS, ITEMS, 3.0)
    (found,) = yeses.realised_by_people([yeses.among(lists(), 3.0, DEPTH)], histories)
    once = Replies(people=1, listed=1, asked=0, answered=0)
    twice, most = once._replace(listed=2), Replies(people=1, listed=4, asked=2, answered=1)
    nobody = Replies(0, 0, 0, 0)
    assert found.replies == [*[once] * 5, twice, most, *[nobody] * 3]
    rows = {(row.band, row.name): row.value for row in found.metrics("2026-01-01")}
    assert rows["exposure decile 7", "exposed_answered"] == 1.0


def test_nothing_followed_where_nobody_did_anything(histories: list[pa.RecordBatch]) -> None:
    yeses = Yeses.of(histories, USERS, ITEMS, 0.1)
    found = yeses.realised_by_people([yeses.among(lists(), 0.1, DEPTH)], histories)
    none = Realised(lists=7, entries=11, yeses=0, users=0, matches=0, matched=0)
    assert replace(found[0], replies=()) == none
    assert {row.name: row.value for row in none.metrics("2026-01-01")} == {
        "realised_lists": 7.0,
        "realised_entries": 11.0,
        **{f"realised_{name}": 0.0 for name in ("yeses", "users", "matches", "matched")},
    }
