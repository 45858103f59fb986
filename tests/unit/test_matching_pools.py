"""A market out of pools that know of one side only."""

import numpy as np
import pytest
from scipy import sparse

from recsys.arrays import Floats, ItemRows, Mask, Ragged, UserRows
from recsys.matching.health import Outcome
from recsys.matching.lists import Balance, inbox_lists, simultaneous_lists
from recsys.matching.market import Market
from recsys.matching.pools import People, PoolChances, PooledMarket, proposed
from tests.planted_markets import popular_market

SIDE, DEEP, LENGTH = 300, 100, 20
SHIFT = 7
"""People have other rows as items than as users."""


def square(market: Market) -> Floats:
    """(people, people) chances of a yes; 0 of who must not be shown."""
    chances = np.zeros((market.people, market.people))
    chances[market.candidates.lines(), market.candidates.values] = market.likes
    return chances


def best(chances: Floats, deep: int) -> Ragged:
    order = np.argsort(-chances, axis=1, kind="stable")[:, :deep]
    return Ragged.of_lengths(np.full(len(chances), deep), order.ravel())


def completed(pools: Ragged, asked: Ragged) -> Ragged:
    """As the second ranking does: the best, and who was asked for, each once."""
    rows = [
        np.unique(
            np.concatenate([pools.take(np.array([u])).values, asked.take(np.array([u])).values])
        )
        for u in range(len(pools.lengths))
    ]
    return Ragged.of_lengths(np.array([len(row) for row in rows]), np.concatenate(rows))


@pytest.fixture(scope="module")
def chances() -> Floats:
    return square(popular_market((SIDE, SIDE), 0.5, 1))


@pytest.fixture(scope="module")
def people() -> People:
    return People.of((np.arange(2 * SIDE) + SHIFT) % (2 * SIDE), 2 * SIDE)


def nobody_said(size: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((size, size), dtype=np.bool_)


def as_items(people: People, lists: Ragged) -> Ragged:
    return Ragged(lists.offsets, people.items[lists.values])


def test_pools_of_one_side_make_nearly_the_matches_of_the_whole_market(
    chances: Floats, people: People
) -> None:
    """Pools of the 100 whom each likes best, of 300: 97 % of what all pairs give, and nobody is
    left with none, where the product of pairs that happen to be in both pools leaves many."""
    whole = popular_market((SIDE, SIDE), 0.5, 1)
    most = Outcome(whole, simultaneous_lists(whole, LENGTH, Balance())).matches().sum()
    pools = as_items(people, best(chances, DEEP))
    asked = proposed(pools, people, DEEP, strangers=5, seed=3)
    full = completed(pools, asked)
    # Chances of strangers of one's own side are 0: ranking has dropped them.
    kept = chances[full.lines(), people.users[full.values]] > 0
    lengths = np.bincount(full.lines()[kept], minlength=2 * SIDE)
    full = Ragged.of_lengths(lengths, full.values[kept])
    likes = chances[full.lines(), people.users[full.values]]
    keys = np.arange(2 * SIDE, dtype=np.uint64)
    found = PooledMarket.of(full, PoolChances(likes, likes), people, nobody_said(2 * SIDE), keys)
    lists = simultaneous_lists(found.market, LENGTH, Balance())
    outcome = Outcome(found.market, lists)
    assert outcome.matches().sum() >= 0.96 * most
    assert (outcome.matches() > 0).all()
    entries = found.listed(lists)
    assert (full.lines()[entries.values] == lists.lines()).all()
    listed = people.users[full.values[entries.values]]
    assert (listed == found.market.candidates.values[lists.values]).all()
    one_sided = as_items(people, best(chances, DEEP))
    likes = chances[one_sided.lines(), people.users[one_sided.values]]
    alone = PooledMarket.of(
        one_sided, PoolChances(likes, likes), people, nobody_said(2 * SIDE), keys
    )
    left = Outcome(alone.market, inbox_lists(alone.market, LENGTH, "product")).matches()
    assert (left == 0).mean() > 0.1


def test_each_pair_is_asked_for_once_and_by_those_who_like_best() -> None:
    """1 and 2 have 0 first and second; 0 hears one of them, 1. Nobody asks who is no user, item 3;
    and 0, whose pool has 2, asks 2."""
    people = People.of(np.array([0, 1, 2]), 4)
    pools = Ragged.of_lengths(np.array([2, 2, 2]), np.array([2, 3, 0, 2, 1, 0]))
    asked = proposed(pools, people, 1, strangers=0, seed=1)
    assert asked.offsets.tolist() == [0, 1, 2, 3]
    assert asked.values.tolist() == [1, 2, 0]
    both = proposed(pools, people, 9, strangers=0, seed=1)
    assert [both.take(np.array([u])).values.tolist() for u in range(3)] == [[1, 2], [2], [0, 1]]
    met = proposed(pools, people, 9, strangers=2, seed=1)
    assert all(u not in met.take(np.array([u])).values for u in range(3))


def test_a_yes_waits_for_its_answer() -> None:
    """0 has said yes to 1, so 0's pool lacks 1, and 1's pool has 0, whom 1 answers or not. Of the
    others one turns to the other first, and that one answers; either may be the one."""
    people = People.of(np.array([0, 1, 2]), 3)
    pools = Ragged.of_lengths(np.array([1, 2, 2]), np.array([2, 0, 2, 0, 1]))
    chances = PoolChances(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.5, 0.6, 0.7, 0.8, 0.9]))
    said = sparse.csr_matrix(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]], np.bool_))
    found = PooledMarket.of(pools, chances, people, said, np.arange(3, dtype=np.uint64))
    market = found.market
    assert market.candidates.values.tolist() == [1, 2, 0, 2, 0, 1]
    assert market.likes.tolist() == [1.0, 0.1, 0.6, 0.3, 0.4, 0.5]
    assert market.said.tolist() == [True, False, False, False, False, False]
    assert market.mutual() == pytest.approx([0.6, 0.14, 0.6, 0.31, 0.14, 0.31])
    assert found.entries.tolist() == [-1, 0, 1, 2, 3, 4]
    lists = inbox_lists(market, 9, "likes")
    assert found.listed(lists).values.tolist() == [0, 1, 2, 4, 3]
    keys = np.arange(3, dtype=np.uint64)
    inbox = PooledMarket.of(pools, chances, people, said, keys, either_first=False).market
    assert inbox.mutual() == pytest.approx([0.6, 0.08, 0.6, 0.27, 0.2, 0.35])


