"""Frontier of objectives: what each weight buys and costs, on the days held back.

Every user's lists are made by chances that other users taught. An item that the user did not turn
to counts as one that nothing came of, as nobody knows better.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np

from recsys.arrays import Floats, Ints
from recsys.dataset.training import Training
from recsys.evaluation.concentration import exposures, gini
from recsys.evaluation.run_metrics import ERRORS_OF_95
from recsys.evaluation.significance import Gain, standard_error
from recsys.objectives.learning import LEAST, Ground, Labelled
from recsys.ranking.candidates import places_of
from recsys.ranking.scoring import blas_on_one_thread
from recsys.sections.base import READ_PLACES
from recsys.sections.objectives import LIKE

Weights = Mapping[str, float]

MATCHES: Final = "matches"
COVERAGE: Final = "coverage"
GINI: Final = "gini"
_STEPS: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Multiples of the weight at which an objective counts as much as a like."""
_JOINT_STEPS: Final = (0.0, 0.5, 2.0)
_MOST: Final = 64
"""Combinations of several objectives that are tried."""
_GROUPS: Final = 20
"""Groups of users, each left out once for the error of what is of all lists together."""
_DIGITS: Final = 2


@dataclass(frozen=True)
class Figure:
    """A figure of lists, and its standard error; None of a single user."""

    value: float
    error: float | None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        if self.error is None:
            return None
        reach = ERRORS_OF_95 * self.error
        return self.value - reach, self.value + reach


@dataclass(frozen=True)
class Point:
    """Lists by some weights, measured."""

    weights: Weights
    by_user: Mapping[str, Floats]
    """(u,) NDCG@20 of likes, then outcomes a place of each objective, and matches among people; NaN
    where none is known."""
    of_lists: Mapping[str, Figure]
    """Coverage and Gini coefficient of exposure, of all lists together."""

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """Everything, as means over users and figures of all lists."""
        return {**{name: _mean(values) for name, values in self.by_user.items()}, **self.of_lists}


@dataclass(frozen=True)
class Frontier:
    """Points by weights, in the order tried, those as configured first."""

    points: Sequence[Point]
    wanted: Mapping[str, int]
    """1 where more of an outcome is better, -1 where less is: NDCG and the objectives, which the
    front is of."""
    front: frozenset[int]
    """Places of points that no other point is better than in one and as good in all."""
    users: int
    left_out: Mapping[str, str]
    """Objectives that could not be learnt, and why."""

    @property
    def configured(self) -> Point:
        return self.points[0]

    def better(self) -> tuple[int, Mapping[str, Gain]] | None:
        """The point that dominates the configured one and gains most likes, with what it gains in
        each figure; None where none does.

        A gain is in the figure's own unit, above 0 for the better.
        """
        others = [n for n in range(len(self.points)) if self._dominates(n, 0)]
        if not others:
            return None
        best = max(others, key=lambda n: (self.points[n].figures[LIKE].value, -n))
        return best, self.gains(best)

    def gains(self, place: int) -> Mapping[str, Gain]:
        """What a point gains over the configured one, user by user."""
        one, other = self.points[place].by_user, self.configured.by_user
        return {
            name: Gain.of(*_defined(sign * one[name], sign * other[name]))
            for name, sign in self.wanted.items()
        }

    def _dominates(self, one: int, other: int) -> bool:
        return _dominates(self.points[one], self.points[other], self.wanted)


def frontier(
    ground: Ground, configured: Weights, items: int, matches: Labelled | None = None
) -> Frontier:
    """Measures lists by the configured weights and by others around them.

    items: that may be listed. matches: candidates who are a match of the user; None where items are
    no people.
    """
    few = {name: ground.enough(name) for name in configured if ground.enough(name) < LEAST}
    left_out = {
        name: f"it came to {count} users, and {LEAST} are needed" for name, count in few.items()
    }
    heard = {name: weight for name, weight in configured.items() if name not in few}
    with blas_on_one_thread():
        chances = {name: ground.held_out(name) for name in (LIKE, *heard)}
    labels = {name: ground.labels[name] for name in heard}
    if matches is not None:
        labels[MATCHES] = matches
    lists = _Lists(ground, chances, labels, items)
    points = [lists.measured(weights) for weights in grid(heard, _equal(chances))]
    wanted = {LIKE: 1} | {name: -1 if weight < 0 else 1 for name, weight in heard.items()}
    front = frozenset(
        n
        for n, point in enumerate(points)
        if not any(_dominates(other, point, wanted) for other in points)
    )
    return Frontier(points, wanted, front, len(ground.users), left_out)


def matched(ground: Ground, now: Training) -> Labelled | None:
    """Candidates with whom the user has turned to each other; None where items are no people.

    now: what is known at the end of the holdout.
    """
    people = now.people
    if people is None:
        return None
    backs = people.items[ground.users[ground.lines]]
    others = people.persons[ground.items]
    there = (backs >= 0) & (others < now.history.shape[0])
    liked = np.zeros(len(backs), np.bool_)
    liked[there] = np.asarray(now.history[others[there], backs[there]]).ravel() > 0
    return Labelled(ground.labels[LIKE].yes & liked, np.ones(len(backs), np.bool_))


