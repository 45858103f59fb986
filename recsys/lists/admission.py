"""A cap on how many lists an item may be in, kept exactly.

As places at universities are given: each user takes the best items of the own pool that admit the
user, and an item that too many would take admits only those who want it most (Gale and Shapley
1962). Who is admitted comes down to one threshold an item (Azevedo and Leshno 2016), so a list
follows from the user's own pool and the thresholds, wherever and among whomever it is made.
"""

from functools import partial
from typing import Final

import numpy as np

from recsys.arrays import Floats, Ints, ItemRows, Mask
from recsys.draws import mixed
from recsys.generators.contract import Arrays
from recsys.lists.contract import Pools, Recipients
from recsys.lists.prices import deviations, price_order
from recsys.lists.ranked import RankedLists

_SCORE_BITS: Final = 20
_TIE_BITS: Final = 24
_WIDEST: Final = 32.0
"""Deviations that are told apart, on either side."""
_BINS: Final = 64
_NEAR: Final = 0.98
"""Part of the cap that is near enough for a threshold not to be sought any finer."""
_EXACT_ROUNDS: Final = 24
"""Rounds after which whatever keeps the cap is near enough."""


def priorities(lists: RankedLists, users: Recipients, worth: Floats) -> Ints:
    """(entries,) how much each user wants the item, as whole numbers from 0: the worth, and where
    that is equal a lasting draw of user and item.

    worth: (entries,) see `deviations`.
    """
    scale = 2.0 ** (_SCORE_BITS - 1) / _WIDEST
    score = np.clip((worth + _WIDEST) * scale, 0, 2**_SCORE_BITS - 1).astype(np.int64)
    keys = users.keys.astype(np.uint64)[lists.items.lines()]
    draws = mixed(keys ^ mixed(lists.item_rows.astype(np.uint64))) >> np.uint64(64 - _TIE_BITS)
    return np.asarray((score << _TIE_BITS) | draws.astype(np.int64), np.int64)


def admitted(
    lists: RankedLists, users: Recipients, prices: Floats, thresholds: Ints
) -> RankedLists:
    """The lists in order of score less price, without the items that do not admit the user.

    prices, thresholds: (items,) each; thresholds are of priorities.
    """
    order, wants = _wanted(lists, users, prices)
    lists = lists.entries(lists.offsets, order)
    return lists.where(wants >= thresholds[lists.item_rows])


def _wanted(lists: RankedLists, users: Recipients, prices: Floats) -> tuple[Ints, Ints]:
    """(entries,) places in order of score less price, and the priorities in that order."""
    worth = deviations(lists)
    order = price_order(lists, worth, prices)
    return order, priorities(lists, users, worth)[order]


def found_thresholds(pools: Pools, items: int, length: int, prices: Floats, cap: int) -> Ints:
    """(items,) the thresholds by which no item is in more than `cap` lists of so many items.

    They only rise from round to round, from a lower bound while there is time: so no user is turned
    away by an item that ends up with room for more than the part that `_NEAR` leaves.
    """
    thresholds, widths = np.zeros(items, np.int64), np.zeros(items, np.int64)
    widths[:] = 2 ** (_SCORE_BITS + _TIE_BITS) // _BINS
    full: ItemRows = np.empty(0, np.int64)
    number = 0
    while True:
        counted = partial(
            _counted, length=length, prices=prices, thresholds=thresholds, widths=widths, full=full
        )
        found = pools.summed(counted)
        over = found["held"] > cap
        if not over.any():
            return thresholds
        wanted, bins = over[full], found["bins"].astype(np.int64).reshape(-1, _BINS)
        rows = full[wanted]
        moves, finer = _risen(bins[wanted], cap, widths[rows], near=number < _EXACT_ROUNDS)
        thresholds[rows] += moves
        widths[rows] = finer
        full = np.union1d(full, np.flatnonzero(over))
        number += 1


def _risen(bins: Ints, cap: int, widths: Ints, *, near: bool) -> tuple[Ints, Ints]:
    """(n,) how far the thresholds of full items rise, and how wide their bins are then.

    bins: (n, bins) users by their priority above the threshold; the last bin is open to above.
    widths: (n,) of a bin. near: whether only what is near the cap will do.
    """
    above = np.cumsum(bins[:, ::-1], axis=1)[:, ::-1]
    above = np.concatenate([above, np.zeros((len(bins), 1), np.int64)], axis=1)
    upper = np.argmax(above <= cap, axis=1)
    open_end = upper == _BINS
    left = np.take_along_axis(above, upper[:, np.newaxis], axis=1)[:, 0]
    good: Mask = ~open_end & ((left >= _NEAR * cap) | (widths == 1) | (not near))
    edges = np.where(good, upper, upper - 1)
    finer = np.where(open_end, widths * (_BINS // 2), np.maximum(widths // (_BINS // 2), 1))
    return edges * widths, np.where(good, widths, finer)


def _counted(
    lists: RankedLists,
    users: Recipients,
    *,
    length: int,
    prices: Floats,
    thresholds: Ints,
    widths: Ints,
    full: ItemRows,
) -> Arrays:
    """The lists that hold each item, and of the full ones (f,) bins of their users' priorities."""
    order, wants = _wanted(lists, users, prices)
    lists = lists.entries(lists.offsets, order)
    shown = _shown(lists, wants >= thresholds[lists.item_rows], length)
    rows, wants = lists.item_rows[shown], wants[shown]
    slots = np.full(len(thresholds), -1, np.int64)
    slots[full] = np.arange(len(full))
    binned = slots[rows] >= 0
    rows, wants, held = rows[binned], wants[binned], np.bincount(rows, minlength=len(thresholds))
    bins = np.minimum((wants - thresholds[rows]) // widths[rows], _BINS - 1)
    counts = np.bincount(slots[rows] * _BINS + bins, minlength=len(full) * _BINS)
    return {"held": held, "bins": counts}


def _shown(lists: RankedLists, open_to: Mask, length: int) -> Ints:
    """Places among all entries of the first `length` of each list that are open to its user."""
    before = np.concatenate([[0], np.cumsum(open_to)])
    numbers = before[1:] - before[lists.offsets[lists.items.lines()]]
    return np.flatnonzero(open_to & (numbers <= length))
