"""The made-up marketplace: the same every time, and planted as it says."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from jobs.sandbox.market import Market
from jobs.sandbox.planting import DUPLICATE_EVERY, LATE_EVERY, SHARE_INSIDE
from jobs.sandbox.seed import DIRTY, MIN_ITEMS, SHARE_VIEWS, make_market, planted_groups
from jobs.sandbox.vocabulary import GROUPS
from recsys.as_of import AsOf
from recsys.sections.ids import Ids, IdType

USERS, ITEMS, DAYS, EVENTS, SEED = 1000, 400, 30, 20_000, 11
END = AsOf.parse("2026-01-01")
UNTIL = datetime(2026, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(USERS, ITEMS, DAYS, EVENTS, SEED, END)


@pytest.fixture(scope="module")
def usable(market: Market) -> list[Row]:
    """The events of both databases that a run can use, repeated deliveries once."""
    rows = {tuple(row.values()): row for row in delivered(market) if fault(row) is None}
    return list(rows.values())


def test_same_arguments_same_market(market: Market) -> None:
    again = make_market(USERS, ITEMS, DAYS, EVENTS, SEED, END)
    other = make_market(USERS, ITEMS, DAYS, EVENTS, SEED + 1, END)

    assert contents(again) == contents(market)
    assert again.events != other.events
    assert planted_groups(USERS, ITEMS, SEED) != planted_groups(USERS, ITEMS, SEED + 1)


def test_there_are_as_many_events_as_asked_for(market: Market, usable: list[Row]) -> None:
    rows = delivered(market)
    views = sum(row["kind"] == "view" for row in usable)

    assert len(usable) == EVENTS
    assert views == round(EVENTS * SHARE_VIEWS)
    assert Counter(row["kind"] for row in usable).keys() == {
        "view", "like", "bookmark", "purchase", "rating",
    }  # fmt: skip
    twice = views // DUPLICATE_EVERY + (EVENTS - views) // DUPLICATE_EVERY
    assert len(rows) == EVENTS + twice + sum(DIRTY.values())
    assert Counter(reason for row in rows if (reason := fault(row))) == DIRTY


def test_users_keep_to_their_group(usable: list[Row]) -> None:
    planted = planted_groups(USERS, ITEMS, SEED)
    inside = [
        planted.user_groups[row["user_id"]] == planted.item_groups[row["item_id"]] for row in usable
    ]

    assert sum(inside) / len(inside) == pytest.approx(SHARE_INSIDE, abs=0.01)
    assert set(planted.user_groups.values()) == set(range(len(GROUPS)))
    assert max(Counter(planted.item_groups.values()).values()) <= math.ceil(ITEMS / len(GROUPS))


def test_ratings_tell_taste(usable: list[Row]) -> None:
    planted = planted_groups(USERS, ITEMS, SEED)
    stars: dict[bool, list[float]] = {True: [], False: []}
    for row in usable:
        own = planted.user_groups[row["user_id"]] == planted.item_groups[row["item_id"]]
        if row["kind"] == "rating":
            stars[own].append(row["value"])

    assert min(stars[True]) == 3.5
    assert max(stars[True]) == 5
    assert max(stars[False]) <= 3.5
    assert all((row["value"] is None) == (row["kind"] != "rating") for row in usable)


def test_few_items_draw_much_of_the_attention(usable: list[Row]) -> None:
    counts = sorted(Counter(row["item_id"] for row in usable).values(), reverse=True)
    top_tenth = sum(counts[: ITEMS // 10])

    assert 0.25 < top_tenth / EVENTS < 0.5
    assert counts[0] > 5 * counts[ITEMS // 2]


def test_events_happen_within_the_period(market: Market, usable: list[Row]) -> None:
    joined = created(market.users.to_pylist(), "user_id")
    listed = created(market.items.to_pylist(), "item_id")
    late = [row for row in usable if row["received"] - row["at"] >= timedelta(days=1)]
    last_third = [row for row in usable if row["at"] >= UNTIL - timedelta(days=DAYS // 3)]

    for row in usable:
        assert max(joined[row["user_id"]], listed[row["item_id"]]) <= row["at"]
        assert UNTIL - timedelta(days=DAYS) <= row["at"] <= row["received"] < UNTIL
    assert len(late) == pytest.approx(EVENTS / LATE_EVERY, abs=3)
    assert len(last_third) > 0.4 * EVENTS


def test_newcomers_have_profiles_but_no_events(market: Market, usable: list[Row]) -> None:
    planted = planted_groups(USERS, ITEMS, SEED)
    by_user = Counter(row["user_id"] for row in usable)
    by_item = Counter(row["item_id"] for row in usable)

    assert len(planted.new_users) == USERS // 50
    assert len(planted.new_items) == ITEMS * 3 // 100
    assert not planted.new_users & by_user.keys()
    assert not planted.new_items & by_item.keys()
    assert len(by_item) > 0.95 * (ITEMS - len(planted.new_items))
    assert sum(count <= 4 for count in by_user.values()) > USERS // 30
    assert [row["user_id"] for row in market.user_profiles] == list(planted.user_groups)
    assert [row["item_id"] for row in market.item_profiles] == list(planted.item_groups)


def test_some_items_are_unavailable_and_some_blocked(market: Market) -> None:
    planted = planted_groups(USERS, ITEMS, SEED)
    unavailable = [row for row in market.items.to_pylist() if not row["available"]]
    inactive = [row for row in market.users.to_pylist() if not row["active"]]
    blocks = [(row["user_id"], row["item_id"]) for row in market.blocks.to_pylist()]
    by_user = Counter(user for user, _ in blocks)

    assert len(unavailable) == ITEMS // 50
    assert len(inactive) == USERS // 100
    assert len(set(blocks)) == len(blocks)
    assert by_user.pop(planted.blocks_everything) == ITEMS
    assert len(by_user) == pytest.approx(USERS / 10, abs=1)
    assert max(by_user.values()) <= 3


def test_profiles_speak_of_their_group(market: Market) -> None:
    planted = planted_groups(USERS, ITEMS, SEED)
    titles = [row["title"] for row in market.item_profiles]

    assert len(set(titles)) == ITEMS
    assert titles == market.items["title"].to_pylist()
    for row, number in zip(market.item_profiles, planted.item_groups.values(), strict=True):
        group = GROUPS[number]
        assert row["tags"][0] == group.name
        assert row["title"].lower().endswith(row["tags"][1])
        assert set(row["text"].split()) & set(group.words)
    for row, number in zip(market.user_profiles, planted.user_groups.values(), strict=True):
        assert row["tags"] == [GROUPS[number].name]


@pytest.mark.parametrize("kind", get_args(IdType))
def test_ids_take_the_configured_types(market: Market, kind: IdType) -> None:
    ids = Ids(user=kind, item=kind)
    planted = planted_groups(USERS, ITEMS, SEED, ids)
    typed = make_market(USERS, ITEMS, DAYS, EVENTS, SEED, END, ids)

    assert typed.users["user_id"].to_pylist() == list(planted.user_groups)
    assert typed.items["item_id"].to_pylist() == list(planted.item_groups)
    assert len(set(planted.user_groups) | set(planted.item_groups)) == USERS + ITEMS
    assert typed.events["ts"] == market.events["ts"]


def test_the_smallest_market() -> None:
    market = make_market(10, MIN_ITEMS, 1, 10, 0, END)

    assert sum(fault(row) is None for row in delivered(market)) == 10
    assert market.users.num_rows == 10


def delivered(market: Market) -> list[Row]:
    """Every event and interaction as stored, under one set of names."""
    names = ["user_id", "item_id", "kind", "value", "at", "received"]
    stray = [{"value": None, **document} for document in market.stray_events]
    order = market.events.column_names
    rows = market.interactions.to_pylist() + market.events.to_pylist()
    rows += [{name: document[name] for name in order} for document in stray]
    return [dict(zip(names, row.values(), strict=True)) for row in rows]


def fault(row: Row) -> str | None:
    """What is wrong with a row, in the words of DIRTY."""
    if row["user_id"] is None or row["item_id"] is None:
        return "null id"
    if row["kind"] == "teleport":
        return "unknown type"
    if row["value"] is not None and not math.isfinite(row["value"]):
        return "value not finite"
    if not isinstance(row["at"], datetime):
        return "time unparsable"
    return "time in the future" if row["at"] >= UNTIL else None


def created(rows: list[Row], key: str) -> dict[int, datetime]:
    return {row[key]: row["created_at"] for row in rows}


def contents(market: Market) -> str:
    """All of a market as text, in which NaN equals NaN."""
    tables = (market.users, market.items, market.interactions, market.blocks, market.events)
    documents = (market.item_profiles, market.user_profiles, market.stray_events)
    return repr([table.to_pylist() for table in tables]) + repr(documents)
