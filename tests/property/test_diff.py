"""Figures of two runs' lists against their plain definitions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset.bands import band_names
from recsys.evaluation.concentration import exposures, gini
from recsys.evaluation.diff import GROUP, Comparison, Difference
from recsys.schemas import LISTS
from recsys.sections.ids import Ids, IdType

Lists = Mapping[int, Sequence[int]]

LISTS_OF_USERS = st.dictionaries(
    st.integers(0, 8), st.lists(st.integers(0, 12), unique=True, max_size=9), max_size=8
)
PERSISTENCE = st.floats(0.01, 0.99)
#: Large enough for their mean not to vanish.
AMOUNTS = st.just(0.0) | st.floats(1e-9, 100)


def table(lists: Lists, id_type: IdType = "bigint", best: float = 1.0) -> pa.Table:
    """A `lists` table; scores fall from `best`."""
    known = str if id_type == "text" else int
    rows = [
        {
            "user_id": known(user),
            "item_ids": [known(item) for item in items],
            "scores": [best - place for place in range(len(items))],
            "sources": [0] * len(items),
            "propensities": [1.0] * len(items),
        }
        for user, items in lists.items()
    ]
    schema = LISTS.arrow(Ids(user=id_type, item=id_type))
    return pa.Table.from_pylist(rows, schema=schema)


def compare(
    before: pa.Table | None, after: pa.Table, available: int, active: int, **options: Any
) -> Comparison:
    """The figures of two runs' lists."""
    return Difference.between(before, after, **options).comparison(available, active)


def rbo(one: Sequence[int], other: Sequence[int], p: float) -> float:
    """Rank-biased overlap as it is written down, ending at the longer list."""
    depths = range(1, max(len(one), len(other)) + 1)
    agreements = [len(set(one[:d]) & set(other[:d])) / d for d in depths]
    weights = [p ** (d - 1) for d in depths]
    return sum(w * a for w, a in zip(weights, agreements, strict=True)) / sum(weights)


def overlap(one: Sequence[int], other: Sequence[int]) -> float:
    return len(set(one) & set(other)) / max(len(one), len(other))


def churn(one: Sequence[int], other: Sequence[int]) -> float:
    same = sum(a == b for a, b in zip(one, other, strict=False))
    return 1 - same / max(len(one), len(other))


@settings(max_examples=150, deadline=None)
@given(
    before=LISTS_OF_USERS,
    after=LISTS_OF_USERS,
    p=PERSISTENCE,
    depth=st.integers(1, 10),
    id_type=st.sampled_from(["bigint", "text"]),
)
def test_figures_equal_their_definitions(
    before: Lists, after: Lists, p: float, depth: int, id_type: IdType
) -> None:
    tables = table(before, id_type), table(after, id_type)
    found = compare(*tables, 13, 9, depth=depth, persistence=p)
    had = {user: items[:depth] for user, items in before.items() if items}
    has = {user: items[:depth] for user, items in after.items() if items}
    kept = sorted(had.keys() & has.keys())
    assert (found.users_before, found.users_after) == (len(had), len(has))
    assert (found.users_lost, found.users_new) == (len(had) - len(kept), len(has) - len(kept))
    assert found.users_kept == (len(kept) / len(had) if had else None)
    pairs = [(had[user], has[user]) for user in kept]
    if not pairs:
        assert (found.overlap, found.rbo, found.churn) == (None, None, None)
    else:
        assert found.overlap == pytest.approx(np.mean([overlap(*pair) for pair in pairs]))
        assert found.rbo == pytest.approx(np.mean([rbo(*pair, p) for pair in pairs]))
        assert found.churn == pytest.approx(np.mean([churn(*pair) for pair in pairs]))
    if after:
        assert found.empty_share == pytest.approx(1 - len(has) / len(after))
        short = sum(len(items) < depth for items in after.values())
        assert found.short_share == short / len(after)
    assert found.coverage == len({item for items in has.values() for item in items}) / 13
    assert found.fallback_share == max(0, 9 - len(after)) / 9


@settings(max_examples=60, deadline=None)
@given(before=LISTS_OF_USERS, after=LISTS_OF_USERS, p=PERSISTENCE)
def test_rbo_lies_between_disjoint_and_identical(before: Lists, after: Lists, p: float) -> None:
    there = compare(table(before), table(after), 13, 9, persistence=p)
    back = compare(table(after), table(before), 13, 9, persistence=p)
    same = compare(table(after), table(after), 13, 9, persistence=p)
    moved = {user: [item + 100 for item in items] for user, items in after.items()}
    apart = compare(table(after), table(moved), 13, 9, persistence=p)
    assert there.rbo == (None if back.rbo is None else pytest.approx(back.rbo))
    if there.rbo is not None:
        assert 0.0 <= there.rbo <= 1.0
    if same.rbo is not None:
        assert same.rbo == pytest.approx(1.0)
        assert (same.overlap, same.churn) == (1.0, 0.0)
        assert (apart.rbo, apart.overlap, apart.churn) == (0.0, 0.0, 1.0)


