"""New items in lists: placed where they should be, drawn with the chances that are logged."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse, stats

from recsys.arrays import Ints, Ragged
from recsys.as_of import AsOf
from recsys.dataset.training import Descriptions, Training
from recsys.generators.popularity import foreseen
from recsys.lists.contract import Recipients, StepContext
from recsys.lists.ranked import RankedLists
from recsys.lists.steps.explore import Config, Policy, apply, explored, new_items, prepare
from recsys.nights import night_seed

NEW = 7
POLICY = Policy(places=(2, 4), length=6, source=NEW, seed=11)
NEW_ITEMS = np.array([3, 50, 51, 52, 53])

Scores = npt.NDArray[np.float32]


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    flat = [row for line in rows for row in line]
    return Ragged(np.cumsum([0, *map(len, rows)]), np.array(flat, np.int64))


def top(*rows: Sequence[int]) -> RankedLists:
    """Lists whose scores are minus the place, from 0, by models 0 and 1 in turn."""
    offsets, items = ragged(rows)
    places = np.concatenate([np.arange(len(row)) for row in (*rows, [])])
    return RankedLists(
        offsets,
        items,
        -places.astype(np.float32),
        (places % 2).astype(np.int16),
        np.ones(len(places), np.float32),
    )


def keys(users: int) -> npt.NDArray[np.uint64]:
    return np.arange(users).astype(np.uint64)


def lists_of(result: RankedLists) -> list[list[int]]:
    return [result.item_rows[a:b].tolist() for a, b in pairwise(result.offsets)]


def place(
    lists: RankedLists,
    preferences: Scores | None = None,
    barred: Sequence[Sequence[int]] | None = None,
    new: Ints = NEW_ITEMS,
    policy: Policy = POLICY,
) -> RankedLists:
    users = len(lists.offsets) - 1
    if preferences is None:
        preferences = np.zeros((users, len(new)), np.float32)
    return explored(lists, new, preferences, ragged(barred or [[]] * users), keys(users), policy)


def test_new_items_take_their_places_and_the_others_keep_their_order() -> None:
    result = place(top([10, 11, 12, 13, 14, 15]))
    (row,) = lists_of(result)
    assert [row[0], row[2], *row[4:]] == [10, 11, 12, 13]
    assert {row[1], row[3]} < set(NEW_ITEMS.tolist())
    assert result.sources.tolist() == [0, NEW, 1, NEW, 0, 1]
    assert result.scores.tolist() == [0.0, 0.0, -1.0, -1.0, -2.0, -3.0]
    np.testing.assert_allclose(result.propensities, [1, 1 / 5, 1, 1 / 4, 1, 1])
    assert result.propensities.dtype == result.scores.dtype == np.float32


def test_a_short_list_gets_them_at_its_end_and_grows() -> None:
    result = place(top([10], [], [10, 11, 12]))
    assert [len(row) for row in lists_of(result)] == [3, 2, 5]
    assert result.sources.tolist() == [0, NEW, NEW, NEW, NEW, 0, NEW, 1, NEW, 0]
    assert result.scores.tolist() == [0, 0, 0, 0, 0, 0, 0, -1, -1, -2]


def test_the_first_place_can_be_one_of_them() -> None:
    policy = Policy(places=(1, 2), length=3, source=NEW, seed=1)
    result = place(top([10, 11, 12]), policy=policy)
    assert result.sources.tolist() == [NEW, NEW, 0]
    assert result.item_rows[2] == 10


def test_nobody_gets_what_is_excluded_or_listed_already() -> None:
    lists = top(*[[3, 11, 12, 13, 14, 15]] * 300)
    result = place(lists, barred=[[1, 50, 53, 99]] * 300)
    for row in lists_of(result):
        assert len(set(row)) == 6
        assert {row[1], row[3]} == {51, 52}
    assert set(result.propensities.tolist()) == {0.5, 1.0}


def test_too_few_new_items_leave_the_last_places_ordinary() -> None:
    lists = top([3, 11, 12, 13, 14, 15], [10, 11, 12, 13, 14, 15])
    result = place(lists, barred=[[50, 51, 52], [3, 50, 51, 52, 53]])
    assert lists_of(result) == [[3, 53, 11, 12, 13, 14], [10, 11, 12, 13, 14, 15]]
    assert result.propensities.tolist() == [1.0] * 12


@pytest.mark.parametrize("new", [NEW_ITEMS, NEW_ITEMS[:0]], ids=["no places", "none"])
def test_nothing_happens_without_places_or_new_items(new: Ints) -> None:
    lists = top([10, 11, 12], [], [13])
    policy = POLICY if not len(new) else replace(POLICY, places=())
    result = place(lists, new=new, policy=policy)
    assert lists_of(result) == [[10, 11, 12], [], [13]]
    np.testing.assert_array_equal(result.scores, lists.scores)
    np.testing.assert_array_equal(result.sources, lists.sources)
    assert result.propensities.tolist() == [1.0] * 4
    assert lists_of(place(top())) == []


def test_a_deeper_pool_stays_as_deep_and_holds_what_was_drawn_once() -> None:
    rows = [10, 11, 12, 13, 14, 15, 50, 51, 52, 53, 3, 20]
    deep = place(top(*[rows] * 50))
    for row in lists_of(deep):
        assert sorted(row) == sorted(rows)
    assert set(deep.cut(2).item_rows[1::2].tolist()) == set(NEW_ITEMS.tolist())
    np.testing.assert_array_equal(deep.cut(6).item_rows, place(top(*[rows[:6]] * 50)).item_rows)


@pytest.mark.parametrize(
    ("section", "length", "places"),
    [
        ({}, 100, ()),
        ({"slots": 1}, 100, (5,)),
        ({"slots": 2}, 100, (5, 20)),
        ({"slots": 3, "first_place": 4}, 100, (4, 12, 20)),
        ({"slots": 16}, 100, tuple(range(5, 21))),
        ({"slots": 2, "first_place": 1}, 10, (1, 10)),
        ({}, 3, ()),
    ],
)
def test_places_are_spread_evenly(
    section: dict[str, int], length: int, places: tuple[int, ...]
) -> None:
    assert Config.model_validate(section).places(length) == places


def test_what_may_not_be_drawn_is_not() -> None:
    preferences = np.array([[0, -np.inf, np.nan, 500.0, -500.0]], np.float32)
    (row,) = lists_of(place(top([10, 11, 12, 13]), preferences))
    assert row == [10, 52, 11, 3, 12, 13]


def many(users: int) -> tuple[RankedLists, Scores, list[list[int]]]:
    rng = np.random.default_rng(5)
    rows = [rng.permutation(np.flatnonzero(rng.random(40) < 0.2))[:6].tolist() for _ in keys(users)]
    lists = top(*rows)
    preferences = rng.normal(size=(users, len(NEW_ITEMS))).astype(np.float32)
    return lists, preferences, [np.flatnonzero(rng.random(60) < 0.3).tolist() for _ in range(users)]


def test_a_users_draw_does_not_depend_on_block_or_order() -> None:
    lists, preferences, barred = many(400)
    whole = place(lists, preferences, barred)
    for chosen in (np.arange(57, 58), np.arange(400)[::-3], np.arange(200, 400)):
        rows = [lists.item_rows[lists.offsets[u] : lists.offsets[u + 1]].tolist() for u in chosen]
        part = explored(
            top(*rows),
            NEW_ITEMS,
            preferences[chosen],
            ragged([barred[user] for user in chosen]),
            keys(400)[chosen],
            POLICY,
        )
        for number, user in enumerate(chosen):
            a, b = whole.offsets[user : user + 2]
            c, d = part.offsets[number : number + 2]
            assert part.item_rows[c:d].tolist() == whole.item_rows[a:b].tolist()
            assert part.propensities[c:d].tobytes() == whole.propensities[a:b].tobytes()


def test_other_keys_seeds_and_nights_draw_anew() -> None:
    lists = top(*[[10, 11, 12, 13, 14, 15]] * 500)
    once = place(lists)
    assert place(lists).item_rows.tobytes() == once.item_rows.tobytes()
    texts = ("2026-01-01", "2026-01-01T06:00Z", "2026-01-02")
    tonight, morning, tomorrow = (night_seed(2**31 - 1, AsOf.parse(text)) for text in texts)
    for seed in (12, tonight, morning, tomorrow):
        other = place(lists, policy=replace(POLICY, seed=seed))
        same = (other.item_rows == once.item_rows)[once.sources == NEW].mean()
        assert 0.1 < same < 0.3


def test_every_run_has_a_seed_and_a_midnight_that_of_its_date() -> None:
    """The second as releases before runs within the day drew it: lists are the same again."""
    begin = AsOf.parse("2026-01-01")
    runs = [begin + timedelta(minutes=n) for n in range(3 * 1440)]
    assert len({night_seed(7, as_of) for as_of in runs}) == len(runs)
    assert night_seed(7, begin) == 7 << 32 | date(2026, 1, 1).toordinal()


def draws(users: int, preferences: Scores) -> tuple[Ints, npt.NDArray[np.float32]]:
    """(users, 2) columns drawn and their propensities, of users who may get everything."""
    lists = top(*[[10, 11, 12, 13, 14, 15]] * users)
    result = place(lists, np.broadcast_to(preferences, (users, len(NEW_ITEMS))))
    new = result.sources == NEW
    columns = np.searchsorted(NEW_ITEMS, result.item_rows[new]).reshape(users, 2)
    return columns, result.propensities[new].reshape(users, 2)


def test_frequencies_are_the_logged_propensities() -> None:
    users = 40_000
    preferences = np.array([0.0, 1.0, -1.0, 2.0, 0.5], np.float32)
    columns, logged = draws(users, preferences)
    odds = np.exp(preferences.astype(np.float64))
    softmax = odds / odds.sum()
    np.testing.assert_allclose(logged[:, 0], softmax[columns[:, 0]], rtol=1e-5)
    pairs = softmax[:, np.newaxis] * softmax / (1 - softmax[:, np.newaxis])
    apart = ~np.eye(len(NEW_ITEMS), dtype=bool)
    joint = pairs[columns[:, 0], columns[:, 1]]
    np.testing.assert_allclose(logged.prod(axis=1), joint, rtol=1e-5)
    counts = np.bincount(columns @ [len(NEW_ITEMS), 1], minlength=len(NEW_ITEMS) ** 2).reshape(
        pairs.shape
    )
    assert counts[~apart].sum() == 0
    assert stats.chisquare(counts[apart], users * pairs[apart]).pvalue > 0.01


def test_propensities_weigh_rewards_back_to_another_policy() -> None:
    """The estimate that the docstring promises, for a policy that draws evenly at each place."""
    users = 40_000
    columns, logged = draws(users, np.array([0.0, 1.0, -1.0, 2.0, 0.5], np.float32))
    worth = np.array([1.0, 0.0, 3.0, 0.5, 2.0])
    first = worth[columns[:, 0]] * (1 / 5) / logged[:, 0]
    second = worth[columns[:, 1]] * (1 / 5 * 1 / 4) / logged.prod(axis=1)
    for estimate in (first, second):
        error = estimate.std() / np.sqrt(users)
        assert abs(estimate.mean() - worth.mean()) < 3 * error < 0.1


def test_frequencies_hold_where_users_differ() -> None:
    """Each new item's number of first draws against the sum of its chances over the users."""
    users = 20_000
    rng = np.random.default_rng(8)
    preferences = rng.normal(size=(users, len(NEW_ITEMS))).astype(np.float32)
    barred = [np.array([3, 50, 51])[rng.random(3) < 0.5].tolist() for _ in range(users)]
    result = place(top(*[[10, 11]] * users), preferences, barred)
    firsts = result.item_rows[result.offsets[:-1] + 1]
    gone = np.array([[row in gone for row in NEW_ITEMS.tolist()] for gone in barred])
    odds = np.where(gone, 0.0, np.exp(preferences.astype(np.float64)))
    chances = odds / odds.sum(axis=1, keepdims=True)
    columns = np.searchsorted(NEW_ITEMS, firsts)
    logged = result.propensities[result.offsets[:-1] + 1]
    np.testing.assert_allclose(logged, chances[np.arange(users), columns], rtol=1e-5)
    drawn = np.bincount(columns, minlength=len(NEW_ITEMS))
    spread = np.sqrt((chances * (1 - chances)).sum(axis=0))
    assert (np.abs(drawn - chances.sum(axis=0)) < 3.5 * spread).all()


