"""Lists of people for people: known answers, a solver's optimum, and published figures."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from recsys.arrays import Floats, Mask, Ragged
from recsys.matching.candidates import best_of, some_of, united
from recsys.matching.health import Health, Outcome
from recsys.matching.lists import Balance, attention, inbox_lists, pair_scores, simultaneous_lists
from recsys.matching.market import Market
from tests.planted_markets import popular_market

SEEDS = (0, 1, 2)
LENGTH = 20


def people_of(market: Market, lists: Ragged) -> list[list[int]]:
    rows = market.candidates.values[lists.values]
    return [rows[a:b].tolist() for a, b in pairwise(lists.offsets)]


def matches(market: Market, lists: Ragged) -> float:
    return float(Outcome(market, lists).matches().sum() / 2.0)


def sides(market: Market, lists: Ragged) -> tuple[Health, Health]:
    first, second = (
        Outcome(market, lists).health(market.turns == side, most=200, seed=7) for side in (0, 1)
    )
    return first, second


@pytest.fixture
def small() -> Market:
    """A and B, X and Y. Everybody would like A and X best, and A and X each other."""
    likes = np.array([[0.9, 0.8], [0.7, 0.1]])
    return Market.two_sided(likes, np.ones((2, 2)))


def test_two_by_two(small: Market) -> None:
    """Lists of one. At first all attention is 1/2, so X expects (.9 + .7) / 4 = .4 and Y .225.
    A then ranks X at .9 / sqrt(.4) = 1.42 and Y at .8 / sqrt(.225) = 1.69, B ranks X first; so
    A and Y, B and X find one another: .8 + .7. Without fairness A and X do alone: .9."""
    fair = simultaneous_lists(small, 1, Balance(alpha=0.5))
    assert people_of(small, fair) == [[3], [2], [1], [0]]
    assert matches(small, fair) == pytest.approx(1.5)
    greedy = simultaneous_lists(small, 1, Balance(alpha=0.0))
    assert people_of(small, greedy) == [[2], [2], [0], [0]]
    assert matches(small, greedy) == pytest.approx(0.9)


def test_figures_of_two_by_two(small: Market) -> None:
    """B and Y, on nobody's list, envy A and X: seen as they are, B would expect .7, Y .8."""
    found = Outcome(small, inbox_lists(small, 1, "product"))
    assert found.matches().tolist() == pytest.approx([0.9, 0.0, 0.9, 0.0])
    assert found.exposure().tolist() == [2.0, 0.0, 2.0, 0.0]
    first = found.health(small.turns == 0, most=10, seed=1)
    assert first.matches == pytest.approx(0.9)
    assert (first.unmatched, first.gini_matches, first.gini_exposure) == (0.5, 0.5, 0.5)
    assert (first.envied, first.top_share) == (0.5, 1.0)
    assert first.match_rate == pytest.approx(0.8)
    assert first.nash == pytest.approx(np.sqrt(0.9e-9))
    assert (first.unseen, first.demand) == (0.5, 1.0)
    stars = found.health(found.exposure() > 0, most=0, seed=1)
    assert (stars.unseen, stars.demand, stars.envied) == (0.0, 2.0, None)
    nobody = found.health(small.turns == 2, most=10, seed=1)
    assert nobody == Health(0.0, *[None] * 9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_popular_market_gets_the_matches_of_the_literature(seed: int) -> None:
    """500 x 500, popularity 0.5: one-sided about 41, product 375; envy 103 and 87 others."""
    market = popular_market((500, 500), 0.5, seed)
    alone = sides(market, inbox_lists(market, LENGTH, "likes"))
    product = sides(market, inbox_lists(market, LENGTH, "product"))
    balanced = sides(market, simultaneous_lists(market, LENGTH, Balance()))
    for side in (0, 1):
        assert alone[side].matches == pytest.approx(41.0, abs=3.0)
        assert alone[side].envied == pytest.approx(103.0, abs=8.0)
        assert product[side].matches == pytest.approx(375.0, rel=0.01)
        assert product[side].unmatched == pytest.approx(0.43, abs=0.03)
        assert balanced[side].matches >= 780.0
        assert (balanced[side].envied or 0.0) <= 0.1
        assert balanced[side].unmatched == 0.0
        assert (balanced[side].gini_matches or 1.0) < 0.25 < (product[side].gini_matches or 0.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_unequal_sides_and_stars(seed: int) -> None:
    """600 x 300, popularity 0.8: one-sided about 43, product 142."""
    market = popular_market((600, 300), 0.8, seed)
    assert matches(market, inbox_lists(market, LENGTH, "likes")) == pytest.approx(43.0, abs=3.0)
    product = matches(market, inbox_lists(market, LENGTH, "product"))
    assert product == pytest.approx(142.0, abs=4.0)
    assert matches(market, simultaneous_lists(market, LENGTH, Balance())) >= 420.0


@pytest.mark.parametrize("seed", SEEDS)
def test_within_two_per_cent_of_a_solver(seed: int) -> None:
    """HiGHS makes each side's optimal stochastic lists in turn, from the same even start.

    Then, given the second side's lists, the first side's are nearly the best there are.
    """
    n, length, alpha = 30, 5, 0.5
    market = popular_market((n, n), 0.5, seed)
    mutual = market.mutual()[: n * n].reshape(n, n)
    seen = seen_back = np.full((n, n), attention(length).sum() / n)
    for _ in range(3):
        seen_back = best_attention((mutual * seen).T, length, alpha).T
        seen = best_attention(mutual * seen_back, length, alpha)
    solved = mutual * seen * seen_back
    made = Outcome(market, simultaneous_lists(market, length, Balance(alpha)))
    assert made.matches().sum() / 2.0 >= 0.98 * solved.sum()
    solved_welfare = np.sqrt(solved.sum(0)).sum() + np.sqrt(solved.sum(1)).sum()
    assert np.sqrt(made.matches()).sum() >= 0.98 * solved_welfare
    own = made.seen()[n * n :].reshape(n, n).T
    answer = mutual * own * best_attention(mutual * own, length, alpha)
    assert np.sqrt(made.matches()[n:]).sum() >= 0.98 * np.sqrt(answer.sum(0)).sum()


def best_attention(gains: Floats, length: int, alpha: float) -> Floats:
    """(n, m) attention of stochastic lists with the greatest sum over columns of
    (gains x attention) ^ (1 - alpha), by a linear program over places with its tangents."""
    n, m = gains.shape
    cells, v = n * m * length, attention(length)
    pair_once = sparse.kron(sparse.eye_array(n * m), np.ones((1, length)))
    place_once = sparse.kron(
        sparse.eye_array(n), sparse.kron(np.ones((1, m)), sparse.eye_array(length))
    )
    columns = np.tile(np.repeat(np.arange(m), length), n)
    sums = sparse.csr_array(
        ((gains[:, :, np.newaxis] * v).ravel(), (columns, np.arange(cells))), shape=(m, cells)
    )
    at = np.geomspace(0.02, 20.0, 60)
    tangents = [sparse.hstack([-(1.0 - alpha) * w**-alpha * sums, sparse.eye_array(m)]) for w in at]
    once = sparse.hstack(
        [sparse.vstack([pair_once, place_once]), sparse.csr_array((n * m + n * length, m))]
    )
    found = linprog(
        np.concatenate([np.zeros(cells), -np.ones(m)]),
        A_ub=sparse.csr_matrix(sparse.vstack([once, *tangents])),
        b_ub=np.concatenate([np.ones(n * m + n * length), np.repeat(alpha * at ** (1 - alpha), m)]),
        bounds=[(0, 1)] * cells + [(None, None)] * m,
        method="highs",
    )
    return np.asarray(found.x[:cells].reshape(n, m, length) @ v)


def test_a_capacity_is_kept_and_the_best_pairs_come_first() -> None:
    """Both order pairs by one score, so the stable assignment takes them from the best down."""
    market = popular_market((30, 20), 0.7, 3)
    lists = inbox_lists(market, 4, "harmonic", capacity=5)
    scores, candidates = pair_scores(market, "harmonic"), market.candidates
    owners, listed, held = candidates.lines(), np.zeros(50, int), np.zeros(50, int)
    taken = []
    for place in np.argsort(-scores, kind="stable").tolist():
        owner, other = int(owners[place]), int(candidates.values[place])
        if listed[owner] < 4 and held[other] < 5:
            listed[owner] += 1
            held[other] += 1
            taken.append((owner, other))
    found = zip(lists.lines().tolist(), candidates.values[lists.values].tolist(), strict=True)
    assert sorted(found) == sorted(taken)
    assert held.max() == 5


def test_without_sides_and_in_any_order_of_pairs() -> None:
    """Everybody may meet everybody; the same pairs in another order give the same lists."""
    rng = np.random.default_rng(5)
    one, other = np.triu_indices(60, 1)
    likes, liked = rng.random(len(one)), rng.random(len(one))
    likes[(one == 0) | (other == 0)] = 0.0
    market = Market.of((one, other), (likes, liked), np.arange(60) % 2)
    lists = people_of(market, simultaneous_lists(market, 8, Balance()))
    assert lists[0] == []
    assert {len(line) for line in lists[1:]} == {8}
    assert not any(row in line or 0 in line for row, line in enumerate(lists))
    order = rng.permutation(len(one))
    moved = Market.of((other[order], one[order]), (liked[order], likes[order]), np.arange(60) % 2)
    assert people_of(moved, simultaneous_lists(moved, 8, Balance())) == lists


def test_candidates_of_both_sides_keep_the_matches() -> None:
    """50 of 500 a person; the first side's best alone would leave others with nobody."""
    market, n = popular_market((500, 500), 0.5, 1), 500
    mutual = market.mutual()[: n * n].reshape(n, n)
    first, second = np.arange(n), np.arange(n, 2 * n)
    ours = best_of(mutual, 50)
    ours = Ragged(ours.offsets, ours.values + n)
    assert len(np.unique(united([(first, ours)])[1])) < n
    drawn = some_of(np.ones((n, n), np.bool_), words(first), words(second), 3, seed=1)
    proposals = [
        (first, ours),
        (second, best_of(mutual.T, 50)),
        (first, Ragged(drawn.offsets, drawn.values + n)),
        (second, some_of(np.ones((n, n), np.bool_), words(second), words(first), 3, seed=1)),
    ]
    pairs = united(proposals)
    assert len(np.unique(np.concatenate(pairs))) == 2 * n
    likes = market.likes[: n * n].reshape(n, n)[pairs[0], pairs[1] - n]
    liked = market.likes[n * n :].reshape(n, n)[pairs[1] - n, pairs[0]]
    some = Market.of(pairs, (likes, liked), market.turns)
    whole = matches(market, simultaneous_lists(market, LENGTH, Balance()))
    assert matches(some, simultaneous_lists(some, LENGTH, Balance())) >= 0.95 * whole


def words(rows: Any) -> Any:
    return rows.astype(np.uint64)


def test_random_candidates_are_eligible_and_fall_by_the_person_alone() -> None:
    eligible: Mask = np.arange(40) % 2 == np.zeros((30, 1))
    rows, columns = words(np.arange(30)), words(np.arange(40))
    drawn = some_of(eligible, rows, columns, 5, seed=9)
    assert set(drawn.lengths.tolist()) == {5}
    assert not (drawn.values % 2).any()
    assert len(np.unique(drawn.values)) == 20
    part = some_of(eligible[10:], rows[10:], columns, 5, seed=9)
    assert part.values.tolist() == drawn.values[50:].tolist()


def test_who_has_said_yes_is_not_asked_again_and_is_waited_for() -> None:
    """B has said yes to A. All would say yes with .5, so A expects .5 of B, who looks for sure, and
    at most .25 of C. B's list of one has C, though A would be as good."""
    pairs = (np.array([0, 0, 1]), np.array([1, 2, 2]))
    halves, nobody = np.full(3, 0.5), np.zeros(3, np.bool_)
    said = (nobody, np.array([True, False, False]))
    market = Market.of(pairs, (halves, halves), np.array([0, 1, 0]), said=said)
    for lists in (simultaneous_lists(market, 1, Balance()), inbox_lists(market, 1, "product")):
        assert people_of(market, lists)[:2] == [[1], [2]]
    found = Outcome(market, simultaneous_lists(market, 1, Balance()))
    assert found.matches()[0] == pytest.approx(0.5)
    # A is on C's list or on nobody's: what B gives A needs no place.
    assert found.exposure().sum() == pytest.approx(3.0)
