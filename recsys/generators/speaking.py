"""The own item that speaks most for an entry, from what each of them says."""

import numpy as np

from recsys.arrays import Ints, ItemRows
from recsys.generators.contract import Scores, Strongest


def strongest_of(entries: Ints, own: ItemRows, parts: Scores, count: int) -> Strongest:
    """Find the greatest part of each entry; of equal ones the first.

    entries: (p,) ascending entry that each part speaks for. own: (p,) whose part it is.
    parts: (p,) above 0. count: entries in all.
    """
    found = np.full(count, -1, np.int64)
    shares = np.zeros(count, np.float32)
    starts = np.flatnonzero(np.diff(entries, prepend=-1))
    if len(starts):
        tops = np.maximum.reduceat(parts, starts)
        sums = np.add.reduceat(parts, starts, dtype=np.float64)
        lengths = np.diff(np.append(starts, len(entries)))
        best = np.flatnonzero(parts == np.repeat(tops, lengths))[::-1]
        found[entries[best]] = own[best]
        shares[entries[starts]] = tops / sums
    return Strongest(found, shares)
