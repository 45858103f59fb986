"""Chances of a like and of objectives, learnt from the days held back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recsys.arrays import Floats, Ints, Mask
from recsys.dataset.bands import BANDS
from recsys.dataset.training import Holdout
from recsys.generators.contract import Model, Rows, Scores
from recsys.matching.calibration import Calibrated, calibration_error
from recsys.matching.logistic import ridge
from recsys.objectives.outcomes import Outcomes
from recsys.ranking.blend import fused
from recsys.ranking.choice import folds
from recsys.ranking.features import Features
from recsys.ranking.holdout import HoldoutCandidates
from recsys.ranking.learned import DEMOTION, RERANK_DEPTH, predicted
from recsys.ranking.policy import LearntObjective, RankingPolicy
from recsys.ranking.scoring import blas_on_one_thread
from recsys.ranking.stack import bands_of_users, measured_candidates
from recsys.ranking.weighing import (
    OF_ORDER,
    Chance,
    OutcomeFeatures,
    of_likes,
    standing_features,
)
from recsys.ranking.weights import weighted_sum
from recsys.sections.objectives import LIKE, Objective

LEAST: Final = 20
"""Users to whom an outcome must have come, or the objective is left out."""
_VARIANCE: Final = 1.0
"""Of the coefficients of scaled features beforehand."""
_FLAT: Final = 1e-6
"""Least slope of a like along the order, where users tell nothing."""


@dataclass(frozen=True)
class Labelled:
    """What came of candidates."""

    yes: Mask
    """(p,)"""
    known: Mask
    """(p,) whether it can be told."""


@dataclass(frozen=True)
class Ground:
    """The first candidates of the users of the holdout by the order that stands, and outcomes."""

    candidates: HoldoutCandidates
    """So many of each user as are ranked anew."""
    standing: Scores
    """(p,) scores of the order without objectives; of rankers, by those that others taught."""
    features: Features
    """(p, f) see `OutcomeFeatures`."""
    lines: Ints
    """(p,) the user of each, ascending."""
    users: Rows
    """(u,)"""
    items: Rows
    """(p,)"""
    labels: Mapping[str, Labelled]
    """Of a like and of each objective."""
    seed: int

    @classmethod
    def of(
        cls,
        policy: RankingPolicy,
        holdout: Holdout,
        models: Mapping[str, Model],
        available: Rows,
        most: int,
        found_outcomes: Mapping[str, Outcomes],
        seed: int,
    ) -> Self:
        """The ground of a policy that was chosen on the same holdout. models: fitted before it.

        most: candidates of each generator. found_outcomes: of the holdout's days, by objective.
        """
        found, _ = measured_candidates(holdout, models, available, most)
        if policy.left_out:
            found = found.among(policy.heard)
        standing = _standing(found, policy, bands_of_users(holdout), seed)
        first = found.leaders(standing, RERANK_DEPTH)
        leading, scores = found.only(first), standing[first]
        lines = np.repeat(np.arange(len(leading)), np.diff(leading.offsets))
        items, users = available[leading.columns], holdout.users
        order, _ = standing_features(lines, leading.columns, scores)
        features = OutcomeFeatures.of(holdout.training, list(found_outcomes), users)
        everything = features.of_candidates(leading.features, items, lines, order)
        labels = {LIKE: Labelled(leading.labels, np.ones(len(lines), np.bool_))}
        for name, each in found_outcomes.items():
            labels[name] = Labelled(*each.labels(users[lines], items))
        return cls(leading, scores, everything, lines, users, items, labels, seed)

    def enough(self, name: str) -> int:
        """Users to whom an outcome came."""
        return len(np.unique(self.lines[self.labels[name].yes]))

    def of_name(self, name: str) -> Features:
        """(p, …) what the chance of an outcome looks at."""
        if name != LIKE:
            return self.features
        return self.features[:, of_likes(self.features.shape[1], len(self.labels) - 1)]

    def learnt(self, name: str, users: Ints) -> Chance:
        """The chance of an outcome as some users teach it: (v,) ascending places."""
        own = self.labels[name].known & np.isin(self.lines, users)
        yes, lines = self.labels[name].yes[own], self.lines[own]
        rising = len(OF_ORDER) if name == LIKE else 0
        return _fitted(self.of_name(name)[own], yes, lines, rising, self.seed)

    def held_out(self, name: str) -> Floats:
        """(p,) chances of an outcome, each user's as others teach it."""
        found, features = np.empty(len(self.lines)), self.of_name(name)
        for own, other in folds(len(self.users), self.seed):
            theirs = np.isin(self.lines, other)
            found[theirs] = self.learnt(name, own).of(features[theirs])
        return found


