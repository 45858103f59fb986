"""Exposure spread over items: known answers, and nothing where no target is set."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from recsys.arrays import Ragged
from recsys.dataset.training import Descriptions, Training
from recsys.lists.admission import admitted, found_thresholds, priorities
from recsys.lists.chain import Chain
from recsys.lists.contract import HeldBack, Recipients, StepContext
from recsys.lists.floors import STEP
from recsys.lists.pools import HeldPools
from recsys.lists.prices import PricedMarket, deviations, priced
from recsys.lists.ranked import RankedLists
from recsys.lists.steps.exposure import Config, apply, metrics, plan, remark, summary

ITEMS, USERS, DEPTH, LENGTH = 50, 400, 30, 5
SHOWN = ("exposure_before", "exposure")


def chunks(size: int) -> list[tuple[RankedLists, Recipients]]:
    """Users who all like the same items, and each some by itself; cut into chunks."""
    rng = np.random.default_rng(3)
    scores = np.linspace(2.0, 0.0, ITEMS - 10) + rng.random((USERS, ITEMS - 10))
    order = np.argsort(-scores, axis=1)[:, :DEPTH]
    best = np.take_along_axis(scores, order, axis=1).astype(np.float32)
    found = []
    for start in range(0, USERS, size):
        rows = np.arange(start, min(start + size, USERS))
        none = Ragged.of_lengths(np.zeros(len(rows), np.int64), np.empty(0, np.int64))
        places = len(rows) * DEPTH
        lists = RankedLists(
            np.arange(0, places + 1, DEPTH),
            order[rows].ravel(),
            best[rows].ravel(),
            np.zeros(places, np.int16),
            np.ones(places, np.float32),
        )
        found.append((lists, Recipients(rows, rows.astype(np.uint64), none)))
    return found


def context() -> StepContext:
    """Of items of which the last ten are unavailable."""
    training = Training(
        sparse.csr_matrix((USERS, ITEMS), dtype=np.float32),
        np.empty(0, np.float32),
        np.empty(0, np.float32),
        Descriptions.blank(ITEMS),
        Descriptions.blank(USERS),
        np.full(USERS, -1, np.int32),
    )
    return StepContext(training, np.arange(ITEMS - 10), {}, ("exposure",), LENGTH, seed=1)


def with_holdout(wanted: int) -> StepContext:
    """Everybody of the holdout turns to the item at one place of the own list."""
    held = chunks(256)
    relevant = np.concatenate([lists.item_rows[wanted::DEPTH] for lists, _ in held])
    ones = Ragged.of_lengths(np.ones(USERS, np.int64), relevant)
    pools = HeldPools(held, Chain((), np.arange(ITEMS - 10), DEPTH))
    later = HeldBack(held, pools, ones, ones, ones.where(np.zeros(USERS, np.bool_)))
    return replace(context(), length=20, held_back=lambda: later)


def pools(size: int = 256) -> HeldPools:
    return HeldPools(chunks(size), Chain((), np.arange(ITEMS - 10), 20))


def test_without_a_target_lists_are_those_they_were() -> None:
    lists, users = chunks(256)[0]
    facts = plan(pools(), with_holdout(0), Config())
    assert apply(lists, users, facts, Config()) is lists


def test_prices_move_what_is_shown_to_many_down() -> None:
    """Scores 3, 2, 1 have a deviation of 0.816, so a price of 1.5 takes item 0 from 3.67 below
    2.45, the worth of item 1, and above 1.22 of item 2."""
    lists = RankedLists(
        np.array([0, 3]),
        np.array([0, 1, 2]),
        np.array([3.0, 2.0, 1.0], np.float32),
        np.zeros(3, np.int16),
        np.ones(3, np.float32),
    )
    assert priced(lists, np.array([1.5, 0.0, 0.0])).item_rows.tolist() == [1, 0, 2]
    assert priced(lists, np.array([1.2, 0.0, 0.0])).item_rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [256, 7])
def test_a_target_is_reached_with_no_more_than_it_needs(size: int) -> None:
    """What the holdout wants is at the end of lists, so nothing is lost; in any chunks."""
    facts = plan(pools(size), with_holdout(DEPTH - 1), Config(coverage=1.0))
    assert (facts["exposure_before"][:40] > 0).sum() < 40
    assert (facts["exposure"][:40] > 0).sum() == 40
    assert not facts["exposure"][40:].any()
    whole = plan(pools(), with_holdout(DEPTH - 1), Config(coverage=1.0))
    np.testing.assert_array_equal(whole["prices"], facts["prices"])
    most = plan(pools(size), with_holdout(DEPTH - 1), Config(top_share=0.0))
    assert most["exposure"].max() < facts["exposure"].max() < facts["exposure_before"].max()


def test_the_bound_on_ndcg_holds_the_step_back() -> None:
    """Where everybody turns to the own first item, every exchange of places costs."""
    facts = plan(pools(), with_holdout(0), Config(top_share=0.0, ndcg_loss=0.0))
    assert not facts["prices"].any()
    little, much = (
        plan(pools(), with_holdout(0), Config(top_share=0.0, ndcg_loss=loss))
        for loss in (0.05, 0.5)
    )
    assert 0.0 < little["strength"] < much["strength"]
    for facts, loss in ((little, 0.05), (much, 0.5)):
        assert facts["ndcg_loss"] + facts["ndcg_error"] <= loss * facts["ndcg_before"]


def with_sellers(known: StepContext) -> StepContext:
    """Two large sellers of the items that most users like, and one small one of each other item."""
    names = ["a", "b"] * 15 + [f"s{item}" for item in range(30, ITEMS)]
    attributes = [["colour=red", f"shop={name}", "shop=other"] for name in names]
    items = Descriptions([""] * ITEMS, [[]] * ITEMS, attributes)
    return replace(known, training=replace(known.training, items=items))


FLOOR: dict[str, Any] = {"seller": "shop", "seller_floor": 0.5}


@pytest.mark.parametrize("size", [256, 7])
def test_each_seller_gets_its_floor_and_is_raised_no_more_than_that_takes(size: int) -> None:
    """An even share of 40 available items is a fortieth of the attention for each. Three items are
    in too few pools for half of that, wherever they stand there."""
    context = with_sellers(with_holdout(DEPTH - 1))
    facts = plan(pools(size), context, Config.model_validate(FLOOR))
    floor = 0.5 / 40
    before, after = (facts[name][30:40] / facts[name].sum() for name in SHOWN)
    assert (before < floor).sum() == facts["short_before"] >= 3
    reached = after >= floor
    assert reached.tolist() == [True] * 6 + [False] * 4
    assert facts["short_after"] == 4
    assert facts["sellers"] == 12
    most = facts["most_raised"]
    assert facts["raised"][36:40].tolist() == [most] * 4
    raised = np.flatnonzero(facts["raised"])
    assert set(raised) == set(30 + np.flatnonzero(before < floor))
    np.testing.assert_array_equal(facts["prices"], -facts["raised"])
    market = PricedMarket(pools(size), ITEMS, 40, 20)
    for item in raised[facts["raised"][raised] < most]:
        less = facts["prices"].copy()
        less[item] += STEP
        shown = market.exposure(less)
        assert shown[item] < floor * shown.sum()


def test_floors_of_small_sellers_stay_within_the_bound_on_ndcg() -> None:
    """Where everybody turns to the own last shown item, whatever is raised past it costs."""
    small = FLOOR | {"small_seller": 14}

    def planned(wanted: int, loss: float) -> Mapping[str, Any]:
        config = Config.model_validate(small | {"ndcg_loss": loss})
        return plan(pools(), with_sellers(with_holdout(wanted)), config)

    assert not planned(19, 0.0)["prices"].any()
    little, much = planned(10, 0.02), planned(10, 0.1)
    assert little["sellers"] == 10
    assert little["raised"].max() <= little["most_raised"] < much["most_raised"]
    assert little["short_before"] > little["short_after"] > much["short_after"]
    for found, loss in ((little, 0.02), (much, 0.1)):
        assert found["ndcg_loss"] + found["ndcg_error"] <= loss * found["ndcg_before"]
    assert f"{little['short_before']:.0f} -> {little['short_after']:.0f} of 10" in summary(little)
    low = int(much["raised"].argmax())
    assert remark(much, low, 25, 15).startswith("moved up: its seller is shown to few (raised by ")
    assert remark(much, 0, 1, 2).startswith("moved down: sellers that are shown to few")
    rows = {(row.name, row.label): row.value for row in metrics(much)}
    assert rows["exposure_sellers_short", "after"] == much["short_after"]
    assert rows["exposure_sellers_share", "after"] > rows["exposure_sellers_share", "before"]


def test_a_floor_wants_sellers() -> None:
    with pytest.raises(ValidationError, match="seller and seller_floor go together"):
        Config.model_validate({"seller_floor": 0.5})


def lists_by(facts: Mapping[str, Any], size: int) -> list[list[int]]:
    found = []
    for lists, users in chunks(size):
        made = apply(lists, users, facts, Config()).cut(LENGTH)
        found += [made.item_rows[a:b].tolist() for a, b in pairwise(made.offsets)]
    return found


def seated(cap: int) -> list[list[int]]:
    """The same by deferred acceptance, one round of proposals after the other."""
    ((lists, users),) = chunks(USERS)
    pool = lists.item_rows.reshape(USERS, DEPTH).tolist()
    wants = priorities(lists, users, deviations(lists)).reshape(USERS, DEPTH).tolist()
    refused: list[set[int]] = [set() for _ in range(USERS)]
    while True:
        asked: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for user in range(USERS):
            left = [place for place in range(DEPTH) if pool[user][place] not in refused[user]]
            for place in left[:LENGTH]:
                asked[pool[user][place]].append((wants[user][place], user))
        over = {item: sorted(those)[:-cap] for item, those in asked.items() if len(those) > cap}
        if not over:
            return [
                [item for item in pool[user] if item not in refused[user]][:LENGTH]
                for user in range(USERS)
            ]
        for item, those in over.items():
            for _, user in those:
                refused[user].add(item)


@pytest.mark.parametrize("multiple", [3.0, 1.5])
def test_a_cap_is_kept_and_gives_items_to_those_who_want_them_most(multiple: float) -> None:
    """Places are 400 x 5 for 40 items, so caps of 150 and 75 lists; about half of a pool is left
    for who is refused, so no place is empty."""
    known = context()
    facts = plan(pools(7), known, Config(cap=multiple))
    most = int(multiple * 50)
    assert facts["cap"] == facts["lists"].max() == most
    held = np.bincount(np.concatenate(lists_by(facts, 7)), minlength=ITEMS)
    np.testing.assert_array_equal(held, facts["lists"])
    assert held.sum() == USERS * LENGTH
    assert lists_by(facts, 256) == lists_by(facts, 7)
    same = [a == b for a, b in zip(lists_by(facts, 7), seated(most), strict=True)]
    assert np.mean(same) > 0.95


def test_a_small_cap_is_that_of_deferred_acceptance() -> None:
    """A fiftieth of a cap of less than 50 is no user, so nobody is refused who need not be."""
    prices = np.zeros(ITEMS)
    facts = {"prices": prices, "thresholds": found_thresholds(pools(64), ITEMS, LENGTH, prices, 49)}
    lists = lists_by(facts, 64)
    assert lists == seated(49)
    assert sum(map(len, lists)) < USERS * LENGTH


def test_a_cap_is_kept_where_all_want_the_same() -> None:
    """Equal scores are told apart by user and item, not by who comes first."""
    alike = RankedLists(
        np.arange(0, 601, 3),
        np.tile([0, 1, 2], 200),
        np.tile([3.0, 2.0, 1.0], 200).astype(np.float32),
        np.zeros(600, np.int16),
        np.ones(600, np.float32),
    )
    none = Ragged.of_lengths(np.zeros(200, np.int64), np.empty(0, np.int64))
    users = Recipients(np.arange(200), np.arange(200, dtype=np.uint64), none)
    all_alike = HeldPools([(alike, users)], Chain((), np.arange(3), 1))
    thresholds = found_thresholds(all_alike, 3, 1, np.zeros(3), 40)
    made = admitted(alike, users, np.zeros(3), thresholds).cut(1)
    assert np.bincount(made.item_rows).tolist() == [40, 40, 40]
    assert np.ptp(np.flatnonzero(np.diff(made.offsets))) > 150


def test_a_night_says_what_it_came_to() -> None:
    facts = plan(pools(), with_holdout(DEPTH - 1), Config(top_share=0.0, cap=4.0))
    before, after = (float(facts[f"top_share_{when}"]) for when in ("before", "after"))
    assert f"top 1 % {100 * before:.1f} % -> {100 * after:.1f} %" in summary(facts)
    rows = {(row.name, row.label): row.value for row in metrics(facts)}
    assert rows["exposure_top_share", "after"] == after < before
    assert rows["exposure_most_lists", None] <= rows["exposure_cap", None]
    first = int(facts["exposure_before"].argmax())
    assert remark(facts, first, 1, 5).startswith("moved down: shown to many already (shown ")
    assert remark(facts, first, 4, 4) == ""
