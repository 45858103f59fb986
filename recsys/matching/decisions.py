"""Decisions of people about people, each with the answer."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recsys.arrays import Ints, Mask
from recsys.errors import DataError
from recsys.matching.calibration import folds

LEAST: Final = 20
"""Yeses and noes that there must be each way."""


@dataclass(frozen=True)
class Decisions:
    """Pairs of people of which both decided about the other."""

    one: Ints
    """(n,) rows of people. Where there are sides, of the first one; no pair is there twice."""
    other: Ints
    """(n,)"""
    yes: Mask
    """(n,) what the one said of the other."""
    yes_back: Mask
    """(n,) what the other said of the one."""

    def __len__(self) -> int:
        return len(self.one)

    def sorted(self) -> Self:
        """The pairs of one pool with the lower row as the one."""
        turned = self.one > self.other
        return type(self)(
            np.where(turned, self.other, self.one),
            np.where(turned, self.one, self.other),
            np.where(turned, self.yes_back, self.yes),
            np.where(turned, self.yes, self.yes_back),
        )

    def take(self, chosen: Mask | Ints) -> Self:
        """Some of the pairs: (n,) mask, or (m,) rows."""
        return type(self)(
            self.one[chosen], self.other[chosen], self.yes[chosen], self.yes_back[chosen]
        )

    def folds(self, count: int, seed: int) -> Ints:
        """(n,) the part that each pair is held out in; each has its share of matches and noes."""
        return folds(2 * self.yes + self.yes_back, count, seed)

    def check(self) -> None:
        """Raises DataError where too few said yes, or no, to learn who does."""
        check_outcomes("yes", self.yes)
        check_outcomes("yes_back", self.yes_back)


def check_outcomes(name: str, outcomes: Mask) -> None:
    """Raises DataError where too few of (n,) outcomes are of a kind to learn when they are."""
    for value, count in ((1, int(outcomes.sum())), (0, int((~outcomes).sum()))):
        if count < LEAST:
            raise DataError(
                f"{name} is {value} in {count} of {len(outcomes)} pairs to learn from; at least "
                f"{LEAST} are needed, so give more pairs"
            )