def with_objectives(
    policy: RankingPolicy, ground: Ground, objectives: Mapping[str, Objective]
) -> RankingPolicy:
    """The policy with what the holdout teaches of a like and of each objective."""
    weights = {LIKE: 1.0, **{name: each.weight for name, each in objectives.items()}}
    with blas_on_one_thread():
        learnt = {name: _learnt(ground, name, weight) for name, weight in weights.items()}
    like = learnt.pop(LIKE)
    if like.chance is None:
        reason = f"of likes {like.reason}"
        nothing = {"chance": None, "error": None, "reason": reason}
        learnt = {name: each.model_copy(update=nothing) for name, each in learnt.items()}
    return policy.model_copy(update={"like": like, "objectives": learnt})


def _learnt(ground: Ground, name: str, weight: float) -> LearntObjective:
    labelled, enough = ground.labels[name], ground.enough(name)
    facts = LearntObjective(
        weight=weight,
        outcomes=int((labelled.yes & labelled.known).sum()),
        candidates=int(labelled.known.sum()),
    )
    if enough < LEAST:
        few = f"it came to {enough} users of the holdout, and {LEAST} are needed to learn from"
        return facts.model_copy(update={"reason": few})
    held = ground.held_out(name)[labelled.known]
    error = calibration_error(held, labelled.yes[labelled.known])
    chance = ground.learnt(name, np.arange(len(ground.users)))
    return facts.model_copy(update={"chance": chance, "error": error})


def _fitted(features: Features, yes: Mask, lines: Ints, rising: int, seed: int) -> Chance:
    """A chance whose curve is of scores by regressions that other users teach.

    features: (n, f). yes, lines: (n,) what came, and whose it is. rising: so many features, the
    first ones, never speak against it.
    """
    means, sizes = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    sizes[sizes <= 0.0] = 1.0
    scaled = (features - means) / sizes
    held = np.empty(len(yes))
    users, numbers = np.unique(lines, return_inverse=True)
    for _, other in folds(len(users), seed):
        theirs = np.isin(numbers, other)
        coefficients, intercept = _regression(scaled[~theirs], yes[~theirs], rising)
        held[theirs] = scaled[theirs] @ coefficients + intercept
    curve = Calibrated.fit(held, yes, seed).calibration.as_curve()
    coefficients, intercept = _regression(scaled, yes, rising)
    plain, ends = coefficients / sizes, (features.min(axis=0), features.max(axis=0))
    return Chance(
        coefficients=tuple(plain.tolist()),
        bounds=tuple(zip(*(end.tolist() for end in ends), strict=True)),
        intercept=float(intercept - means @ plain),
        curve=curve,
    )


def _regression(scaled: Floats, yes: Mask, rising: int) -> tuple[Floats, float]:
    """(f,) coefficients and the intercept; of the first features none is below 0, and the first is
    above it if there are such."""
    design = scaled
    fitted = ridge(design, yes, _VARIANCE)
    while (against := np.flatnonzero(fitted.coef_[0, :rising] < 0.0)).size:
        design = design.copy()
        design[:, against] = 0.0
        fitted = ridge(design, yes, _VARIANCE)
    coefficients = fitted.coef_[0].astype(np.float64)
    if rising:
        coefficients[0] = max(coefficients[0], _FLAT)
    return coefficients, float(fitted.intercept_[0])


def _standing(found: HoldoutCandidates, policy: RankingPolicy, bands: Ints, seed: int) -> Scores:
    """(p,) scores of candidates by the order of each user's band.

    bands: (u,) of users. seed: of the choice, whose rankers stand in the order of its folds.
    """
    whose = np.repeat(bands, np.diff(found.offsets))
    scores = np.zeros(len(whose), np.float32)
    for place, band in enumerate(BANDS):
        order, mine = policy.orders[band], whose == place
        if not mine.any():
            continue
        if order.method == "learned":
            scores[mine] = _by_rankers(found, policy, seed)[mine]
        elif order.method == "fusion":
            scores[mine] = fused(found.votes)[mine]
        else:
            weights = np.array(order.weights)[policy.heard]
            scores[mine] = weighted_sum(found.scores, weights)[mine]
    return scores


def _by_rankers(found: HoldoutCandidates, policy: RankingPolicy, seed: int) -> Scores:
    """(p,) scores of everybody's candidates, by the ranker that the others taught."""
    scores = weighted_sum(found.scores, np.array(policy.base)[policy.heard])
    first = found.leaders(scores, RERANK_DEPTH)
    lines = np.repeat(np.arange(len(found)), np.diff(found.offsets))
    parts = folds(len(found), seed)
    for ranker, (_, other) in zip(policy.rankers, parts, strict=True):
        theirs = first & np.isin(lines, other)
        scores[theirs] += predicted([ranker], found.features[theirs])
    return np.asarray(np.where(first, scores, scores - DEMOTION), np.float32)
