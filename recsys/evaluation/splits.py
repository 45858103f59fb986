"""Splits of interactions into those to learn from and those to be found.

A pair is one user and one item, and all its events are on one side. Those to learn from stay as
they are, an event a row, for a later cut by time to take apart; those to be found are merged, at
the time of the first event, with the sum of the events' weights. Pairs of weight 0 are in no test:
to be shown what one did not like is no hit.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Ints, Ragged, ranges
from recsys.errors import DataError

MOST_WEIGHT: Final = 1e9
"""Greatest weight of a pair: sums of larger ones could leave float32."""
SHARE_BEFORE: Final = 0.8
"""Quantile of the events' times at which public data sets are split."""


@dataclass(frozen=True)
class Pairs:
    """Interactions of users with items, one a row, in any order."""

    user_rows: Ints
    """(n,)"""
    item_rows: Ints
    """(n,)"""
    weights: npt.NDArray[np.float32]
    """(n,) evidence of interest, from 0 to MOST_WEIGHT; 0 of what was seen, but not liked."""
    times: Ints | None
    """(n,) microseconds since 1970 UTC; None where the data has no times."""

    def __post_init__(self) -> None:
        columns = (self.user_rows, self.item_rows, self.weights, self.times)
        lengths = {len(column) for column in columns if column is not None}
        if len(lengths) > 1:
            raise DataError(f"columns of pairs differ in length: {sorted(lengths)}")
        if not ((self.weights >= 0) & (self.weights <= MOST_WEIGHT)).all():
            raise DataError(f"weights of pairs lie between 0 and {MOST_WEIGHT:g}")

    def __len__(self) -> int:
        return len(self.user_rows)

    def take(self, chosen: npt.NDArray[np.bool_] | Ints) -> "Pairs":
        """The rows of a mask (n,) or of row numbers (m,)."""
        times = None if self.times is None else self.times[chosen]
        return Pairs(self.user_rows[chosen], self.item_rows[chosen], self.weights[chosen], times)

    def users(self) -> Ints:
        """(u,) the users that have a pair, ascending, each once."""
        return np.unique(self.user_rows)

    def item_lists(self, users: Ints) -> Ragged:
        """The items of each of the given users, ascending, each once.

        users: (u,) in any order, each once; a user without pairs has an empty list.
        """
        pairs = self.merged()
        starts = np.searchsorted(pairs.user_rows, users, side="left")
        lengths = np.searchsorted(pairs.user_rows, users, side="right") - starts
        offsets, places = ranges(starts, lengths)
        return Ragged(offsets, pairs.item_rows[places])

    def matrix(self, users: int, items: int) -> sparse.csr_matrix:
        """(users, items) float32; a cell is the summed weight, cells of weight 0 not stored."""
        pairs = self.merged()
        cells = (pairs.weights, (pairs.user_rows, pairs.item_rows))
        matrix = sparse.csr_matrix(cells, shape=(users, items), dtype=np.float32)
        matrix.eliminate_zeros()
        return matrix

    def merged(self) -> "Pairs":
        """One row a pair, by user, then item: its first time and the sum of its weights.

        The sum is taken in order of weight, so the order of rows makes no difference.
        """
        keys = _keys(self, _width(self))
        if _ascend(keys):
            return self
        order = np.lexsort((self.weights, keys))
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        sums = np.add.reduceat(self.weights[order].astype(np.float64), starts)
        times = None if self.times is None else np.minimum.reduceat(self.times[order], starts)
        first = order[starts]
        weights = np.minimum(sums, MOST_WEIGHT).astype(np.float32)
        return Pairs(self.user_rows[first], self.item_rows[first], weights, times)

    def last_times(self) -> Ints | None:
        """(m,) the last time of each of the merged pairs; None where the data has no times."""
        keys = _keys(self, _width(self))
        if self.times is None or _ascend(keys):
            return self.times
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        return np.asarray(np.maximum.reduceat(self.times[order], starts))


class Split(NamedTuple):
    """Events to learn from and pairs to be found; no pair is in both."""

    train: Pairs
    test: Pairs


def temporal(pairs: Pairs, at: int) -> Split:
    """Train: events before an instant. Test: what a user first touched then or later.

    at: microseconds since 1970 UTC.
    """
    before = _times(pairs) < at
    return given(pairs.take(before), pairs.take(~before))


def at_quantile(pairs: Pairs, q: float = SHARE_BEFORE) -> Split:
    """The temporal split at the q quantile of the times of all events.

    Where the quantile lies between two events, it is the time of the later one.
    """
    times = _times(pairs)
    if not len(times):
        raise DataError("no events to split by time: the data set is empty")
    return temporal(pairs, int(np.quantile(times, q, method="higher")))


def random_per_user(pairs: Pairs, share: float, seed: int, least: int) -> Split:
    """Holds out a share of the items of each user who has `least` or more.

    The number held out is share * items, rounded to the nearest (a half to the even), at least 1
    and never all. The result depends on the pairs and the seed, not on the order of rows.
    """
    if not 0.0 < share < 1.0 or least < 2:
        raise ValueError(f"need 0 < share < 1 and least >= 2, got {share} and {least}")
    rows = pairs.merged()
    draws = np.random.default_rng(seed).random(len(rows))
    _, starts, counts = np.unique(rows.user_rows, return_index=True, return_counts=True)
    held = np.clip(np.rint(share * counts), 1, np.maximum(counts - 1, 1)).astype(np.int64)
    held[counts < least] = 0
    drawn = np.lexsort((draws, rows.user_rows))
    ranks = np.arange(len(rows)) - np.repeat(starts, counts)
    out = np.zeros(len(rows), bool)
    out[drawn] = ranks < np.repeat(held, counts)
    width = _width(rows)
    held_out = np.isin(_keys(pairs, width), _keys(rows.take(out), width))
    return Split(pairs.take(~held_out), rows.take(out & (rows.weights > 0)))


def given(train: Pairs, test: Pairs) -> Split:
    """A split made elsewhere; test pairs that are in train too, or not liked, are dropped."""
    wanted = test.merged()
    width = max(_width(train), _width(wanted))
    known = np.isin(_keys(wanted, width), _keys(train, width))
    return Split(train, wanted.take(~known & (wanted.weights > 0)))


def _times(pairs: Pairs) -> Ints:
    if pairs.times is None:
        raise DataError("a split by time needs times, and these pairs have none: split at random")
    return pairs.times


def _width(pairs: Pairs) -> int:
    return 1 + int(pairs.item_rows.max(initial=0))


def _ascend(keys: Ints) -> bool:
    """True if the keys of pairs stand in order, each once."""
    return bool((np.diff(keys) > 0).all())


def _keys(pairs: Pairs, width: int) -> Ints:
    """(n,) one number for each user and item, in the order of users, then items."""
    return pairs.user_rows * width + pairs.item_rows
