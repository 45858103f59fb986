"""Why each entry of a published list is there, in a few bytes.

A record of an entry has its place in the pool, from 1 (two bytes, big-endian; 0: a list step put it
there), the number of the user's own item that speaks most for it, from 1 (two bytes; 0: none), the
part of that item in all that speaks for the entry (one byte, of 255), and one byte for what each
generator says (`coded`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ints, ItemRows, Ragged, offsets_of
from recsys.generators.contract import ExplainsLists, Model, Scores, Strongest
from recsys.lists.contract import Recipients
from recsys.lists.ranked import Opinions, RankedLists

FIXED: Final = 5
"""Bytes of a record before those of the generators."""
_MIDDLE: Final = 128
_STEPS: Final = np.float32(20.0)
"""Codes from 0 to 1; from 1 to 4 there are as many, as differences of what is large matter less."""
_ASKED: Final = ("item_item", "als", "graph", "next_item")
"""Generators by what it costs to ask them which item speaks most, two of which are."""


def coded(opinions: Scores) -> Opinions:
    """One byte for each number: 128 + 20 sqrt(x), on either side of 0, from -40 to 40.

    0 stands for -inf: a generator that is not heard.
    """
    sizes = np.minimum(np.rint(_STEPS * np.sqrt(np.abs(opinions))), _MIDDLE - 1)
    codes = _MIDDLE + np.copysign(sizes, opinions)
    return np.where(np.isneginf(opinions), 0, codes).astype(np.uint8)


def decoded(codes: Opinions) -> Scores:
    """The numbers that codes stand for; -inf for 0."""
    steps = codes.astype(np.float32) - _MIDDLE
    numbers = np.copysign(np.square(steps / _STEPS), steps)
    return np.where(codes == 0, -np.inf, numbers).astype(np.float32)


class Reasons(NamedTuple):
    """Reasons of the entries of some lists."""

    offsets: Ints
    """(users + 1,) where each user's own items begin and end."""
    own: ItemRows
    """Rows of the own items that speak most for some entry of the user's list."""
    records: npt.NDArray[np.uint8]
    """(entries, 5 + generators) records."""


@dataclass(frozen=True)
class Reasoner:
    """Everything that finding reasons needs, the same for every user."""

    asked: Sequence[ExplainsLists]
    """Models that are asked in turn, until one knows an own item that speaks for an entry."""
    generators: int

    @classmethod
    def of(cls, models: Mapping[str, Model], blocked: Ragged) -> Self:
        """A reasoner over generators by name. blocked: the items that each user has blocked, which
        are no reason for anything."""
        explaining = [models[name] for name in _ASKED if name in models]
        asked = [model.without(blocked) for model in explaining if isinstance(model, ExplainsLists)]
        return cls(asked[:2], len(models))

    def reasons(self, pools: RankedLists, lists: RankedLists, users: Recipients) -> Reasons:
        """Reasons of the lists that were made of pools, whose opinions are known."""
        places = _places_in(pools, lists)
        strongest = self._strongest(lists, users)
        spoken = np.flatnonzero(strongest.own >= 0)
        lines = lists.items.lines()[spoken]
        pairs, numbers = np.unique(lines << 32 | strongest.own[spoken], return_inverse=True)
        counts = np.bincount(pairs >> 32, minlength=len(users.rows))
        offsets = offsets_of(counts)
        records = np.zeros((len(places), FIXED + self.generators), np.uint8)
        records[:, 0:2] = _two_bytes(places + 1)
        records[spoken, 2:4] = _two_bytes(numbers - offsets[lines] + 1)
        records[:, 4] = np.rint(strongest.shares * 255)
        known = places >= 0
        if pools.opinions is not None:
            records[known, FIXED:] = pools.opinions[
                (pools.offsets[:-1][lists.items.lines()] + places)[known]
            ]
        return Reasons(offsets, pairs & 0xFFFFFFFF, records)

    def _strongest(self, lists: RankedLists, users: Recipients) -> Strongest:
        found = np.full(len(lists.item_rows), -1, np.int64)
        shares = np.zeros(len(found), np.float32)
        for model in self.asked:
            left = found < 0
            if left.any():
                rest = lists.where(left)
                found[left], shares[left] = model.strongest(users.rows, rest.items)
        return Strongest(found, shares)


def _places_in(pools: RankedLists, lists: RankedLists) -> Ints:
    """(entries,) the place of each entry in the user's pool, from 0; -1 where it is not there."""
    if lists.item_rows is pools.item_rows:
        return pools.places()
    there, wanted = pools.items.pairs(), lists.items.pairs()
    order = np.argsort(there)
    if not len(order):
        return np.full(len(wanted), -1, np.int64)
    found = order[np.minimum(np.searchsorted(there, wanted, sorter=order), len(order) - 1)]
    return np.where(there[found] == wanted, pools.places()[found], -1)


def _two_bytes(numbers: Ints) -> npt.NDArray[np.uint8]:
    return np.stack([numbers >> 8, numbers & 0xFF], axis=1).astype(np.uint8)
