"""A data set that is split, and what is fitted on which part of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Ints
from recsys.dataset.training import Descriptions, Holdout, Training
from recsys.errors import DataError
from recsys.evaluation.splits import Pairs, Split, at_quantile, random_per_user

_MICROS_PER_DAY: Final = 86_400e6
HOLDOUT_SHARE: Final = 0.2
"""Share of the training part that the choice of the blend is measured on."""
_LEAST: Final = 5
"""Items of a user from which on some go to the holdout at random."""


@dataclass(frozen=True)
class DataSet:
    """Pairs of users and items that are numbered, and what is written of both."""

    pairs: Pairs
    users: Descriptions
    items: Descriptions
    segments: npt.NDArray[np.int32]
    """(users,) number of each user's segment, -1 where it is unknown."""

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items there are."""
        return len(self.users.text), len(self.items.text)

    def known_items(self, train: Pairs) -> Ints:
        """Ascending rows of the items in the training part, and of those that are described."""
        described = [any(what) for what in zip(*vars(self.items).values(), strict=True)]
        return np.union1d(train.item_rows, np.flatnonzero(described))

    def training(self, pairs: Pairs) -> Training:
        """Training data of some of the pairs; ages count to the last of them."""
        merged = pairs.merged()
        if not (merged.weights > 0).any():
            raise DataError(
                f"none of the {len(merged)} pairs of the training part has a weight above 0, so "
                "there is nothing to learn from; give more pairs, or split them otherwise"
            )
        users, items = self.shape
        offsets = np.searchsorted(merged.user_rows, np.arange(users + 1))
        cells = (merged.weights, merged.item_rows, offsets)
        history = sparse.csr_matrix(cells, shape=(users, items), dtype=np.float32)
        ages = _days_before_the_last(merged.times, pairs.times, len(merged))
        last_ages = _days_before_the_last(pairs.last_times(), pairs.times, len(merged))
        return Training(
            history,
            ages,
            last_ages,
            self.items,
            self.users,
            self.segments,
        )

    def holdout(self, train: Pairs, seed: int) -> Holdout:
        """The last fifth of the training part, or a random fifth of each user's where times lack
        or are all the same.

        Whoever is in the holdout was in the earlier part; nothing of a test part is looked at.
        """
        inner = inner_split(train, seed)
        users = inner.test.users()
        test = inner.test.merged()
        ages = _days_before_the_last(test.times, test.times, len(test))
        return Holdout(self.training(inner.train), users, test.item_lists(users), ages)


def _days_before_the_last(
    instants: Ints | None, times: Ints | None, count: int
) -> npt.NDArray[np.float32]:
    """(count,) days from each instant to the last of some times; 0 where times lack."""
    if instants is None or times is None or not count:
        return np.zeros(count, np.float32)
    return np.asarray((times.max() - instants) / _MICROS_PER_DAY, np.float32)


def inner_split(train: Pairs, seed: int) -> Split:
    """Cuts a training part once more, as `held_back` does: at random where times tell no parts."""
    if train.times is not None and len(train):
        split = at_quantile(train, 1.0 - HOLDOUT_SHARE)
        if len(split.train) and len(split.test):
            return split
    return random_per_user(train, HOLDOUT_SHARE, seed, _LEAST)
