"""Which blend a run publishes: the one that did best on interactions that were held back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Self, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from recsys.config import Ranking
from recsys.interactions.training import Ints, ItemLists
from recsys.ranking.blend import Blend, RankFusion, WeightedSum, fusion, opinionated
from recsys.ranking.candidates import candidates
from recsys.ranking.features import Facts, Features
from recsys.ranking.learned import Learned, fit_ranker, predicted
from recsys.ranking.scoring import Floats, Mask, Scorer

Method = Literal["learned", "sum", "fusion", "single"]

PLACES: Final = 20
_FOLDS: Final = 2
_FACTORS: Final = (0.0, 0.5, 0.7, 1.4, 2.0)
"""What a weight is multiplied with in a step of the search."""
_ROUNDS: Final = 3
_GAIN: Final = 1e-3
"""Relative gain below which a step of the search is not taken."""


class Choice(BaseModel):
    """How the lists of a run are ordered, and why."""

    model_config = ConfigDict(frozen=True)

    generators: tuple[str, ...]
    method: Method
    weights: tuple[float, ...]
    """Weights of the generators' standardised scores; of `single`, one 1 and else 0."""
    rankers: tuple[str, ...] = ()
    """Fitted rankers as text."""
    validation: Mapping[str, float]
    """NDCG@20 of each method and generator on what was held back."""
    users: int
    """Users it was measured on."""
    reason: str

    @property
    def measured(self) -> float | None:
        """NDCG@20 of what was chosen; None where there was nobody to measure on."""
        single = self.generators[self.weights.index(1.0)] if self.method == "single" else ""
        return self.validation[single or self.method] if self.users else None

    def blend(self, scorer: Scorer, facts: Facts, most: int) -> Blend:
        """The blend itself. most: candidates of each generator."""
        if self.method == "learned":
            return Learned(self.rankers, most, scorer, facts)
        return RankFusion(most) if self.method == "fusion" else WeightedSum(self.weights)


@dataclass(frozen=True)
class Examples:
    """Candidates of some users, and which of them the users turned to afterwards."""

    offsets: Ints
    """(u + 1,) where each user's candidates begin and end."""
    columns: Ints
    """(p,) places among the available items."""
    scores: npt.NDArray[np.float32]
    """(p, generators) standardised scores."""
    fused: npt.NDArray[np.float32]
    """(p,) reciprocal rank fusion."""
    features: Features
    """(p, f)"""
    labels: Mask
    """(p,) whether the user turned to the item."""
    relevant: Ints
    """(u,) items the user turned to, candidates or not."""

    def of(self, users: Ints) -> Self:
        """The examples of some users: places (v,) in ascending order."""
        offsets, rows = _ranges(self.offsets[users], np.diff(self.offsets)[users])
        return type(self)(
            offsets,
            self.columns[rows],
            self.scores[rows],
            self.fused[rows],
            self.features[rows],
            self.labels[rows],
            self.relevant[users],
        )

    def ndcg(self, scores: npt.NDArray[np.floating]) -> Floats:
        """(u,) NDCG@20 of the candidates in order of (p,) scores, lower columns first if equal."""
        hits, bounds, rivals = self._rivals
        mine = np.repeat(hits, np.diff(bounds))
        equal = scores[rivals] == scores[mine]
        ahead = (scores[rivals] > scores[mine]) | (
            equal & (self.columns[rivals] < self.columns[mine])
        )
        before = np.concatenate([[0], np.cumsum(ahead)])
        ranks = 1 + before[bounds[1:]] - before[bounds[:-1]]
        gained = np.where(ranks <= PLACES, 1.0 / np.log2(1.0 + ranks), 0.0)
        lines = np.searchsorted(self.offsets, hits, side="right") - 1
        gains = np.bincount(lines, gained, len(self.relevant))
        ideal = np.cumsum(1.0 / np.log2(1.0 + np.arange(1, PLACES + 1)))
        return np.asarray(gains / ideal[np.minimum(self.relevant, PLACES) - 1])

    @cached_property
    def _rivals(self) -> tuple[Ints, Ints, Ints]:
        """The hits (h,), and for each all candidates of its user: bounds (h + 1,) and rows."""
        hits = np.flatnonzero(self.labels)
        lines = np.searchsorted(self.offsets, hits, side="right") - 1
        return hits, *_ranges(self.offsets[lines], np.diff(self.offsets)[lines])


def examples(
    scorer: Scorer, facts: Facts, users: Ints, excluded: ItemLists, relevant: ItemLists, most: int
) -> Examples:
    """Candidates of users for whom the later is known.

    users: (u,) ascending rows. excluded, relevant: of the same users; relevant items are item rows.
    most: candidates of each generator.
    """
    wanted = _keys(relevant, scorer)
    parts, counts = [], []
    start = 0
    for scored in scorer.blocks(users, excluded):
        found = candidates(scored, most)
        features = facts.of_candidates(scorer, scored, found)
        keys = (found.lines + start) * len(scorer.available) + found.columns
        voices = opinionated(scored)[:, found.lines]
        parts.append(
            (
                found.columns,
                np.stack([s[found.lines, found.columns] for s in scored.scores], axis=1),
                fusion(found.ranks, voices),
                features,
                np.isin(keys, wanted),
            )
        )
        counts.append(np.bincount(found.lines, minlength=len(scored.users)))
        start += len(scored.users)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    columns, scores, fused, features, labels = map(np.concatenate, zip(*parts, strict=True))
    return Examples(offsets, columns, scores, fused, features, labels, np.diff(relevant[0]))


