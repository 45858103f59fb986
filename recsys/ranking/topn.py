"""The best items of each user, exactly, in blocks of users."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys.interactions.training import Ints
from recsys.models.contract import Rows, Scores
from recsys.ranking.candidates import best_columns


@dataclass(frozen=True)
class TopN:
    """Lists of several users, one after the other."""

    offsets: Ints
    """(users + 1,) where each user's list begins and ends."""
    item_rows: Ints
    """Best first; at equal scores the lower row first."""
    scores: Scores
    """Blended score of each."""
    sources: npt.NDArray[np.int16]
    """Index of the generator that speaks most for each."""


def select(shares: list[Scores], totals: Scores, available: Rows, n: int) -> TopN:
    """The n best items of each line of the totals; lists are shorter where fewer are left.

    totals: (b, a) the scores that decide, -inf for what may not be listed.
    shares: (b, a) by generator, what it contributes.
    available: (a,) ascending item rows.
    """
    order = best_columns(totals, min(n, totals.shape[1]))
    values = np.take_along_axis(totals, order, axis=1)
    ranked = np.lexsort((order, -values), axis=1)
    order = np.take_along_axis(order, ranked, axis=1)
    values = np.take_along_axis(values, ranked, axis=1)
    kept = values > -np.inf
    parts = np.stack([np.take_along_axis(part, order, axis=1) for part in shares])
    return TopN(
        offsets=np.concatenate([[0], np.cumsum(kept.sum(axis=1))]),
        item_rows=available[order[kept]],
        scores=values[kept],
        sources=parts.argmax(axis=0)[kept].astype(np.int16),
    )
