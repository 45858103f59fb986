"""A floor for sellers: each is shown at least a part of what an even split would give its items.

The prices of items of sellers that are shown too little are lowered step by step, as bids rise in
an ascending auction, until each seller has its floor or the most that prices may be lowered by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recsys.arrays import Floats, Ints, ItemRows, Mask
from recsys.dataset.segments import segments_of
from recsys.lists.prices import PricedMarket

STEP: Final = 0.1
"""Deviations of a pool's scores that prices are lowered by in a round."""
MOST_STEPS: Final = 30
_ROUNDS: Final = 2
"""Rounds for each step: who falls short late, when others have been raised, is raised late."""


@dataclass(frozen=True)
class Floors:
    """The sellers of items, and what each of them gets at least."""

    sellers: Ints
    """(items,) number of the seller of each available item; -1 where it has no floor."""
    shares: Floats
    """(sellers,) part of the attention to all items that each gets at least."""

    @classmethod
    def of(
        cls,
        attributes: Sequence[Sequence[str]],
        path: str,
        available: ItemRows,
        floor: float,
        small: int | None,
    ) -> Self:
        """Floors of the sellers of the available items.

        attributes: of each item, `path=value` of every leaf; the first at the path is the seller.
        floor: part of an even share. small: only sellers of so many items at most have one.
        """
        numbers, names = segments_of(attributes, path)
        sellers = np.full(len(numbers), -1, np.int64)
        sellers[available] = numbers[available]
        sizes = np.bincount(sellers[sellers >= 0], minlength=len(names))
        protected = (sizes > 0) & (sizes <= (len(available) if small is None else small))
        places = np.where(protected, np.cumsum(protected) - 1, -1)
        sellers = np.where(sellers >= 0, np.append(places, -1)[sellers], -1)
        return cls(sellers, floor * sizes[protected] / max(len(available), 1))

    def attention(self, exposure: Floats) -> Floats:
        """(sellers,) attention to the items of each. exposure: (items,)."""
        known = self.sellers >= 0
        found = np.bincount(self.sellers[known], exposure[known], len(self.shares))
        return found.astype(np.float64)

    def short(self, exposure: Floats) -> Mask:
        """(sellers,) True where a seller is below its floor. exposure: (items,)."""
        return np.asarray(self.attention(exposure) < self.shares * exposure.sum())

    def raised(self, market: PricedMarket, prices: Floats, most: int) -> Floats:
        """(items,) what prices are lowered by, `STEP` times `most` at most.

        prices: (items,) before that. Unless rounds run out, a seller is below its floor in the end
        only where the prices of its items have been lowered by the most.
        """
        steps = np.zeros(len(self.shares), np.int64)
        for _ in range(_ROUNDS * most):
            exposure = market.exposure(prices - self._of_items(steps))
            due = self.short(exposure) & (steps < most)
            if not due.any():
                break
            steps[due] += 1
        return self._of_items(steps)

    def _of_items(self, steps: Ints) -> Floats:
        """(items,) deviations for (sellers,) steps."""
        return np.asarray(np.append(STEP * steps, 0.0)[self.sellers], np.float64)

    def figures(self, exposure: Floats, when: str) -> dict[str, float]:
        """Sellers below their floors and all sellers' part of the attention, named `…_when`."""
        share = float(self.attention(exposure).sum()) / max(float(exposure.sum()), 1.0)
        return {
            f"short_{when}": float(self.short(exposure).sum()),
            f"sellers_share_{when}": share,
        }
