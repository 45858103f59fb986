"""The first stage: of all items, the few that some generator thinks well of."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.interactions.training import Ints
from recsys.models.contract import Scores
from recsys.ranking.scoring import Scored

_GROUPS: Final = 8
"""Groups of columns for each column wanted."""


@dataclass(frozen=True)
class Candidates:
    """The candidates of a block of users, user by user, each with ascending columns."""

    lines: Ints
    """(p,) the user's place in the block."""
    columns: Ints
    """(p,) the item's place among the available ones."""
    ranks: Ints
    """(generators, p) the candidate's place, from 1, in the generator's order of the user's
    candidates; of equal scores the lower column is first."""


def candidates(scored: Scored, most: int) -> Candidates:
    """Each generator's `most` best open items, taken together.

    A generator without an opinion on a user, which gives every item 0, proposes nothing.
    """
    shape = scored.scores[0].shape
    chosen = np.zeros(shape, dtype=bool)
    for scores, (_, deviation) in zip(scored.scores, scored.moments, strict=True):
        lines = np.flatnonzero(deviation > 0)
        best = best_columns(scored.closing(scores.copy()), min(most, shape[1]))
        chosen[lines[:, np.newaxis], best[lines]] = True
    chosen[scored.closed] = False
    lines, columns = np.nonzero(chosen)
    parts = [scores[lines, columns] for scores in scored.scores]
    ranks = np.stack([_ranks(lines, columns, part) for part in parts])
    return Candidates(lines, columns, ranks)


def best_columns(totals: Scores, n: int) -> Ints:
    """(lines, n) columns of the n greatest scores of each line, in no order.

    Which of several equal scores at the edge are taken is decided by the lowest columns.

    Columns are dealt into groups, many more than n. At least n scores are above the (n + 1)-th
    greatest of the groups' maxima, if no two maxima are equal there, and hardly more: one
    comparison with it drops the rest. Lines with such a tie are searched whole.
    """
    lines, width = totals.shape
    groups = _GROUPS * (n + 1)
    if width < 2 * groups:
        return _searched(totals, n)
    dealt = totals[:, : width // groups * groups].reshape(lines, -1, groups)
    maxima = dealt.max(axis=1)
    floor = np.partition(maxima, -n - 1, axis=1)[:, -n - 1]
    rows, columns = np.divmod(np.flatnonzero(totals > floor[:, np.newaxis]), width)
    counts = np.bincount(rows, minlength=lines)
    left = np.full((lines, counts.max(initial=n)), -np.inf, np.float32)
    origin = np.zeros(left.shape, np.int64)
    cells = rows, np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    left[cells], origin[cells] = totals[rows, columns], columns
    chosen = np.take_along_axis(origin, _searched(left, n), axis=1)
    tied = np.flatnonzero(counts < n)
    if len(tied):
        chosen[tied] = _searched(totals[tied], n)
    return chosen


def _searched(totals: Scores, n: int) -> Ints:
    if n >= totals.shape[1]:
        return np.broadcast_to(np.arange(totals.shape[1]), totals.shape)
    chosen = np.argpartition(totals, -n, axis=1)[:, -n:]
    edge = np.take_along_axis(totals, chosen, axis=1).min(axis=1)
    tied = (totals >= edge[:, np.newaxis]).sum(axis=1) > n
    for line in np.flatnonzero(tied):
        above = np.flatnonzero(totals[line] > edge[line])
        equal = np.flatnonzero(totals[line] == edge[line])[: n - len(above)]
        chosen[line] = np.concatenate([above, equal])
    return chosen


def _ranks(lines: Ints, columns: Ints, scores: Scores) -> Ints:
    order = np.lexsort((columns, -scores, lines))
    starts = np.searchsorted(lines, np.arange(lines.max(initial=-1) + 1))
    ranks = np.empty(len(lines), np.int64)
    ranks[order] = np.arange(1, len(lines) + 1) - starts[lines[order]]
    return ranks
