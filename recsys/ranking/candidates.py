"""The first stage: of all items, the few that some generator thinks well of."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ints, offsets_of
from recsys.generators.contract import Scores
from recsys.ranking.scoring import Scored

_GROUPS: Final = 4
"""Groups of columns for each column wanted."""
_COLUMN: Final = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class Candidates:
    """The candidates of a chunk of users, user by user, each with ascending columns."""

    lines: Ints
    """(p,) the user's place in the chunk."""
    columns: Ints
    """(p,) the item's place among the available ones."""
    ranks: Ints
    """(generators, p) the candidate's place, from 1, in the generator's order of the user's
    candidates; of equal scores the lower column is first."""

    def of(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """Some of the candidates."""
        return type(self)(self.lines[chosen], self.columns[chosen], self.ranks[:, chosen])


def candidates(scored: Scored, most: int) -> Candidates:
    """Each generator's `most` best open items, taken together.

    A generator without an opinion on a user, which gives every item 0, proposes nothing.
    """
    shape = scored.scores[0].shape
    chosen = np.zeros(shape, dtype=bool)
    for scores, (_, deviation) in zip(scored.scores, scored.moments, strict=True):
        lines = np.flatnonzero(deviation > 0)
        part = scores if len(lines) == len(scores) else scores[lines]
        chosen[lines[:, np.newaxis], best_columns(part, min(most, shape[1]))] = True
    lines, columns = np.nonzero(chosen)
    open_ = scored.scores[0][lines, columns] > -np.inf
    lines, columns = lines[open_], columns[open_]
    parts = [scores[lines, columns] for scores in scored.scores]
    ranks = np.stack([places_of(lines, columns, part) for part in parts])
    return Candidates(lines, columns, ranks)


def best_columns(totals: Scores, n: int) -> Ints:
    """(lines, n) columns of the n greatest scores of each line, best first; at equal scores the
    lower column first.

    Columns are dealt into groups, many more than n. The (n + 1)-th greatest of the groups' maxima
    is a floor that n + 1 scores reach, and hardly more are above it: one comparison with it drops
    the rest. Where fewer than n are above, the n best are these and the first that equal the floor.
    """
    lines, width = totals.shape
    groups = _GROUPS * (n + 1)
    if width < 2 * groups:
        return _sorted(totals)[:, :n]
    deep = width // groups
    maxima = totals[:, : deep * groups].reshape(lines, deep, groups).max(axis=1)
    floor = np.partition(maxima, -n - 1, axis=1)[:, -n - 1]
    above = np.flatnonzero(totals > floor[:, np.newaxis])
    rows, columns = np.divmod(above, width)
    counts = np.bincount(rows, minlength=lines)
    keys = np.full((lines, counts.max(initial=n)), ~np.uint64(0))
    places = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    keys[rows, places] = _keys(totals.ravel()[above], columns)
    keys.sort(axis=1)
    best = (keys[:, :n] & _COLUMN).astype(np.int64)
    for line in np.flatnonzero(counts < n).tolist():
        equal = np.flatnonzero(totals[line] == floor[line])
        best[line, counts[line] :] = equal[: n - counts[line]]
    return best


def _sorted(totals: Scores) -> Ints:
    """(lines, width) columns of each line, best first."""
    keys = np.sort(_keys(totals, np.arange(totals.shape[1])), axis=1)
    return (keys & _COLUMN).astype(np.int64)


def _keys(scores: Scores, columns: Ints) -> npt.NDArray[np.uint64]:
    """Numbers that ascend as scores descend, and at equal scores as columns ascend."""
    bits = (scores + np.float32(0)).view(np.uint32)
    descending = np.where(bits >> 31, bits, bits ^ np.uint32(0x7FFFFFFF))
    return descending.astype(np.uint64) << np.uint64(32) | columns.astype(np.uint64)


def leaders(lines: Ints, columns: Ints, scores: Scores, most: int) -> npt.NDArray[np.bool_]:
    """(p,) True where a candidate's score is among the `most` greatest of its line.

    lines: (p,) ascending. Of equal scores the lower column is first.
    """
    return places_of(lines, columns, scores) <= most


def places_of(lines: Ints, columns: Ints, scores: Scores) -> Ints:
    """(p,) the place of each candidate among those of its line, from 1, greatest score first.

    lines: (p,) ascending. Of equal scores the lower column is first.
    """
    counts = np.bincount(lines)
    places = np.arange(len(lines)) - offsets_of(counts)[lines]
    keys = np.full((len(counts), counts.max(initial=0)), ~np.uint64(0))
    keys[lines, places] = _keys(scores, columns)
    ranks = np.empty(keys.shape, np.int64)
    # Lines are sorted each by itself, by one number: several times as fast as all by three.
    order = keys.argsort(axis=1)
    np.put_along_axis(ranks, order, np.arange(1, keys.shape[1] + 1)[np.newaxis], axis=1)
    return np.asarray(ranks[lines, places])