def test_an_item_is_new_with_few_users_and_a_short_life() -> None:
    users = np.array([0, 3, 4, 1, 0, 2])
    ages = np.array([np.nan, 30.0, 1.0, 31.0, 5.0, 2.0])
    available = np.array([0, 1, 2, 3, 5])
    assert new_items(users, ages, available, 3, 30.0).tolist() == [0, 1, 5]


def trained(history: sparse.csr_matrix, tags: list[list[str]]) -> Training:
    users, items = history.shape
    ages = np.zeros(history.nnz, np.float32)
    described = Descriptions([""] * items, tags, [[]] * items)
    blank, nobody = Descriptions.blank(users), np.full(users, -1, np.int32)
    return Training(history, ages, ages, described, blank, nobody)


def test_what_is_written_of_a_new_item_says_how_often_it_is_drawn() -> None:
    """Two kinds of items: each of one is liked by 60 users, of the other by 6. Two are new."""
    kinds = np.array(["loved", "ignored"] * 61)
    cells = np.zeros((80, len(kinds)), np.float32)
    for item, kind in enumerate(kinds[:-2]):
        cells[np.arange(60 if kind == "loved" else 6) + item % 20, item] = 1.0
    history = sparse.csr_matrix(cells)
    training = trained(history, [[kind] for kind in kinds])
    new = np.array([120, 121])
    assert foreseen(training, new, 1) == pytest.approx(np.log1p([60, 6]), rel=0.02)
    context = StepContext(training, np.arange(122), {}, ["explore"], length=2, seed=1)
    users = Recipients(np.arange(80), keys(80), ragged([[]] * 80))
    for power, odds in ((1.0, 61 / 7), (0.0, 1.0)):
        config = Config(slots=1, first_place=1, popularity_power=power)
        facts = prepare(context, config)
        assert facts is not None
        lists = apply(top(*([[0]] * 80)), users, facts, config)
        chances = lists.propensities[::2]
        assert chances[lists.item_rows[::2] == 120] == pytest.approx(odds / (1 + odds), rel=0.05)
        assert chances[lists.item_rows[::2] == 121] == pytest.approx(1 / (1 + odds), rel=0.05)
        assert set(lists.item_rows[::2].tolist()) == {120, 121}


def test_promises_of_more_labels_than_dimensions_take_the_seed_of_a_night() -> None:
    kinds = ["loved", "ignored"] * 61
    labels = [[kind, f"a{n // 2}", f"b{(n + 1) // 2}"] for n, kind in enumerate(kinds)]
    cells = np.zeros((80, len(kinds)), np.float32)
    for item, kind in enumerate(kinds[:-2]):
        cells[: 60 if kind == "loved" else 6, item] = 1.0
    training = trained(sparse.csr_matrix(cells), labels)
    seed = night_seed(20_260_101, AsOf.parse("2026-01-01"))
    loved, ignored = foreseen(training, np.array([120, 121]), seed)
    assert loved > ignored + 1.0


def test_without_enough_items_to_learn_from_all_new_ones_promise_the_same() -> None:
    history = sparse.csr_matrix(np.ones((6, 3), np.float32))
    assert not foreseen(trained(history, [["a"], ["b"], ["c"]]), np.array([1, 2]), 1).any()
