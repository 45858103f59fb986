"""Prices of items that spread exposure: the more an item was shown, the more it loses.

The entropy of exposure is maximised beside the scores by Frank-Wolfe steps: its gradient is a price
strength x log(exposure) of each item, the best answer to prices is one sort of each list, and
exposure moves towards that of the sorted lists.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints
from recsys.generators.contract import Arrays
from recsys.lists.contract import Pools, Recipients
from recsys.lists.ranked import RankedLists
from recsys.ranking.learned import RERANK_DEPTH

ROUNDS: Final = 10
"""Times that all lists are ordered anew to find the prices of a strength."""
PARTS: Final = 2.0**20
"""Exposure is counted in whole parts, so that sums depend on no order."""
_EVEN: Final = 0.5
"""Part of the mean exposure that is added to each: else an item without any could ask any price."""


def deviations(lists: RankedLists) -> Floats:
    """(entries,) scores in deviations of each list's first `RERANK_DEPTH`, from their mean: a
    learned ranker puts what is below far off."""
    lines, first = lists.items.lines(), lists.places() < RERANK_DEPTH
    users, counts = len(lists.offsets) - 1, np.clip(lists.items.lengths, 1, RERANK_DEPTH)
    scores, weights = lists.scores.astype(np.float64), first.astype(np.float64)
    apart = scores - (np.bincount(lines, weights * scores, users) / counts)[lines]
    spread = np.sqrt(np.bincount(lines, weights * apart**2, users) / counts)
    spread[spread == 0.0] = 1.0
    return np.asarray(apart / spread[lines])


def price_order(lists: RankedLists, worth: Floats, prices: Floats) -> Ints:
    """(entries,) places of the entries of all lists by worth less price; as they stand where that
    is equal.

    worth: (entries,) see `deviations`. prices: (items,) in deviations; negative ones raise.
    """
    if not prices.any():
        return np.arange(len(worth))
    lines, places, lengths = lists.items.lines(), lists.places(), lists.items.lengths
    losses = np.full((len(lengths), int(lengths.max(initial=0))), np.inf)
    losses[lines, places] = prices[lists.item_rows] - worth
    order = np.argsort(losses, axis=1, kind="stable")
    return lists.offsets[lines] + order[lines, places]


def priced(lists: RankedLists, prices: Floats) -> RankedLists:
    """The lists in order of score less price."""
    if not prices.any():
        return lists
    return lists.entries(lists.offsets, price_order(lists, deviations(lists), prices))


def attention(lists: RankedLists, items: int, places: int) -> npt.NDArray[np.int64]:
    """(items,) attention to the first places of lists, 1 / log2(1 + rank) each, in `PARTS`."""
    first = lists.cut(places)
    parts = np.round(PARTS / np.log2(2.0 + first.places()))
    return np.bincount(first.item_rows, parts, items).astype(np.int64)


@dataclass(frozen=True)
class PricedMarket:
    """Pools of users, and what is shown of them by prices."""

    pools: Pools
    items: int
    available: int
    """Items that may be recommended, for the mean exposure."""
    places: int
    """First places of a list that are shown."""

    def exposure(self, prices: Floats) -> Floats:
        """(items,) attention to all lists in order of score less price."""
        counted = partial(_counted, items=self.items, places=self.places, prices=prices)
        return self.pools.summed(counted)["exposure"] / PARTS

    def balanced(self, before: Floats, strength: float) -> Floats:
        """(items,) prices of a strength, in deviations; see the module.

        before: (items,) exposure without any. strength: what an item with e times the exposure
        loses.
        """
        mean, seen = before.sum() / max(self.available, 1), before
        for number in range(ROUNDS):
            rate = 2.0 / (number + 3.0)
            answer = self.exposure(_prices(seen, mean, strength))
            seen = (1.0 - rate) * seen + rate * answer
        return _prices(seen, mean, strength)


def _prices(seen: Floats, mean: float, strength: float) -> Floats:
    """(items,) 0 of what nobody was shown: the same added to all prices changes no order."""
    if not mean > 0.0:
        return np.zeros(len(seen))
    return np.asarray(strength * np.log1p(seen / (_EVEN * mean)))


def _counted(
    lists: RankedLists,
    users: Recipients,  # noqa: ARG001 - a summary is given them
    *,
    items: int,
    places: int,
    prices: Floats,
) -> Arrays:
    return {"exposure": attention(priced(lists, prices), items, places)}
