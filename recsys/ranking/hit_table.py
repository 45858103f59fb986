"""NDCG@20 of many orders of the same candidates, without ranking anew what cannot change it."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, Mask, Ragged, offsets_of, ranges
from recsys.evaluation.metrics import check_figures
from recsys.sections.base import READ_PLACES

_PADDING: Final = np.float32(-1e30)
"""Score of a cell without a candidate: last in every order, and so is any weight's worth of it."""
_DISCOUNTS: Final = 1.0 / np.log2(1.0 + np.arange(1, READ_PLACES + 1))
_GAINS: Final = np.append(_DISCOUNTS, 0.0)
"""Gain of a hit by the number of candidates ahead of it; none from the 20th on."""

Table = npt.NDArray[np.float32]
"""(v, c) score of each candidate of the users with a hit, as deep as the longest of them."""


@dataclass(frozen=True)
class HitTable:
    """The candidates of the users who have a hit among them; nobody else's order matters."""

    users: Ints
    """(v,) ascending places of these users."""
    candidates: Ragged
    """Places of each one's candidates among everybody's."""
    hit_lines: Ints
    """(h,) the line of each hit, ascending."""
    hit_columns: Ints
    """(h,) its place among the user's candidates."""
    ideal: Floats
    """(v,) gain of the ideal list."""
    size: int
    """Users with a hit and without."""

    @classmethod
    def of(cls, offsets: Ints, labels: Mask, relevant: Ints) -> Self:
        """The table of some candidates; see `HoldoutCandidates`."""
        hits = np.flatnonzero(labels)
        owners = np.searchsorted(offsets, hits, side="right") - 1
        users, lines = np.unique(owners, return_inverse=True)
        own = ranges(offsets[users], np.diff(offsets)[users])
        ideal = np.cumsum(_DISCOUNTS)[np.minimum(relevant[users], READ_PLACES) - 1]
        return cls(users, own, lines, hits - offsets[owners], ideal, len(relevant))

    def part(self, users: Ints) -> tuple[Self, Ints]:
        """The part of some users, who take the places from 0 on, and its lines among all.

        users: (u,) ascending places.
        """
        places = np.full(self.size, -1)
        places[users] = np.arange(len(users))
        lines = np.flatnonzero(places[self.users] >= 0)
        numbers = np.full(len(self.users), -1)
        numbers[lines] = np.arange(len(lines))
        hits = numbers[self.hit_lines] >= 0
        part = type(self)(
            places[self.users[lines]],
            self.candidates.take(lines),
            numbers[self.hit_lines[hits]],
            self.hit_columns[hits],
            self.ideal[lines],
            len(users),
        )
        return part, lines

    def table(self, scores: npt.NDArray[np.floating]) -> Table:
        """Lay out (p,) scores of everybody's candidates."""
        lengths = self.candidates.lengths
        table = np.full((len(lengths), lengths.max(initial=0)), _PADDING, np.float32)
        table[np.arange(table.shape[1]) < lengths[:, np.newaxis]] = scores[self.candidates.values]
        return table

    def ndcg(self, table: Table) -> Floats:
        """(users,) NDCG@20 in the order of a table, lower columns first if equal.

        Only what is not below a user's 20th greatest score is compared with the hits.
        """
        width = table.shape[1]
        most = min(READ_PLACES, width)
        found = np.zeros(self.size)
        if not width:
            return found
        floors = np.partition(table, width - most, axis=1)[:, width - most]
        own = table[self.hit_lines, self.hit_columns]
        near = own >= floors[self.hit_lines]
        lines, columns, own = self.hit_lines[near], self.hit_columns[near], own[near]
        first, places = _first(table, floors)
        rivals = first[lines]
        equal = rivals == own[:, np.newaxis]
        ahead = (rivals > own[:, np.newaxis]) | (equal & (places[lines] < columns[:, np.newaxis]))
        gains = _GAINS[np.minimum(ahead.sum(axis=1), READ_PLACES)]
        found[self.users] = np.bincount(lines, gains, len(self.users)) / self.ideal
        check_figures({"ndcg": found})
        return found


def _first(table: Table, floors: Table) -> tuple[Table, Ints]:
    """(v, m) the scores of each line that are not below its floor, and their columns."""
    lines, columns = np.divmod(np.flatnonzero(table >= floors[:, np.newaxis]), table.shape[1])
    counts = np.bincount(lines, minlength=len(table))
    shape = len(table), counts.max(initial=0)
    scores, places = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int64)
    at = np.arange(len(lines)) - offsets_of(counts)[lines]
    scores[lines, at], places[lines, at] = table[lines, columns], columns
    return scores, places
