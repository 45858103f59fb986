"""Histories against their definition in plain Python."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.as_of import AsOf
from recsys.events.histories import BLOCK, Evidence, Weighting, histories
from recsys.events.weights import fixed_weights
from recsys.sections.events import Event

AS_OF, EARLIER = AsOf.parse("2026-01-10"), AsOf.parse("2026-01-07")
END, THEN = 1_768_003_200_000_000, 1_767_744_000_000_000
HOUR = 3_600_000_000
RULES = {
    "view": Event(weight=1.0, half_life_days=2.0),
    "rating": Event(weight=0.5, use_value=True, min_value=3.0),
    "buy": Event(weight=5.0, use_value=True, half_life_days=30.0),
}
TERMS = Weighting(RULES, AS_OF, EARLIER)
USERS = 4
Row = tuple[int, int, int, int, int, float]
ROW = st.tuples(
    st.integers(0, USERS - 1),
    st.integers(0, 3),
    st.integers(-1, 2),
    st.sampled_from([1, 48, 71, 72, 73, 200]),
    st.sampled_from([-2, 0, 1, 30]),
    st.sampled_from([float("nan"), -0.0, 0.0, 2.0, 4.0]),
)


def evidence(rows: list[Row]) -> Evidence:
    """Rows: user, item, kind, hours before the date, hours until it was known, value."""
    columns = [np.array(column, np.int64) for column in list(zip(*rows, strict=True))[:5]]
    users, items, kinds, ages, delays = columns
    occurred = END - ages * HOUR
    known = occurred + delays * HOUR
    return Evidence(users, items, kinds, occurred, known, np.array([row[5] for row in rows]))


def weight(kind: int, value: float, age_days: float) -> int:
    rule = list(RULES.values())[kind]
    return int(fixed_weights(np.array([value]), np.array([age_days]), rule)[0])


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40))
def test_histories_equal_their_definition(rows: list[Row]) -> None:
    found = histories(evidence(rows), USERS, TERMS)
    blocked: dict[int, set[int]] = defaultdict(set)
    known: dict[tuple[int, int], dict[tuple[int, int, str], int]] = defaultdict(dict)
    for user, item, kind, age, delay, value in rows:
        if kind == BLOCK:
            blocked[user].add(item)
            continue
        event, at = (kind, age, str(value + 0.0)), END - age * HOUR + delay * HOUR
        events = known[user, item]
        events[event] = min(at, events.get(event, at))
    pairs = iter(range(len(found.items)))
    for user in range(USERS):
        mine = sorted(item for other, item in known if other == user)
        start, end = found.offsets[user : user + 2]
        assert found.items[start:end].tolist() == mine
        for item in mine:
            place, events = next(pairs), known[user, item]
            total = sum(weight(k, float(v), age / 24) for k, age, v in events)
            assert found.weights[place] == np.float32(total / 2**32)
            assert found.ages[place] == np.float32(max(age for _, age, _ in events) / 24)
            assert found.last_ages[place] == np.float32(min(age for _, age, _ in events) / 24)
            then = [e for e, at in events.items() if max(at, END - e[1] * HOUR) < THEN]
            before = sum(weight(k, float(v), age / 24 - 3) for k, age, v in then)
            expected = np.float32(before / 2**32) if then else None
            assert found.earlier[place].as_py() == expected
            last = np.float32(min(age for _, age, _ in then) / 24 - 3) if then else None
            assert found.earlier_last_ages[place].as_py() == last
    blocks = [found.blocked[s:e].tolist() for s, e in pairwise(found.blocked_offsets)]
    assert blocks == [sorted(blocked[user]) for user in range(USERS)]
    assert found.events == sum(row[2] != BLOCK for row in rows)
    assert found.distinct_events == sum(len(events) for events in known.values())


def test_the_order_of_evidence_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    rows = [
        (int(u), int(i), int(k), int(a), int(d), 4.0)
        for u, i, k, a, d in rng.integers([0, 0, 0, 1, 0], [4, 3, 3, 90, 9], (500, 5))
    ]
    given_order = histories(evidence(rows), USERS, TERMS)
    shuffled = histories(evidence([rows[n] for n in rng.permutation(500)]), USERS, TERMS)
    assert given_order.weights.tolist() == shuffled.weights.tolist()
    assert given_order.earlier.equals(shuffled.earlier)
    assert given_order.weights.sum() == pytest.approx(shuffled.weights.sum(), rel=0)


def test_nobody_did_anything() -> None:
    nothing = evidence([(0, 0, BLOCK, 1, 0, 1.0)]).of(np.array([], np.int64))
    found = histories(nothing, 2, TERMS)
    assert found.offsets.tolist() == found.blocked_offsets.tolist() == [0, 0, 0]
    assert (found.events, found.distinct_events, len(found.earlier)) == (0, 0, 0)
