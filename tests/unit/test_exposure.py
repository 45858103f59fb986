"""Exposure spread over items: known answers, and nothing where no target is set."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import Ragged
from recsys.lists.chain import Chain
from recsys.lists.contract import HeldBack, Recipients, StepContext
from recsys.lists.pools import HeldPools
from recsys.lists.ranked import RankedLists
from recsys.lists.steps.exposure import Config, apply, plan, priced
from tests.unit.test_list_steps import context

ITEMS, USERS, DEPTH = 50, 400, 30


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


def with_holdout(wanted: int) -> StepContext:
    """Everybody of the holdout turns to the item at one place of the own list."""
    held = chunks(256)
    relevant = np.concatenate([lists.item_rows[wanted::DEPTH] for lists, _ in held])
    ones = Ragged.of_lengths(np.ones(USERS, np.int64), relevant)
    return replace(context("exposure"), held_back=lambda: HeldBack(held, ones))


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
    assert (facts["before"][:40] > 0).sum() < 40
    assert (facts["after"][:40] > 0).sum() == 40
    assert not facts["after"][40:].any()
    whole = plan(pools(), with_holdout(DEPTH - 1), Config(coverage=1.0))
    np.testing.assert_array_equal(whole["prices"], facts["prices"])
    most = plan(pools(size), with_holdout(DEPTH - 1), Config(top_share=0.0))
    assert most["after"].max() < facts["after"].max() < facts["before"].max()


def test_the_bound_on_ndcg_holds_the_step_back() -> None:
    """Where everybody turns to the own first item, every exchange of places costs."""
    facts = plan(pools(), with_holdout(0), Config(top_share=0.0, ndcg_loss=0.0))
    assert not facts["prices"].any()
    little = plan(pools(), with_holdout(0), Config(top_share=0.0, ndcg_loss=0.05))
    much = plan(pools(), with_holdout(0), Config(top_share=0.0, ndcg_loss=0.5))
    assert 0.0 < np.ptp(little["prices"]) < np.ptp(much["prices"])
