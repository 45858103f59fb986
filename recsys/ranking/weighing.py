"""Order by several chances at once: of a like, and of whatever else is an objective."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.special import expit

from recsys.arrays import Floats, Ints, Mask
from recsys.dataset.training import Training
from recsys.generators.contract import Rows, Scores
from recsys.ranking.blend import Blend
from recsys.ranking.candidates import Candidates, candidates, places_of
from recsys.ranking.features import OF_USER, Features, ItemUserFeatures
from recsys.ranking.learned import DEMOTION, RERANK_DEPTH
from recsys.ranking.scoring import Scored, Scorer
from recsys.sections.objectives import LIKE

OF_ORDER: Final = ("log place", "score among the first")
"""Features of a candidate that rise with its place in the order that stands without objectives."""


class Curve(BaseModel):
    """A rising curve from scores to chances: of levels joined by lines, and a logistic one."""

    model_config = ConfigDict(frozen=True)

    slope: float
    intercept: float
    levels: tuple[tuple[float, float], ...] = ()
    """Score and chance of each bend."""
    share: float = 0.0
    """Share of the levels in a chance."""

    def chances(self, scores: Floats) -> Floats:
        """(n,) chances by (n,) scores."""
        smooth = expit(self.slope * scores + self.intercept)
        if not self.levels:
            return np.asarray(smooth)
        bends = np.array(self.levels)
        stepped = np.interp(scores, bends[:, 0], bends[:, 1])
        return np.asarray(self.share * stepped + (1.0 - self.share) * smooth)


class Chance(BaseModel):
    """A calibrated chance: a logistic regression on features, and a curve over what it says."""

    model_config = ConfigDict(frozen=True)

    coefficients: tuple[float, ...]
    """Of each feature."""
    bounds: tuple[tuple[float, float], ...]
    """The least and the greatest value of each that it was learnt from; what is beyond counts as
    they do, since nobody knows better."""
    intercept: float
    curve: Curve

    def of(self, features: Features) -> Floats:
        """(n,) chances by (n, f) features.

        Feature by feature, so that a chance does not depend on who else is in the chunk.
        """
        scores = np.full(len(features), self.intercept)
        pairs = zip(self.coefficients, self.bounds, strict=True)
        for place, (coefficient, bounds) in enumerate(pairs):
            if coefficient:
                scores += coefficient * np.clip(features[:, place].astype(np.float64), *bounds)
        return self.curve.chances(scores)


@dataclass(frozen=True)
class OutcomeFeatures:
    """Features of candidates for chances of outcomes."""

    facts: ItemUserFeatures
    item_rates: Features
    """(items, objectives) log odds of each outcome."""
    user_rates: Features
    """(users, objectives)"""

    @classmethod
    def of(cls, training: Training, objectives: Sequence[str], users: Ints | None = None) -> Self:
        """Features of some training data.

        objectives: in the order that chances were learnt in. users: (u,) rows of those who take the
        rows from 0 on.
        """
        facts, rates = ItemUserFeatures.of(training), [training.rates[name] for name in objectives]
        item_rates = np.stack([each.items for each in rates], axis=1)
        user_rates = np.stack([each.users for each in rates], axis=1)
        if users is not None:
            facts, user_rates = facts.of_users(users), user_rates[users]
        return cls(facts, item_rates, user_rates)

    def of_candidates(
        self, features: Features, items: Rows, users: Rows, standing: Features
    ) -> Features:
        """(p, f) the features of rankers, of the order that stands, and rates.

        features: (p, …) as `ItemUserFeatures.of_candidates` gives them. items, users: (p,) rows.
        standing: (p, 2) see `OF_ORDER`.
        """
        parts = [standing, features, self.item_rates[items], self.user_rates[users]]
        return np.concatenate(parts, axis=1).astype(np.float32)


def of_likes(width: int, objectives: int) -> Ints:
    """Columns of `OutcomeFeatures` that a chance of a like looks at.

    Besides `OF_ORDER` they tell users apart, not their items, so that likes alone leave the order
    as it stands. width: columns in all.
    """
    of_order, rated = np.arange(len(OF_ORDER)), np.arange(width - objectives, width)
    facts = np.arange(width - 2 * objectives - len(OF_USER), width - 2 * objectives)
    return np.concatenate([of_order, facts, rated])


def standing_features(lines: Ints, columns: Ints, scores: Scores) -> tuple[Features, Ints]:
    """(p, 2) see `OF_ORDER`, and (p,) the place of each candidate in the user's order, from 1.

    lines: (p,) ascending. scores: (p,) that the order goes by.
    """
    places = places_of(lines, columns, scores)
    values = scores.astype(np.float64)
    first = places <= RERANK_DEPTH
    of_first, size = lines[first], int(lines.max(initial=-1)) + 1
    counts = np.maximum(np.bincount(of_first, minlength=size), 1)
    means = np.bincount(of_first, values[first], size) / counts
    gaps = values - means[lines]
    deviations = np.sqrt(np.bincount(of_first, gaps[first] ** 2, size) / counts)
    scaled = gaps / np.maximum(deviations, 1e-9)[lines]
    both = np.stack([-np.log2(places), np.where(first, scaled, 0.0)], axis=1)
    return both.astype(np.float32), places


@dataclass(frozen=True)
class Weighed:
    """The first candidates of another blend, by the chance of a like and weighted chances of
    objectives; see `Blend`. The others keep their order."""

    blend: Blend
    like: Chance
    objectives: Mapping[str, tuple[float, Chance]]
    """Weight and chance of each."""
    candidates: int
    """Candidates of each generator."""
    scorer: Scorer
    features: OutcomeFeatures

    def totals(self, scored: Scored) -> Scores:
        """(b, a) weighted sum of the chances of first candidates; below them the other blend's
        scores, lowered."""
        totals = self.blend.totals(scored)
        found, features, first = self._found(scored, totals)
        lowered = self._lowered(totals)
        parts = self._parts(features)
        lowered[found.lines[first], found.columns[first]] = np.sum([*parts.values()], axis=0)
        return lowered

    def proposals(self, users: Rows) -> Ints:
        """See `Blend`. First are so many at most, at the top of the list."""
        return np.maximum(self.blend.proposals(users), RERANK_DEPTH)

    def alone(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return self._lowered(self.blend.alone(scored))

    def _lowered(self, totals: Scores) -> Scores:
        """The other blend's scores, below any sum of chances."""
        # That is no lower than all weights below 0 together.
        least = DEMOTION + sum(abs(weight) for weight, _ in self.objectives.values())
        return np.asarray(totals - np.float32(least))

    def parts(self, scored: Scored, column: int) -> Mapping[str, float]:
        """What each chance adds to the score of an item for the chunk's one user, that of a like
        first; empty where the item is not among the first candidates."""
        found, features, first = self._found(scored, self.blend.totals(scored))
        wanted = np.flatnonzero(found.columns[first] == column)
        if not len(wanted):
            return {}
        return {name: float(part[0]) for name, part in self._parts(features[wanted]).items()}

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """See `Blend`: generators speak as they do without objectives."""
        return self.blend.shares(scored, columns)

    def _found(self, scored: Scored, totals: Scores) -> tuple[Candidates, Features, Mask]:
        """The candidates, (f, …) features of the first ones, and (p,) which these are."""
        found = candidates(scored, self.candidates)
        # Whom the other blend leaves out stays out.
        kept = totals[found.lines, found.columns] > -np.inf
        found = found if kept.all() else found.of(kept)
        scores = totals[found.lines, found.columns]
        standing, places = standing_features(found.lines, found.columns, scores)
        first = places <= RERANK_DEPTH
        leading = found.of(first)
        features = self.features.of_candidates(
            self.features.facts.of_candidates(self.scorer, scored, leading),
            self.scorer.available[leading.columns],
            scored.users[leading.lines],
            standing[first],
        )
        return found, features, first

    def _parts(self, features: Features) -> Mapping[str, npt.NDArray[np.float32]]:
        """(n,) what each chance adds to the score."""
        own = of_likes(features.shape[1], self.features.item_rates.shape[1])
        parts = {LIKE: self.like.of(features[:, own])}
        for name, (weight, chance) in self.objectives.items():
            parts[name] = weight * chance.of(features)
        return {name: part.astype(np.float32) for name, part in parts.items()}
