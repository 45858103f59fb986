"""Which pairs of a market are looked at, where all of them would be too many.

Candidates of one side alone leave people with nobody: those who are among nobody's best. So a pair
is looked at if it is among the best of either, and everybody gets a few others at random.
"""

from collections.abc import Iterable

import numpy as np

from recsys.arrays import Floats, Ints, Mask, Ragged, UserRows
from recsys.draws import Words, uniform
from recsys.matching.lists import possible
from recsys.matching.order import Order


def best_of(scores: Floats, count: int) -> Ragged:
    """The best columns of each row; none whose score is 0.

    scores: (n, m) at least 0, the chance that both say yes, say; 0 of who must not be shown.
    """
    rows, columns = scores.shape
    every = Ragged.of_lengths(np.full(rows, columns), np.tile(np.arange(columns), rows))
    flat = scores.ravel()
    best = possible(Order.of(every, np.arange(rows)).best(flat, count), flat)
    return Ragged(best.offsets, every.values[best.values])


def some_of(eligible: Mask, rows: Words, columns: Words, count: int, seed: int) -> Ragged:
    """A few columns of each row at random, each as likely as any other.

    eligible: (n, m) who may be shown to whom. rows, columns: (n,), (m,) a lasting number of each
    person; draws depend on them and on the seed, not on who else is there.
    """
    return best_of(np.where(eligible, uniform(rows, columns, seed), 0.0), count)


def united(proposals: Iterable[tuple[UserRows, Ragged]]) -> tuple[Ints, Ints]:
    """(pairs,) the two people of each pair that anybody proposed, once, in order of their rows.

    proposals: rows (n,) of people, below 2**31, and the rows of those proposed to each.
    """
    found = [np.empty(0, np.int64)]
    for rows, lists in proposals:
        owners = rows[lists.lines()]
        low, high = np.minimum(owners, lists.values), np.maximum(owners, lists.values)
        found.append(low << 32 | high)
    pairs = np.unique(np.concatenate(found))
    return pairs >> 32, pairs & (2**32 - 1)
