"""Weights of the generators' scores, learnt where that gains beyond its error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recsys.arrays import Floats, Ints
from recsys.evaluation.significance import ERRORS, Gain
from recsys.ranking.hit_table import HitTable, Table
from recsys.ranking.holdout import HoldoutCandidates

_FACTORS: Final = (0.0, 0.5, 0.7, 1.4, 2.0)
"""What a weight is multiplied with in a step of the search."""
_STEP_ERRORS: Final = 1.0
"""Standard errors that a step has to gain. A step to 0, from which none leads back, has to gain
`ERRORS` of them."""
_ROUNDS: Final = 3
_GAIN: Final = 1e-3
"""Relative gain below which a step of the search is not taken."""


def learn_weights(sums: "WeightedSums", start: Floats) -> Floats:
    """(generators,) weights by coordinate search from the configured ones.

    start: (generators,) the configured weights. A step is taken where NDCG@20 gains by it beyond
    its error, user by user, so that where users tell nothing the weights stay as they are.
    """
    best, values = start, sums.ndcg(start)
    for _ in range(_ROUNDS):
        before = best
        for place in np.flatnonzero(start).tolist():
            best, values = _along(sums, best, values, place)
        if best is before:
            break
    return best


def _along(
    sums: "WeightedSums", weights: Floats, values: Floats, place: int
) -> tuple[Floats, Floats]:
    """The weights after the steps that gain by one of them, and the NDCG@20 of each user."""
    best = weights
    others = weights.copy()
    others[place] = 0.0
    if not others.any():
        return best, values
    rest = weighted_sum(sums.tables, others)
    for factor in _FACTORS:
        weight = best[place] * factor
        if weight == best[place]:
            continue
        tried = sums.hits.ndcg(rest + np.float32(weight) * sums.tables[place])
        if _gains(tried, values, ERRORS if weight == 0.0 else _STEP_ERRORS):
            best, values = others.copy(), tried
            best[place] = weight
    return best, values


def weighted_sum(scores: Sequence[Table] | Table, weights: Floats) -> Table:
    """The sum of (generators, …) standardised scores; those of weight 0 are not looked at."""
    total = np.zeros_like(scores[0])
    for weight, part in zip(weights.tolist(), scores, strict=True):
        if weight:
            total += np.float32(weight) * part
    return total


@dataclass(frozen=True)
class WeightedSums:
    """NDCG@20 of some users by the weighted sum of the generators' scores, for any weights."""

    hits: HitTable
    tables: Sequence[Table]
    """Scores of each generator."""

    @classmethod
    def of(cls, found: HoldoutCandidates) -> Self:
        """The sums of all users of a holdout."""
        return cls(found.hits, [found.hits.table(scores) for scores in found.scores])

    def __len__(self) -> int:
        return self.hits.size

    def part(self, users: Ints) -> Self:
        """The sums of some of the users: (u,) ascending places."""
        hits, lines = self.hits.part(users)
        return type(self)(hits, [table[lines] for table in self.tables])

    def ndcg(self, weights: Floats) -> Floats:
        """(u,) NDCG@20 of each user."""
        return self.hits.ndcg(weighted_sum(self.tables, weights))


def _gains(values: Floats, before: Floats, errors: float) -> bool:
    gain = Gain.of(values, before)
    return gain.mean > _GAIN * before.mean() and gain.beyond(errors)
