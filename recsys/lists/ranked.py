"""Ranked lists of a chunk of users."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, ItemRows, Mask, Ragged, offsets_of, ranges
from recsys.generators.contract import Scores

Opinions = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RankedLists:
    """Lists of several users, one after the other."""

    offsets: Ints
    """(users + 1,) where each user's list begins and ends, from 0."""
    item_rows: ItemRows
    """(entries,) best first; at equal scores the lower row first."""
    scores: Scores
    """(entries,) blended score of each."""
    sources: npt.NDArray[np.int16]
    """(entries,) number of the generator, or of the list step, that speaks most for each."""
    propensities: npt.NDArray[np.float32]
    """(entries,) chance with which a step that draws put the item there; 1 of every other entry."""
    opinions: Opinions | None = None
    """(entries, generators) what each adds to the score, as `recsys.lists.reasons.coded`; of pools
    where reasons are kept, and no concern of list steps."""
    moments: Floats | None = None
    """(users, generators, 2) mean and deviation of the raw scores of each generator that ranked; of
    pools as they were ranked alone."""

    @classmethod
    def none(cls) -> Self:
        """Lists of no users."""
        return cls(
            offsets=np.zeros(1, np.int64),
            item_rows=np.empty(0, np.int64),
            scores=np.empty(0, np.float32),
            sources=np.empty(0, np.int16),
            propensities=np.empty(0, np.float32),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The lists of all parts, one part's after the other's, without opinions."""
        parts = [cls.none(), *parts]
        return cls(
            offsets_of(np.concatenate([part.items.lengths for part in parts])),
            np.concatenate([part.item_rows for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.sources for part in parts]),
            np.concatenate([part.propensities for part in parts]),
        )

    @property
    def items(self) -> Ragged:
        """The item rows of each list."""
        return Ragged(self.offsets, self.item_rows)

    def places(self) -> Ints:
        """(entries,) the place of each entry in its list, from 0."""
        return np.arange(len(self.item_rows)) - self.offsets[self.items.lines()]

    def entries(self, offsets: Ints, places: Ints) -> Self:
        """Lists made of some entries of these.

        offsets: (lists + 1,) of the new lists. places: (n,) of their entries among all of these.
        """
        return type(self)(
            offsets,
            self.item_rows[places],
            self.scores[places],
            self.sources[places],
            self.propensities[places],
            None if self.opinions is None else self.opinions[places],
        )

    def merged(self, others: Self) -> Self:
        """Lists of the entries of these and of others, best first."""
        opinions = None
        if self.opinions is not None and others.opinions is not None:
            opinions = np.concatenate([self.opinions, others.opinions])
        both = type(self)(
            self.offsets,
            np.concatenate([self.item_rows, others.item_rows]),
            np.concatenate([self.scores, others.scores]),
            np.concatenate([self.sources, others.sources]),
            np.concatenate([self.propensities, others.propensities]),
            opinions,
        )
        lines = np.concatenate([self.items.lines(), others.items.lines()])
        order = np.lexsort((both.item_rows, -both.scores, lines))
        return both.entries(self.offsets + others.offsets, order)

    def scored(self, scores: Scores) -> Self:
        """The lists with other scores: (entries,)."""
        return replace(self, scores=scores)

    def where(self, chosen: Mask) -> Self:
        """The lists without some entries, by (entries,) mask of those that stay."""
        if chosen.all():
            return self
        counts = np.bincount(self.items.lines()[chosen], minlength=len(self.offsets) - 1)
        return self.entries(offsets_of(counts), np.flatnonzero(chosen))

    def of(self, lists: Ints) -> Self:
        """Some of the lists, in the order of their numbers (m,)."""
        return self.entries(*ranges(self.offsets[lists], self.items.lengths[lists]))

    def cut(self, length: int | Ints) -> Self:
        """The first entries of each list. length: how many at most, of all or of (users,) each."""
        if (self.items.lengths <= length).all():
            return self
        most = np.broadcast_to(length, len(self.offsets) - 1)
        return self.where(self.places() < most[self.items.lines()])
