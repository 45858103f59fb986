"""Which items a generator can say anything of for a user at all."""

from typing import Final

import numpy as np

from recsys.arrays import Ints, Mask
from recsys.ranking.scoring import Scored

_ROUNDING: Final = 1e-5
"""A raw score this small beside the mean and the deviation of the user's scores is 0."""


def reached(scored: Scored, lines: Ints, columns: Ints) -> Mask:
    """(generators, p) True where a generator has a score for the pair, and tells items apart.

    Generators give 0 where they know nothing: of an item without events, say, or for a user without
    any. Whatever the second stage does, it cannot find there what it looks for but by chance.

    lines, columns: (p,) the user's place in the chunk, and the item's among the available ones, -1
    of what is not available. None of the pairs is closed to its user.
    """
    there = np.flatnonzero(columns >= 0)
    rows, places = lines[there], columns[there]
    found = np.zeros((len(scored.scores), len(lines)), bool)
    for generator, scores in enumerate(scored.scores):
        mean, deviation = (moment[rows] for moment in scored.moments[generator])
        raw = scores[rows, places] * deviation + mean
        known = np.abs(raw) > _ROUNDING * (np.abs(mean) + deviation)
        found[generator, there] = known & (deviation > 0)
    return found