def choose(
    found: Examples, generators: Sequence[str], weights: Sequence[float], config: Ranking, seed: int
) -> Choice:
    """Measures every method on what was held back, and takes the best one.

    weights: of the generators where nothing is learnt, and where the search for better ones starts.
    A ranker or weights are always measured on users that they were not fitted to: users are cut
    in two, and what one half teaches is measured on the other. With fewer users than
    `least_users` nothing is learnt.
    """
    users = len(found.relevant)
    learning = users >= config.least_users
    halves = _halves(users, seed)
    measured = {name: found.ndcg(found.scores[:, i]) for i, name in enumerate(generators)}
    measured["fusion"] = found.ndcg(found.fused)
    best, rankers = np.asarray(weights, np.float64), list[str]()
    if learning:
        measured["sum"] = _crossed(found, halves, best)
        best = _tuned(found, best)
        rankers, measured["learned"] = _ranked(found, halves, seed)
    else:
        measured["sum"] = found.ndcg(_summed(found, best))
    figures = {name: float(values.mean()) if users else 0.0 for name, values in measured.items()}
    name, reason = _best(figures, config.method, users, learning=learning)
    single = name in generators
    return Choice(
        generators=tuple(generators),
        method="single" if single else cast("Method", name),
        weights=tuple(float(g == name) for g in generators) if single else tuple(best.tolist()),
        rankers=tuple(rankers) if name == "learned" else (),
        validation=figures,
        users=users,
        reason=reason,
    )


def _best(
    figures: Mapping[str, float], wanted: str, users: int, *, learning: bool
) -> tuple[str, str]:
    """The method to publish, and why; of equal ones the sum."""
    order = sorted(figures, key=lambda name: (-figures[name], name != "sum", name))
    shown = ", ".join(f"{name} {figures[name]:.4f}" for name in order)
    held = f"NDCG@{PLACES} of {users} users on what was held back: {shown}"
    if not users:
        return "sum", "nothing was held back to measure on, so the configured weights count"
    if wanted != "best" and wanted in figures:
        return wanted, f"configured; {held}"
    taught = "" if learning else "; too few users to learn from"
    return order[0], f"{order[0]} is best; {held}{taught}"


def _ranges(starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """Bounds (n + 1,) and the numbers of n ranges, one after the other."""
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return bounds, np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], lengths)


def _keys(relevant: ItemLists, scorer: Scorer) -> Ints:
    offsets, rows = relevant
    lines = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    columns = scorer.columns[rows]
    return np.asarray((lines * len(scorer.available) + columns)[columns >= 0])


def _halves(users: int, seed: int) -> list[Ints]:
    order = np.random.default_rng(seed).permutation(users)
    return [np.sort(order[fold::_FOLDS]) for fold in range(_FOLDS)]


def _summed(found: Examples, weights: Floats) -> npt.NDArray[np.float32]:
    return np.asarray(found.scores @ weights.astype(np.float32))


def _tuned(found: Examples, weights: Floats) -> Floats:
    """Weights by coordinate search from the given ones: a step is taken where NDCG gains by it."""
    best, figure = weights, found.ndcg(_summed(found, weights)).mean()
    for _ in range(_ROUNDS):
        before = figure
        for place in range(len(best)):
            for factor in _FACTORS:
                tried = best.copy()
                tried[place] *= factor
                value = found.ndcg(_summed(found, tried)).mean()
                if value > figure * (1.0 + _GAIN) and tried.any():
                    best, figure = tried, value
        if figure <= before * (1.0 + _GAIN):
            break
    return best


def _crossed(found: Examples, halves: list[Ints], weights: Floats) -> Floats:
    """(u,) NDCG of each half by the weights that the other half taught."""
    values = np.zeros(len(found.relevant))
    for own, other in (halves, halves[::-1]):
        part = found.of(other)
        values[other] = part.ndcg(_summed(part, _tuned(found.of(own), weights)))
    return values


def _ranked(found: Examples, halves: list[Ints], seed: int) -> tuple[list[str], Floats]:
    """A ranker of each half of the users, and each half's NDCG by the other one's ranker."""
    rankers, values = [], np.zeros(len(found.relevant))
    for own, other in (halves, halves[::-1]):
        part = found.of(own)
        rankers.append(fit_ranker(part.features, part.labels, np.diff(part.offsets), seed))
        rest = found.of(other)
        values[other] = rest.ndcg(predicted(rankers[-1:], rest.features))
    return rankers, values
