"""When a night is full, who has changed, and what models are after users and items moved."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recsys import columns as c
from recsys.as_of import AsOf
from recsys.dataset.changes import IndexAlignment, aligned_rows, aligned_square, changed
from recsys.dataset.training import Descriptions, Training
from recsys.generators import als
from recsys.generators.als_model import folded_in
from recsys.generators.contract import Updatable
from recsys.generators.registry import GENERATORS
from recsys.nights import Night, decide
from recsys.schemas import HISTORIES
from recsys.sections.ids import Ids

DAY = AsOf.parse("2026-01-10")
SAME = "same"
HOURS = timedelta(hours=6)


def day(before: int) -> AsOf:
    return DAY - timedelta(days=before)


def full(fingerprint: str = SAME) -> Night:
    return Night(fingerprint=fingerprint)


def on(base: AsOf, previous: AsOf) -> Night:
    return Night(fingerprint=SAME, base=base, previous=previous)


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        pytest.param({}, full(), id="nothing"),
        pytest.param({day(6): full()}, on(day(6), day(6)), id="full-lately"),
        pytest.param({day(7): full()}, full(), id="full-too-long-ago"),
        pytest.param({day(0): full(), day(-1): full()}, full(), id="not-before"),
        pytest.param({day(1): full("other")}, full(), id="other-configuration"),
        pytest.param(
            {day(3): full(), day(2): on(day(3), day(3)), day(1): full("other")},
            on(day(3), day(2)),
            id="the-last-on-the-base",
        ),
        pytest.param({day(2): on(day(3), day(3))}, full(), id="base-gone"),
        pytest.param(
            {day(5): full(), day(2): full(), day(1): on(day(5), day(5))},
            on(day(2), day(2)),
            id="the-last-full-one-and-nothing-of-another",
        ),
        pytest.param({day(7) + HOURS: full()}, on(day(7) + HOURS, day(7) + HOURS), id="an-hour"),
        pytest.param(
            {day(2): full(), day(1) + HOURS: on(day(2), day(2)), day(0) + HOURS: full()},
            on(day(2), day(1) + HOURS),
            id="the-last-before-within-a-day",
        ),
    ],
)
def test_a_night_is_full_every_so_many_days(earlier: dict[AsOf, Night], expected: Night) -> None:
    assert decide(DAY, 7, SAME, earlier) == expected


def test_every_night_is_full_where_that_is_configured() -> None:
    earlier = {day(n) + hours: full() for n in range(1, 9) for hours in (timedelta(), HOURS)}
    assert decide(DAY, 1, SAME, earlier) == full()


BEFORE = {"items": [0, 2], "ages": [1.0, 40.3], "blocked": [1], "active": True}


def users(*rows: dict[str, Any]) -> pa.Table:
    filled = [
        {
            c.USER_ROW: number,
            c.USER_ID: number,
            c.ITEM_ROWS: row["items"],
            c.WEIGHTS: [1.0] * len(row["items"]),
            c.AGES: row["ages"],
            c.LAST_AGES: row["ages"],
            c.EARLIER_WEIGHTS: [None] * len(row["items"]),
            c.EARLIER_LAST_AGES: [None] * len(row["items"]),
            c.BLOCKED_ROWS: row["blocked"],
            c.ACTIVE: row["active"],
        }
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, schema=HISTORIES.arrow(Ids()))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param({}, False, id="older-alone"),
        pytest.param({"items": [0, 4]}, True, id="other-item"),
        pytest.param({"items": [0, 1]}, True, id="new-item-in-place-of-an-old-one"),
        pytest.param({"items": [0], "ages": [3.0]}, True, id="item-less"),
        pytest.param({"items": [0, 1, 3], "ages": [3.0, 0.1, 42.3]}, True, id="item-more"),
        pytest.param({"ages": [3.0, 42.2]}, True, id="other-first-time"),
        pytest.param({"blocked": []}, True, id="unblocked"),
        pytest.param({"blocked": [3]}, True, id="other-block"),
        pytest.param({"active": False}, True, id="left"),
    ],
)
def test_a_user_has_changed(now: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """Items 0, 1 and 2 of the earlier date are 0, 2 and 3 by now; 1 and 4 are new."""
    same = {"items": [0, 3], "ages": [3.0, 42.3], "blocked": [2], "active": True}
    today, before = users(BEFORE, same | now, same), users(BEFORE, BEFORE)
    places, items = np.array([-1, 1, 0]), np.array([0, -1, 1, 2, -1])
    assert changed(today, before, places, items, 2).tolist() == [True, expected, False]


@given(seconds=st.integers(0, 20 * 365 * 86_400), days=st.integers(1, 30))
def test_an_age_in_float32_is_no_change(seconds: int, days: int) -> None:
    old = BEFORE | {"items": [0], "ages": [np.float32(seconds / 86_400)]}
    new = BEFORE | {"items": [0], "ages": [np.float32(days + seconds / 86_400)]}
    here = np.arange(3)
    assert not changed(users(new), users(old), np.array([0]), here, days).any()


def test_vectors_and_similarities_move_with_their_items() -> None:
    earlier = np.array([0, -1, 2, -1])
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert aligned_rows(rows, earlier).tolist() == [[0, 1], [0, 0], [4, 5], [0, 0]]
    square = sparse.csr_matrix(np.arange(1, 10, dtype=np.float32).reshape(3, 3))
    nothing = [0, 0, 0, 0]
    expected = [[1, 0, 3, 0], nothing, [7, 0, 9, 0], nothing]
    assert aligned_square(square, earlier).toarray().tolist() == expected
    assert aligned_square(square, np.arange(3)) is square


def training(matrix: sparse.csr_matrix) -> Training:
    users, items = matrix.shape
    blank = Descriptions.blank
    ages, segments = np.zeros(matrix.nnz, np.float32), np.full(users, -1, np.int32)
    return Training(matrix, ages, ages, blank(items), blank(users), segments)


LASTING = [name for name, module in GENERATORS.items() if isinstance(module, Updatable)]


@pytest.mark.parametrize("name", LASTING)
def test_a_model_carried_to_its_own_date_is_itself(name: str) -> None:
    data = training(sparse.random(90, 30, 0.2, "csr", np.float32, random_state=1))
    module = GENERATORS[name]
    section = module.Config()
    model = module.fit(data, section, 1)
    alignment = IndexAlignment(np.arange(90), np.arange(30), np.zeros(90, bool))
    assert isinstance(module, Updatable)
    updated = module.updated(model, data, section, alignment).arrays()
    for key, array in model.arrays().items():
        np.testing.assert_array_equal(updated[key], array)


@pytest.mark.parametrize("name", LASTING)
def test_items_a_carried_model_did_not_know_have_no_score(name: str) -> None:
    before = sparse.random(90, 30, 0.2, "csr", np.float32, random_state=1)
    module = GENERATORS[name]
    section = module.Config()
    # Of events at one time none comes after another, and next_item would have no opinion.
    known = replace(training(before), last_ages=np.arange(before.nnz, dtype=np.float32))
    model = module.fit(known, section, 1)
    wider = sparse.hstack([before, np.ones((90, 1), np.float32)], format="csr")
    items = np.append(np.arange(30), -1)
    alignment = IndexAlignment(np.arange(90), items, np.ones(90, bool))
    assert isinstance(module, Updatable)
    found = module.updated(model, training(wider), section, alignment).scores(np.arange(90))
    assert not found[:, 30].any()
    assert found[:, :30].any()


def test_als_folds_in_who_changed_and_leaves_the_others() -> None:
    before = sparse.random(40, 30, 0.2, "csr", np.float32, random_state=1)
    config = als.Config(factors=4)
    model = als.fit(training(before), config, 1)
    now = before[[0, 0, 2]].tocsr()
    alignment = IndexAlignment(np.array([0, -1, 2]), np.arange(30), np.array([False, True, False]))
    found = als.updated(model, training(now), config, alignment)
    np.testing.assert_array_equal(found.user_factors[[0, 2]], model.user_factors[[0, 2]])
    alone = folded_in(
        model.item_factors, als._confidence(now, config)[[1]], model.equations.everybody
    )
    np.testing.assert_array_equal(found.user_factors[[1]], alone)
    assert alone.any()
