"""From the generators' scores to one score an item: blends that learn nothing but weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from recsys.arrays import Ints
from recsys.generators.contract import Rows, Scores
from recsys.ranking.candidates import candidates
from recsys.ranking.scoring import Scored

FUSION_CONSTANT: Final = 60.0
"""The usual constant of reciprocal rank fusion."""
_NEARLY_ALL: Final = 7 / 8
"""Share of a chunk's users in one band from which on its blend looks at all of them."""

_TOGETHER: Final = 16
"""Users whose scores are added up at once: more would not fit into the processor's cache."""


class Blend(Protocol):
    """A way to order the candidates of a user."""

    def totals(self, scored: Scored) -> Scores:
        """(b, a) one score an item, to be read only; -inf for what must not be listed."""

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """(generators, b, n) share of each generator in the scores at (b, n) columns."""

    def proposals(self, users: Rows) -> Ints:
        """(b,) candidates of each generator whose scores depend on other items', so that `alone` is
        not for them; 0 where there are none. users: (b,)."""

    def alone(self, scored: Scored) -> Scores:
        """(b, n) `totals` of some items, seen without all others, that are no such candidates; -inf
        where only these have a score."""


@dataclass(frozen=True)
class WeightedSum:
    """Standardised scores, weighted and added up. One weight of 1 is a generator by itself; without
    any weight nothing is listed."""

    weights: Sequence[float]

    def totals(self, scored: Scored) -> Scores:
        """See `Blend`."""
        heard = [pair for pair in zip(self.weights, scored.scores, strict=True) if pair[0]]
        if not heard:
            return np.full_like(scored.scores[0], -np.inf)
        (weight, scores), *others = heard
        if not others and weight == 1.0:
            return scores
        totals = np.empty_like(scores)
        for start in range(0, len(totals), _TOGETHER):
            lines = slice(start, start + _TOGETHER)
            sums = np.multiply(scores[lines], np.float32(weight), out=totals[lines])
            room = np.empty_like(sums)
            for each, own in others:
                sums += np.multiply(own[lines], np.float32(each), out=room)
        return totals

    def proposals(self, users: Rows) -> Ints:
        """See `Blend`."""
        return np.zeros(len(users), np.int64)

    def alone(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return self.totals(scored)

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """See `Blend`."""
        parts = scored.at(columns)
        weights = np.array(self.weights, np.float32)[:, np.newaxis, np.newaxis]
        # What a user must not get has -inf, which times 0 is NaN; and no weight is no say.
        silent = np.full_like(parts, -np.inf)
        return np.multiply(weights, parts, out=silent, where=weights != 0)


@dataclass(frozen=True)
class RankFusion:
    """Reciprocal rank fusion (Cormack et al. 2009): the sum over generators of 1 / (60 + rank)."""

    candidates: int
    """Candidates of each generator."""

    def totals(self, scored: Scored) -> Scores:
        """See `Blend`."""
        found = candidates(scored, self.candidates)
        totals = np.full(scored.scores[0].shape, -np.inf, np.float32)
        parts = votes(found.ranks, opinionated(scored)[:, found.lines])
        totals[found.lines, found.columns] = fused(parts)
        return totals

    def proposals(self, users: Rows) -> Ints:
        """See `Blend`."""
        return np.full(len(users), self.candidates)

    def alone(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return np.full_like(scored.scores[0], -np.inf)

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """See `Blend`."""
        return scored.at(columns)


@dataclass(frozen=True)
class ByBand:
    """Another blend for each band of users; see `Blend`."""

    blends: Sequence[Blend]
    bands: Ints
    """(users,) the place of each user's blend."""

    def totals(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return self._each(scored, lambda blend, part: blend.totals(part))

    def proposals(self, users: Rows) -> Ints:
        """See `Blend`."""
        each = np.stack([blend.proposals(users) for blend in self.blends])
        return np.asarray(each[self.bands[users], np.arange(len(users))])

    def alone(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return self._each(scored, lambda blend, part: blend.alone(part))

    def _each(self, scored: Scored, scores: Callable[[Blend, Scored], Scores]) -> Scores:
        """(b, a) scores of each user by the own blend."""
        (blend, lines, part), *others = self._parts(scored)
        first = scores(blend, part)
        if not others:
            return first
        found = np.empty_like(scored.scores[0])
        found[lines] = first
        for blend, lines, part in others:
            found[lines] = scores(blend, part)
        return found

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """See `Blend`."""
        shares = np.empty((len(scored.scores), *columns.shape), np.float32)
        for blend, lines, part in self._parts(scored):
            shares[:, lines] = blend.shares(part, columns[lines])
        return shares

    def _parts(self, scored: Scored) -> Iterator[tuple[Blend, "Ints | slice", Scored]]:
        """Blends, and the lines that each is for; one later in order has the last word on a line.

        To score a few lines too many is quicker than to copy all others' scores.
        """
        bands = self.bands[scored.users]
        places, counts = np.unique(bands, return_counts=True)
        largest_first = np.argsort(-counts, kind="stable")
        for place, count in zip(
            places[largest_first].tolist(), counts[largest_first].tolist(), strict=True
        ):
            if count >= _NEARLY_ALL * len(bands):
                yield self.blends[place], slice(None), scored
            else:
                lines = np.flatnonzero(bands == place)
                yield self.blends[place], lines, scored.of(lines)


@dataclass(frozen=True)
class Among:
    """A blend of some of the generators; see `Blend`."""

    blend: Blend
    generators: Ints
    """(g,) ascending places of those that are heard."""

    def totals(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return self.blend.totals(scored.among(self.generators))

    def proposals(self, users: Rows) -> Ints:
        """See `Blend`."""
        return self.blend.proposals(users)

    def alone(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return self.blend.alone(scored.among(self.generators))

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """See `Blend`; the others have none."""
        shares = np.full((len(scored.scores), *columns.shape), -np.inf, np.float32)
        shares[self.generators] = self.blend.shares(scored.among(self.generators), columns)
        return shares


def votes(ranks: np.ndarray, opinionated: np.ndarray) -> Scores:
    """(generators, p) what each generator adds to the fused score of candidates, by its ranks.

    opinionated: (generators, p) whether the generator tells the user's items apart.
    """
    return np.asarray(np.where(opinionated, 1.0 / (FUSION_CONSTANT + ranks), 0.0), np.float32)


def fused(votes: Scores) -> Scores:
    """(p,) reciprocal rank fusion of (generators, p) votes, whichever generator gave which."""
    return np.asarray(votes.sum(axis=0, dtype=np.float64), np.float32)


def opinionated(scored: Scored) -> np.ndarray:
    """(generators, b) True where a generator tells a user's items apart."""
    return np.stack([deviation > 0 for _, deviation in scored.moments])
