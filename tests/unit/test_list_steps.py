"""Chains of list steps: what they may do to lists, and what is put right after them."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from recsys.arrays import Ragged
from recsys.dataset.training import Descriptions, Training
from recsys.lists.chain import Chain, plan_chain, plan_market_step
from recsys.lists.contract import Counts, Pools, Recipients, StepConfig, StepContext
from recsys.lists.pools import HeldPools
from recsys.lists.ranked import RankedLists
from recsys.lists.registry import LIST_STEPS
from recsys.sections.base import Section

ITEMS, USERS, DEPTH = 50, 600, 7


def context(*steps: str) -> StepContext:
    """Of items of which the last ten are unavailable."""
    training = Training(
        sparse.csr_matrix((USERS, ITEMS), dtype=np.float32),
        np.empty(0, np.float32),
        np.empty(0, np.float32),
        Descriptions.blank(ITEMS),
        Descriptions.blank(USERS),
        np.full(USERS, -1, np.int32),
    )
    return StepContext(training, np.arange(ITEMS - 10), {}, steps, length=4, seed=1)


def ranked(*lists: list[int]) -> RankedLists:
    """Lists whose scores are minus the place."""
    rows = np.array([row for line in lists for row in line], np.int64)
    places = np.array([place for line in lists for place in range(len(line))], np.float32)
    ones = np.ones(len(rows), np.float32)
    offsets = np.cumsum([0, *map(len, lists)])
    return RankedLists(offsets, rows, -places, np.zeros(len(rows), np.int16), ones)


def recipients(first: int, *excluded: list[int]) -> Recipients:
    rows = np.arange(first, first + len(excluded))
    values = np.array([row for line in excluded for row in line], np.int64)
    lists = Ragged.of_lengths(np.array([len(line) for line in excluded]), values)
    return Recipients(rows, rows.astype(np.uint64), lists)


def use(monkeypatch: pytest.MonkeyPatch, name: str, **parts: Any) -> Section:
    """Adds a step; gives sections that have it."""
    parts = {"Config": StepConfig, "SCOPE": "user"} | parts
    monkeypatch.setitem(LIST_STEPS, name, cast("Any", SimpleNamespace(**parts)))
    return cast("Section", SimpleNamespace(**dict.fromkeys(LIST_STEPS, StepConfig())))


def no_market(step: str, before: Chain) -> Any:
    raise AssertionError((step, before))


def lists_of(lists: RankedLists) -> list[list[int]]:
    return [lists.item_rows[a:b].tolist() for a, b in pairwise(lists.offsets)]


def test_what_a_step_may_not_publish_is_taken_out_and_scores_fall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step gives everybody the same: item 5 twice, 45 that is unavailable, rising scores."""
    same = ranked([5, 45, 6, 5, 7, 8, 9], [5, 45, 6, 5, 7, 8, 9])
    rising = RankedLists(**(vars(same) | {"scores": np.tile(np.arange(7, dtype=np.float32), 2)}))
    sections = use(monkeypatch, "mine", apply=lambda *_: rising)
    chain = plan_chain(sections, context("mine"), no_market)
    made = chain.published(ranked([1], [2]), recipients(0, [], [7, 1, 6]))
    assert lists_of(made) == [[5, 6, 7, 8], [5, 8, 9]]
    assert made.scores.tolist() == [0.0] * 7


def test_without_steps_lists_are_only_cut() -> None:
    chain = plan_chain(cast("Section", None), context(), no_market)
    made = chain.published(ranked([5, 45, 5, 5, 5, 5]), recipients(0, [5]))
    assert lists_of(made) == [[5, 45, 5, 5]]


def test_a_step_without_anything_to_do_on_a_date_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sections = use(monkeypatch, "idle", apply=no_market, prepare=lambda *_: None)
    assert plan_chain(sections, context("idle"), no_market).steps == ()


def market(chunk: int) -> list[tuple[RankedLists, Recipients]]:
    """The same pools of all users, cut into chunks of so many users."""
    rng = np.random.default_rng(4)
    pools = [rng.permutation(ITEMS - 10)[:DEPTH].tolist() for _ in range(USERS)]
    parts = [pools[start : start + chunk] for start in range(0, USERS, chunk)]
    return [
        (ranked(*part), recipients(number * chunk, *[[]] * len(part)))
        for number, part in enumerate(parts)
    ]


def held(lists: RankedLists, users: Recipients) -> Counts:  # noqa: ARG001
    return {"held": np.bincount(lists.item_rows, minlength=ITEMS)}


def rarest_first(
    lists: RankedLists,
    users: Recipients,  # noqa: ARG001
    facts: Any,
    config: Any,  # noqa: ARG001
) -> RankedLists:
    order = np.lexsort((facts["held"][lists.item_rows], lists.items.lines()))
    return lists.entries(lists.offsets, order)


def test_a_market_step_sees_what_the_steps_before_it_left_of_all_pools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each step in its turn, in whatever chunks, and what comes out falls by its own facts."""

    def first_three(lists: RankedLists, *_: Any) -> RankedLists:
        return lists.cut(3)

    def plan(pools: Pools, context: StepContext, config: Any) -> Counts:  # noqa: ARG001
        return pools.summed(held)

    use(monkeypatch, "short", apply=first_three)
    sections = use(monkeypatch, "rare", SCOPE="market", apply=rarest_first, plan=plan)
    found: list[npt.NDArray[Any]] = []
    for chunk in (256, 7):
        chunks, known = market(chunk), context("short", "rare")

        def find(step: str, before: Chain) -> Any:
            assert [planned.name for planned in before.steps] == ["short"]
            pools = HeldPools(chunks, before)  # noqa: B023 - called at once
            return plan_market_step(step, pools, known, sections)  # noqa: B023

        chain = plan_chain(sections, known, find)
        counts = chain.steps[1].facts["held"]
        assert counts.sum() == 3 * USERS
        made = chain.published(*chunks[0])
        assert (np.diff(counts[made.item_rows].reshape(-1, 3), axis=1) >= 0).all()
        found.append(counts)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (lambda pools, *_: pools.summed(lambda *_: {"x": np.ones(ITEMS)}), "whole numbers only"),
        (lambda *_: {"x": np.ones(USERS)}, "the first axis of x must be the item index"),
    ],
    ids=["not whole", "not of items"],
)
def test_a_market_step_that_breaks_the_terms_is_told(
    plan: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = use(monkeypatch, "odd", SCOPE="market", apply=rarest_first, plan=plan)
    pools = HeldPools(market(256), Chain((), np.arange(ITEMS), 4))
    with pytest.raises(TypeError, match=said):
        plan_market_step("odd", pools, context("odd"), sections)
