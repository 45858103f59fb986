"""The made-up market of people: the same every time, and what happened follows the chances."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from jobs.sandbox.market import Market
from jobs.sandbox.people import PlantedPeople, make_people, planted_people
from recsys.as_of import AsOf
from recsys.matching.calibration import calibration_error

END = AsOf.parse("2026-01-01")
ARGUMENTS: Any = (1500, 60, 40_000, 11, END)


@pytest.fixture(scope="module")
def market() -> Market:
    return make_people(*ARGUMENTS)


@pytest.fixture(scope="module")
def planted() -> PlantedPeople:
    return planted_people(*ARGUMENTS)


def events(market: Market, kind: str) -> Counter[tuple[int, int]]:
    table = market.interactions if kind in ("like", "message", "reply", "match") else market.events
    name = "type" if table is market.events else "kind"
    rows = table.to_pylist()[:-4]
    return Counter((row["user_id"], row["item_id"]) for row in rows if row[name] == kind)


def test_same_arguments_same_market(market: Market) -> None:
    again = make_people(*ARGUMENTS)
    other = make_people(*(*ARGUMENTS[:3], 12, END))
    for name in ("users", "interactions", "blocks", "events", "user_profiles"):
        assert getattr(again, name) == getattr(market, name)
        assert getattr(other, name) != getattr(market, name)


def test_yes_and_no_follow_the_chances(planted: PlantedPeople) -> None:
    met, people = planted.meetings, planted.people
    forth, back = people.chances(met.viewer, met.other), people.chances(met.other, met.viewer)
    assert (forth > 0).all()
    assert calibration_error(forth, met.yes) < 0.02
    looked = met.answered
    assert calibration_error(back[looked], met.yes_back[looked]) < 0.03
    # What one wants says nothing of what the other does.
    assert abs(np.corrcoef(forth - forth.mean(), back)[0, 1]) < 0.25


def test_events_tell_what_happened(market: Market, planted: PlantedPeople) -> None:
    met, ids = planted.meetings, planted.ids.to_numpy()
    pairs = list(zip(ids[met.viewer].tolist(), ids[met.other].tolist(), strict=True))
    assert len(set(pairs) | {(b, a) for a, b in pairs}) == 2 * len(pairs)
    liked = {pair for pair, yes in zip(pairs, met.yes, strict=True) if yes}
    matched = {(b, a) for (a, b), yes in zip(pairs, met.yes_back, strict=True) if yes}
    assert events(market, "like").keys() == liked
    assert events(market, "match").keys() == events(market, "message").keys() == matched
    assert events(market, "reply").keys() <= {(b, a) for a, b in matched}
    assert events(market, "view").keys() >= set(pairs)
    no = {(a, b) for (a, b), yes in zip(pairs, met.yes, strict=True) if not yes}
    assert 0.5 * len(no) < len(events(market, "pass").keys() & no) < 0.7 * len(no)
    total = market.interactions.num_rows + market.events.num_rows
    assert total == pytest.approx(ARGUMENTS[2], rel=0.1)


def test_wishes_are_those_of_the_profiles(market: Market, planted: PlantedPeople) -> None:
    one, other = planted.people.suiting_pairs()
    profiles = [each["attributes"] for each in market.user_profiles]
    active = market.users["active"].to_pylist()

    def accepts(a: Any, b: Any) -> bool:
        ages = a["wants"]["age"]
        old_enough = ages["from"] <= b["age"] <= ages["to"]
        return b["gender"] in a["seeks"] and old_enough and bool({*a["speaks"]} & {*b["speaks"]})

    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    for a in range(100):
        for b in range(a + 1, len(profiles)):
            both = accepts(profiles[a], profiles[b]) and accepts(profiles[b], profiles[a])
            assert ((a, b) in pairs) == (both and active[a] and active[b])


def test_open_pairs_are_those_that_nobody_has_ended(planted: PlantedPeople) -> None:
    market, met = planted.open_market(), planted.meetings
    lines, others = market.candidates.lines(), market.candidates.values
    there = dict(
        zip(zip(lines.tolist(), others.tolist(), strict=True), range(len(lines)), strict=True)
    )
    for meeting in range(len(met.at)):
        pair = int(met.viewer[meeting]), int(met.other[meeting])
        if met.over[meeting]:
            assert pair not in there
        elif pair in there:
            assert market.said[there[pair]] == met.yes[meeting]
            assert market.likes[there[pair]] == float(met.yes[meeting])
            assert market.likes[market.mirror[there[pair]]] > 0
    assert market.said.sum() > 100


def test_newcomers_meet_nobody_and_stars_many(planted: PlantedPeople) -> None:
    met, people = planted.meetings, planted.people
    looks = np.bincount(met.other, minlength=len(people))
    new = ~people.known
    assert new.sum() == len(people) // 50
    assert not looks[new].any()
    assert not np.isin(met.viewer, np.flatnonzero(new)).any()
    stars = np.argsort(-people.appeal)[: len(people) // 50]
    assert looks[stars].mean() > 2 * looks.mean()
