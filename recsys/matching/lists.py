"""Lists for a market in which both must say yes.

Where both see lists, who is shown to whom decides for both: the best list of one depends on the
lists of all others. Where one sees a list and the other an inbox, each list can be made by itself.
Nobody is listed for whom the chance that both say yes is 0, or to whom the person has said yes.
"""

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.matching.market import Market
from recsys.matching.order import Order

Mean = Literal["likes", "product", "harmonic"]
"""Score of a pair: the one's chance alone, the product of both, or their harmonic mean."""
_LEAST: Final = 1e-9
"""Expected matches below which fairness does not weigh a person more."""


def attention(length: int) -> Floats:
    """(length,) share of people who look at a place: 1 / log2(1 + place), as in DCG."""
    return np.asarray(1.0 / np.log2(np.arange(2, length + 2)))


@dataclass(frozen=True)
class Balance:
    """How lists of a whole market are made."""

    alpha: float = 0.5
    """Fairness: 0 gives most matches, 1 the highest product of everybody's (Nash welfare)."""
    steps: int = 10
    """Times that everybody's list is made anew."""
    rate: float = 0.2
    """Share of what is new in the attention after a step."""


def simultaneous_lists(market: Market, length: int, balance: Balance) -> Ragged:
    """Places of each person's list, where both sides see lists.

    Alternating Frank-Wolfe for the welfare sum U^(1 - alpha) / (1 - alpha) of expected matches U
    (Tomita and Yokoyama 2024, 2025). Its linear step, the best list of i given the attention b that
    others give, is one sort of i's candidates j by P_ij b_ij / U_j^alpha: the gradient has no term
    of two of i's candidates, and attention falls from place to place. Attention is mixed, so that
    not everybody turns to the same people at once, and is at last made a list by attention x P.
    """
    mutual = market.mutual()
    seen = _evenly(market, length)
    sides = [_Side.of(market, mutual, turn) for turn in (0, 1)]
    matches = [side.matches(side.gains(seen), seen) for side in sides]
    wanted = np.zeros(len(mutual))
    for _ in range(balance.steps):
        for turn, side in enumerate(sides):
            gains = side.gains(seen)
            matches[turn] = side.matches(gains, seen)
            weights = np.maximum(matches[0] + matches[1], _LEAST) ** -balance.alpha
            wanted[side.places] = np.where(side.said, 0.0, gains * weights[side.candidates])
            lists = side.order.best(wanted, length)
            seen[side.places] *= 1.0 - balance.rate
            seen[lists.values] += balance.rate * attention_of(lists)
            seen[side.places[side.said]] = 1.0
    everybody = Order.of(market.candidates, np.arange(market.people))
    hoped = np.where(market.said, 0.0, mutual)
    return possible(everybody.best(hoped * seen, length), hoped)


@dataclass(frozen=True)
class _Side:
    """The people whose lists change together. s is the number of their places."""

    places: Ints
    """(s,) ascending."""
    candidates: Ints
    """(s,) rows of people."""
    mirror: Ints
    """(s,) see `Market`."""
    mutual: Floats
    """(s,) chance that both say yes."""
    said: Mask
    """(s,) see `Market`."""
    order: Order
    people: int
    """All there are."""

    @classmethod
    def of(cls, market: Market, mutual: Floats, turn: int) -> Self:
        """turn: see `Market`. mutual: (places,) of the whole market."""
        own = market.turns == turn
        places = np.flatnonzero(own[market.candidates.lines()])
        return cls(
            places=places,
            candidates=market.candidates.values[places],
            mirror=market.mirror[places],
            mutual=mutual[places],
            said=market.said[places],
            order=Order.of(market.candidates, np.flatnonzero(own)),
            people=market.people,
        )

    def gains(self, seen: Floats) -> Floats:
        """(s,) matches that each candidate would expect with all of the person's attention.

        seen: (places,) attention that everybody gives to each candidate.
        """
        return np.asarray(self.mutual * seen[self.mirror])

    def matches(self, gains: Floats, seen: Floats) -> Floats:
        """(people,) matches that everybody expects with these people."""
        matched = np.bincount(self.candidates, gains * seen[self.places], self.people)
        return matched.astype(np.float64)


def _evenly(market: Market, length: int) -> Floats:
    """(places,) attention to each candidate where all orders of a person's are equally likely; 1 to
    whom the person has said yes already, having seen them."""
    lines = market.candidates.lines()
    open_ = np.bincount(lines[~market.said], minlength=market.people)
    reached = np.concatenate([[0.0], np.cumsum(attention(length))])
    each = reached[np.minimum(open_, length)] / np.maximum(open_, 1)
    return np.where(market.said, 1.0, each[lines])


def attention_of(lists: Ragged) -> Floats:
    """(entries,) attention that each entry of lists gets."""
    places = np.arange(len(lists.values)) - lists.offsets[lists.lines()]
    return np.asarray(attention(int(lists.lengths.max(initial=0)))[places])


def pair_scores(market: Market, mean: Mean) -> Floats:
    """(places,) score of each candidate by itself."""
    if mean == "likes":
        return market.likes
    mutual = market.mutual()
    if mean == "product":
        return mutual
    total = market.likes + market.likes[market.mirror]
    return np.divide(2.0 * mutual, total, out=np.zeros(len(mutual)), where=total > 0.0)


def _open_scores(market: Market, mean: Mean) -> Floats:
    """(places,) score of each candidate whom the person may be shown, to 24 bits; 0 of others."""
    scores = np.where(market.said, 0.0, pair_scores(market, mean))
    return scores.astype(np.float32).astype(np.float64)


def inbox_lists(market: Market, length: int, mean: Mean, capacity: int | None = None) -> Ragged:
    """Places of each person's list, where one sees a list and the other an inbox.

    capacity: lists that a person is on at most. Then the pairs are those of a stable assignment:
    nobody has a better candidate who would rather be on this list than on one it is on (deferred
    acceptance, Gale and Shapley 1962, everybody with places for several).
    """
    scores = _open_scores(market, mean)
    everybody = Order.of(market.candidates, np.arange(market.people))
    if capacity is None:
        return possible(everybody.best(scores, length), scores)
    open_scores = scores.copy()
    while True:
        lists = possible(everybody.best(open_scores, length), open_scores)
        offered = np.zeros(len(scores))
        offered[market.mirror[lists.values]] = scores[lists.values]
        taken = possible(everybody.best(offered, capacity), offered).values
        refused = np.setdiff1d(lists.values, market.mirror[taken])
        if not len(refused):
            return lists
        open_scores[refused] = 0.0


def possible(lists: Ragged, scores: Floats) -> Ragged:
    """The lists without candidates whose score is 0."""
    chosen = scores[lists.values] > 0.0
    lengths = np.bincount(lists.lines()[chosen], minlength=len(lists.offsets) - 1)
    return Ragged.of_lengths(lengths, lists.values[chosen])