def test_where_no_pool_holds_anybody_there_are_no_pairs() -> None:
    """As where nobody's wishes are met."""
    people, nobody = People.of(np.arange(3), 3), np.empty(0)
    pools = Ragged.of_lengths(np.zeros(3, np.int64), np.empty(0, np.int64))
    keys = np.arange(3, dtype=np.uint64)
    found = PooledMarket.of(pools, PoolChances(nobody, nobody), people, nobody_said(3), keys)
    for lists in (
        simultaneous_lists(found.market, LENGTH, Balance()),
        inbox_lists(found.market, LENGTH, "product", 2),
    ):
        assert lists.lengths.tolist() == [0, 0, 0]
        assert Outcome(found.market, lists).matches().tolist() == [0.0] * 3


def test_strangers_are_people_who_may_meet() -> None:
    """All like the same few, who hear 20 each. One person in ten suits another, and by strangers
    alone nearly everybody is in somebody's pool whom they may be shown to."""
    size, few = 2_000, 20
    people = People.of(np.arange(size), size)
    stars = np.tile(np.arange(few), size)
    pools = Ragged.of_lengths(np.full(size, few), stars)

    def suit(one: UserRows, other: ItemRows) -> Mask:
        return np.asarray((one != other) & ((one + other) % 10 == 0))

    asked = proposed(pools, people, few, 5, 3, suit)
    good = suit(asked.lines(), asked.values)
    friends = np.bincount(asked.lines()[good], minlength=size)
    assert (friends >= 5).all()
    # Each pair is in the pools of both.
    pairs = asked.pairs()[good]
    turned = asked.values[good] << 32 | asked.lines()[good]
    heard = np.isin(turned, pairs) | (asked.lines()[good] < few) | (asked.values[good] < few)
    assert heard.all()
    unsuited = proposed(pools, people, few, 5, 3)
    good = suit(unsuited.lines(), unsuited.values)
    assert (np.bincount(unsuited.lines()[good], minlength=size) == 0).mean() > 0.2