def grid(configured: Weights, equal: Weights) -> list[Weights]:
    """Weights to try, the configured ones first: each objective's by itself with the others as
    configured, then of several together.

    equal: the weight of each at which it counts as much as a like, above 0.
    """
    tried: list[Weights] = [dict(configured), dict.fromkeys(configured, 0.0)]
    for name, weight in configured.items():
        tried += [{**configured, name: each} for each in _values(weight, equal[name], _STEPS)]
    if len(configured) > 1:
        values = {
            name: (0.0, *_values(weight, equal[name], _JOINT_STEPS[1:]))
            for name, weight in configured.items()
        }
        combined = (dict(zip(values, each, strict=True)) for each in product(*values.values()))
        tried += list(_first(combined, _MOST))
    distinct = {tuple(weights.items()): weights for weights in tried}
    return list(distinct.values())


def _first(some: Iterator[Weights], most: int) -> Iterator[Weights]:
    """The first ones of many."""
    for _, each in zip(range(most), some, strict=False):
        yield each


def _values(weight: float, equal: float, steps: Sequence[float]) -> list[float]:
    """Weights of one objective: none, half and twice the configured, and multiples of where it
    counts as much as a like."""
    sign = -1.0 if weight < 0 else 1.0
    own = [weight / 2.0, weight, 2.0 * weight]
    around = [sign * _rounded(step * equal) for step in steps]
    return sorted({0.0, *own, *around}, key=abs)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _equal(chances: Mapping[str, Floats]) -> dict[str, float]:
    """The weight of each objective at which its chances differ as much as those of a like do."""
    means = {name: float(each.std()) for name, each in chances.items()}
    return {name: means[LIKE] / max(means[name], 1e-9) for name in chances if name != LIKE}


@dataclass(frozen=True)
class _Lists:
    """The first places of everybody's lists by weights."""

    ground: Ground
    chances: Mapping[str, Floats]
    labels: Mapping[str, Labelled]
    """Of what is counted by places."""
    items: int

    def measured(self, weights: Weights) -> Point:
        ground = self.ground
        scores = self._scores(weights)
        columns = ground.candidates.columns
        places = places_of(ground.lines, columns, scores.astype(np.float32))
        first = np.flatnonzero(places <= READ_PLACES)
        by_user = {LIKE: ground.candidates.ndcg(scores.astype(np.float32))}
        for name, labelled in self.labels.items():
            by_user[name] = self._came(labelled, first)
        return Point(weights, by_user, self._of_lists(first, places[first]))

    def _scores(self, weights: Weights) -> Floats:
        if not any(weights.values()):
            return self.ground.standing.astype(np.float64)
        total = self.chances[LIKE].copy()
        for name, weight in weights.items():
            total += weight * self.chances[name]
        return total

    def _came(self, labelled: Labelled, first: Ints) -> Floats:
        """(u,) outcomes a place of which the outcome is known."""
        lines = self.ground.lines[first]
        count = len(self.ground.users)
        yes = np.bincount(lines, labelled.yes[first] & labelled.known[first], count)
        known = np.bincount(lines, labelled.known[first], count)
        shares = np.divide(yes, known, out=np.full(count, np.nan), where=known > 0)
        return np.asarray(shares, np.float64)

    def _of_lists(self, first: Ints, places: Ints) -> dict[str, Figure]:
        """Figures of all lists together, with errors by leaving out a group of users at a time
        (jackknife)."""
        rows, lines = self.ground.items[first], self.ground.lines[first]
        size = int(self.ground.items.max(initial=0)) + 1
        shown = [
            exposures(rows[mine], places[mine], size)
            for mine in (lines % _GROUPS == group for group in range(_GROUPS))
        ]
        whole = np.sum(shown, axis=0)
        parts = [whole - part for part in shown if part.any()]
        return {
            COVERAGE: _jackknife(self._coverage(whole), [self._coverage(p) for p in parts]),
            GINI: _jackknife(self._gini(whole), [self._gini(p) for p in parts]),
        }

    def _coverage(self, exposure: Floats) -> float:
        return float((exposure > 0).sum()) / max(self.items, 1)

    def _gini(self, exposure: Floats) -> float:
        return gini(exposure, self.items) or 0.0


def _jackknife(value: float, without: Sequence[float]) -> Figure:
    """A figure with its error by the same of all groups but one each (Efron and Stein 1981)."""
    count = len(without)
    if count < 2:
        return Figure(value, None)
    spread = float(np.square(np.array(without) - np.mean(without)).sum())
    return Figure(value, float(np.sqrt((count - 1) / count * spread)))


def _mean(values: Floats) -> Figure:
    known = values[~np.isnan(values)]
    if not len(known):
        return Figure(0.0, None)
    return Figure(float(known.mean()), standard_error(known) if len(known) > 1 else None)


def _defined(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    there = ~np.isnan(one) & ~np.isnan(other)
    return one[there], other[there]


def _dominates(one: Point, other: Point, wanted: Mapping[str, int]) -> bool:
    """Whether a point is at least as good in everything, and better in something."""
    pairs = [
        (sign * one.figures[name].value, sign * other.figures[name].value)
        for name, sign in wanted.items()
    ]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