@settings(max_examples=60, deadline=None)
@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=8), more=st.integers(0, 5))
def test_gini_equals_half_the_relative_mean_difference(amounts: list[float], more: int) -> None:
    everybody = np.array([*amounts, *[0.0] * more])
    found = gini(np.array(amounts), len(everybody))
    if everybody.sum() == 0:
        assert found is None
    else:
        differences = np.abs(everybody[:, None] - everybody[None, :]).mean()
        assert found == pytest.approx(differences / (2 * everybody.mean()), abs=1e-9)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param([1, 2, 3], [1, 3, 2], (1 + 0.25 + 0.25) / 1.75, id="last two swapped"),
        pytest.param([1, 2], [2, 1], 0.5 / 1.5, id="swapped"),
        pytest.param([1], [1, 2], (1 + 0.25) / 1.5, id="a shorter list"),
        pytest.param([1, 2, 3], [4, 5, 3], (0.25 / 3) / 1.75, id="only the last"),
    ],
)
def test_rbo_by_hand(one: list[int], other: list[int], expected: float) -> None:
    found = compare(table({1: one}), table({1: other}), 5, 1, persistence=0.5)
    assert found.rbo == pytest.approx(expected)


def test_exposure_by_hand() -> None:
    items, ranks = np.array([0, 1, 0, 2]), np.array([1, 2, 1, 3])
    expected = [2.0, 1 / math.log2(3), 0.5, 0.0]
    assert exposures(items, ranks, 4).tolist() == pytest.approx(expected)


def test_a_first_run_has_figures_of_its_own_and_none_of_change() -> None:
    found = compare(None, table({1: [1, 2], 2: []}), 4, 3)
    assert found.users_before == 0
    assert (found.users_kept, found.overlap, found.rbo, found.churn) == (None,) * 4
    assert (found.coverage, found.empty_share) == (0.5, 0.5)
    assert found.fallback_share == pytest.approx(1 / 3)


def test_nothing_at_all_can_be_compared() -> None:
    nothing = table({})
    assert compare(nothing, nothing, 0, 0).as_dict()["gini"] is None


def test_chunked_and_sliced_tables_are_read_where_their_rows_are() -> None:
    lists = {user: [user, user + 1, user + 2] for user in range(6)}
    whole = table(lists)
    pieces = pa.concat_tables([whole.slice(4), whole.slice(1, 3), whole.slice(0, 1)])
    assert compare(whole, pieces, 9, 6).churn == 0.0


def test_drift_is_told_in_standard_deviations_of_the_live_run() -> None:
    def run(bests: list[float]) -> pa.Table:
        return pa.concat_tables(table({n: [1]}, best=best) for n, best in enumerate(bests))

    before, after = [1.0, 3.0] * 20, [2.0, 5.0] * 20
    assert compare(run(before), run(after), 1, 1).score_drift == pytest.approx(1.5)
    assert compare(run(before[:20]), run(after), 1, 1).score_drift is None
    assert compare(run([2.0] * 40), run(after), 1, 1).score_drift is None


def test_groups_add_up() -> None:
    before = table({1: [1, 2], 2: [1, 2], 3: [3]})
    after = table({1: [1, 2], 2: [3, 4], 4: [1]})
    groups = pa.table({"user_id": [1, 2, 4], GROUP: band_names(np.array([0, 4, 5]))})
    found = Difference.between(before, after).by_group(groups)
    assert list(found) == ["cold", "unknown", "unseen", "warm"]
    assert (found["unseen"].churn, found["cold"].churn) == (0.0, 1.0)
    assert (found["warm"].users_new, found["unknown"].users_lost) == (1, 1)


def test_movers_are_the_items_that_gain_and_lose_the_most() -> None:
    difference = Difference.between(table({1: [1], 2: [1]}), table({1: [1], 2: [2]}))
    gained, lost = difference.movers(3)
    assert [(m.item_id, m.before, m.after) for m in gained] == [(2, 0.0, 0.5)]
    assert [(m.item_id, m.gain) for m in lost] == [(1, -0.5)]


def test_the_order_of_rows_makes_no_difference() -> None:
    rng = np.random.default_rng(3)
    lists = {user: rng.permutation(40)[:20].tolist() for user in range(200)}
    shuffled = {user: lists[user] for user in rng.permutation(200).tolist()}
    difference = Difference.between(table(lists), table(shuffled))
    assert difference.movers(5) == ((), ())
    other = compare(table(shuffled), table(lists), 40, 200)
    assert difference.comparison(40, 200).as_dict() == other.as_dict()


def test_users_without_lake_are_told_apart_by_their_lists() -> None:
    difference = Difference.between(table({1: [1]}), table({2: [1, 2], 3: [1]}), depth=2)
    assert difference.by_length()[GROUP].to_pylist() == [
        "no list",
        "full list",
        "short list",
    ]


def test_figures_are_ready_for_json() -> None:
    nan = table({n: [1] for n in range(30)}, best=math.nan)
    found = compare(table({n: [1] for n in range(30)}), nan, 1, 30)
    assert isinstance(found, Comparison)
    assert found.as_dict()["score_drift"] is None
