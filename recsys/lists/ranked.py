"""The best items of each user, exactly, in blocks of users."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ints, offsets_of
from recsys.generators.contract import Rows, Scores
from recsys.ranking.blend import Blend
from recsys.ranking.candidates import best_columns
from recsys.ranking.scoring import Scored


@dataclass(frozen=True)
class RankedLists:
    """Lists of several users, one after the other."""

    offsets: Ints
    """(users + 1,) where each user's list begins and ends."""
    item_rows: Ints
    """Best first; at equal scores the lower row first."""
    scores: Scores
    """Blended score of each."""
    sources: npt.NDArray[np.int16]
    """Index of the generator that speaks most for each."""


def select(scored: Scored, blend: Blend, available: Rows, n: int) -> RankedLists:
    """The n best items of each user of a block by a blend; fewer where fewer are left.

    available: (a,) ascending item rows.
    """
    totals = blend.totals(scored)
    columns = best_columns(totals, min(n, totals.shape[1]))
    values = np.take_along_axis(totals, columns, axis=1)
    kept = values > -np.inf
    sources = np.zeros(columns.shape, np.int16)
    if len(scored.scores) > 1:
        sources = blend.shares(scored, columns).argmax(axis=0).astype(np.int16)
    return RankedLists(
        offsets=offsets_of(kept.sum(axis=1)),
        item_rows=available[columns[kept]],
        scores=values[kept],
        sources=sources[kept],
    )
