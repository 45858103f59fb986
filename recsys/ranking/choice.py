"""The choice of how each band's lists are ordered: what stands, or what is clearly better."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from recsys.arrays import Floats, Ints, Mask
from recsys.dataset.bands import BANDS, UNSEEN
from recsys.evaluation.significance import ERRORS, Gain, standard_error
from recsys.ranking.blend import fused
from recsys.ranking.holdout import HoldoutCandidates
from recsys.ranking.learned import RERANK_DEPTH, fit_ranker, predicted
from recsys.ranking.opinions import without_opinion
from recsys.ranking.policy import CONFIGURED, BandPolicy, Method, RankingPolicy, Standing, Way
from recsys.ranking.weights import WeightedSums, learn_weights, weighted_sum
from recsys.sections.base import READ_PLACES
from recsys.sections.ranking import Ranking

LEARNED: Final = "learned"
KEPT: Final = "kept"
"""The sum by the weights of the earlier choice, where they are not the generators' own."""

_FOLDS: Final = 2
_MORE_FOLDS: Final = 5
_FEW: Final = 1000
"""With fewer users each fit needs most of them, and more folds cost little."""
_NEARLY_ALL: Final = 0.9
"""Share of the users from which on a band has no weights of its own: they are everybody's."""


def choose(
    found: HoldoutCandidates,
    bands: Ints,
    generators: Sequence[str],
    weights: Sequence[float],
    config: Ranking,
    seed: int,
    standing: Standing | None = None,
) -> RankingPolicy:
    """Measures every way on the holdout, and decides for each band which one is used.

    bands: (u,) the band of each user of the examples.
    weights: of the generators where nothing is learnt, and where the search for better ones starts.
    standing: the earlier choice, of the same generators; None if the configured weights stand.
    What stands gives way to what is better by more than `ERRORS` standard errors, on at least
    `least_users` users of the band. A ranker or weights are always measured on users that they were
    not fitted to. Generators without an opinion of their own are left out of all of them, unless
    there are too few users to tell.
    """
    left_out = without_opinion(found, generators) if len(found) >= config.least_users else {}
    heard = _Heard(np.array([name not in left_out for name in generators]))
    if left_out:
        found = found.among(np.flatnonzero(heard.mask))
    start = heard.of(weights)
    names = [name for name in generators if name not in left_out]
    sums = WeightedSums.of(found)
    plain, ways, rankers, later = _ways_of_all(found, sums, start, names, config, seed)
    orders = {}
    for place, band in enumerate(BANDS):
        users = np.flatnonzero(bands == place)
        own = {name: way.of(users) for name, way in ways.items()}
        if band == UNSEEN:
            # Nothing tells its users apart: a ranker would learn by heart which items were liked
            # in the holdout, and be measured on the same items.
            own.pop(LEARNED, None)
        part = sums.part(users)
        if config.least_users <= len(users) < _NEARLY_ALL * len(found):
            own["tuned for the band"] = _tuned(part, start, seed)
        earlier = standing.ways.get(band) if standing else None
        ahead = None if later is None else partial(later.values, users=users)
        order = _order(part, own, heard.way(earlier), config, ahead)
        orders[band] = order.model_copy(update={"weights": heard.among_all(order.weights)})
    used = any(order.method == LEARNED for order in orders.values())
    return RankingPolicy(
        generators=tuple(generators),
        orders=orders,
        base=heard.among_all(plain.tolist()),
        rankers=tuple(rankers) if used else (),
        left_out=left_out,
        standing=standing,
    )


@dataclass(frozen=True)
class _Heard:
    """The generators that are not left out."""

    mask: Mask
    """(generators,)"""

    def of(self, weights: Sequence[float]) -> Floats:
        """(heard,) their weights."""
        return np.asarray(weights, np.float64)[self.mask]

    def way(self, earlier: Way | None) -> Way | None:
        """An earlier way as it is without the others; None where they alone had a say."""
        if earlier is None or not (weights := self.of(earlier.weights)).any():
            return None
        return earlier.model_copy(update={"weights": tuple(weights.tolist())})

    def among_all(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Weights of all generators, 0 for the others."""
        spread = np.zeros(len(self.mask))
        spread[self.mask] = weights
        return tuple(spread.tolist())


@dataclass(frozen=True)
class _Measured:
    """A way, and NDCG@20 of each user by it."""

    method: Method
    weights: Floats
    """(generators,)"""
    values: Floats
    """(u,)"""

    def of(self, users: Ints) -> "_Measured":
        return _Measured(self.method, self.weights, self.values[users])


def _ways_of_all(
    found: HoldoutCandidates,
    sums: WeightedSums,
    start: Floats,
    generators: Sequence[str],
    config: Ranking,
    seed: int,
) -> tuple[Floats, dict[str, _Measured], list[str], "_LaterHalf | None"]:
    """Weights that rankers start from, every way measured on all users, the fitted rankers, and
    where they are compared with other ways.

    Rankers take longest, and are fitted only where the method may be theirs.
    """
    alone = np.eye(len(start))
    ways = {
        CONFIGURED: _Measured("sum", start, sums.ndcg(start)),
        "fusion": _Measured("fusion", start, found.ndcg(fused(found.votes))),
    }
    for place, name in enumerate(generators):
        ways[name] = _Measured("single", alone[place], found.ndcg(found.scores[place]))
    if len(found) < config.least_users or not found.labels.any():
        return start, ways, [], None
    plain = start / max(float(weighted_sum(found.scores, start).std()), 1e-9)
    with ThreadPoolExecutor() as threads:
        tuned = threads.submit(_tuned, sums, start, seed)
        if config.method not in ("best", LEARNED):
            ways["tuned"] = tuned.result()
            return plain, ways, [], None
        rankers, values, later = _rankers(found, plain, seed, threads)
        ways["tuned"] = tuned.result()
    ways[LEARNED] = _Measured(LEARNED, start, values)
    return plain, ways, rankers, later


def _order(
    part: WeightedSums,
    ways: dict[str, _Measured],
    earlier: Way | None,
    config: Ranking,
    later: Callable[[_Measured], Floats] | None,
) -> BandPolicy:
    """Choose the order of one band. part: of its users. later: their NDCG@20 by way where rankers
    are compared with others; None where that is what was measured."""
    incumbent = _incumbent(part, ways, earlier)
    users = len(part)
    allowed = _allowed(ways, config.method)
    if incumbent not in allowed:
        incumbent = CONFIGURED if CONFIGURED in allowed else next(iter(allowed))
    errors: dict[str, float] = {}
    if not users:
        name, reason = incumbent, f"{incumbent} stays: nobody to measure on"
        figures: dict[str, float] = {}
    else:
        figures = {name: float(way.values.mean()) for name, way in ways.items()}
        if users > 1:
            errors = {name: standard_error(way.values) for name, way in ways.items()}
        enough = users >= config.least_users
        measured = {name: ways[name].values for name in allowed}
        values = None if later is None else (lambda name: later(ways[name]))
        name, why = decide(measured, incumbent, enough=enough, later=values)
        shown = sorted(figures, key=lambda n: (-figures[n], n != incumbent, n))
        listed = ", ".join(f"{n} {figures[n]:.4f}" for n in shown)
        reason = f"{why}; NDCG@{READ_PLACES} of {users} users of the holdout: {listed}"
    way = ways[name]
    return BandPolicy(
        method=way.method,
        weights=tuple(way.weights.tolist()),
        way=name,
        validation=figures,
        users=users,
        reason=reason,
        errors=errors,
    )


def _incumbent(part: WeightedSums, ways: dict[str, _Measured], earlier: Way | None) -> str:
    """The name of the way that stands; one that is not measured yet is added to the ways.

    Rankers stand only where new ones could be fitted: the old ones' trees are of other nights.
    """
    if earlier is None:
        return CONFIGURED
    weights = np.asarray(earlier.weights)
    for name, way in ways.items():
        same = way.method == earlier.method and np.array_equal(way.weights, weights)
        if same or (earlier.method in (LEARNED, "fusion") and way.method == earlier.method):
            return name
    if earlier.method != "sum":
        return CONFIGURED
    ways[KEPT] = _Measured("sum", weights, part.ndcg(weights))
    return KEPT


def _allowed(ways: Mapping[str, _Measured], wanted: str) -> list[str]:
    """The ways that the configured method leaves; the sums where it cannot be had."""
    if wanted == "best":
        return list(ways)
    of_method = [name for name, way in ways.items() if way.method == wanted]
    return of_method or [name for name, way in ways.items() if way.method == "sum"]


def decide(
    measured: Mapping[str, Floats],
    incumbent: str,
    *,
    enough: bool,
    later: Callable[[str], Floats] | None = None,
) -> tuple[str, str]:
    """The way to use, and why: what stands, unless another one is better beyond chance.

    measured: (u,) a metric of the same users by way. enough: whether the users are enough to depart
    from what stands. later: the metric by way where rankers can be compared with others; None if
    that is what was measured.
    Rankers cost more than the other ways, so they also have to gain more than one standard error
    over the best of them (Breiman et al. 1984, section 3.4.3).
    """
    if len(measured) == 1:
        return incumbent, f"{incumbent} is configured"
    if not enough:
        return incumbent, f"{incumbent} stays: too few users to learn from"
    plain = {name: values for name, values in measured.items() if name != LEARNED}
    best, why = _best(plain, CONFIGURED if incumbent == LEARNED else incumbent)
    if LEARNED not in measured:
        return best, why
    values = later or measured.__getitem__
    if incumbent == LEARNED:
        gain = Gain.of(values(best), values(LEARNED))
        stays = f"{LEARNED} stays: {best} gains {gain}, not {ERRORS:g} of them"
        return (best, f"{best} gains {gain} over {LEARNED}") if gain.beyond() else (LEARNED, stays)
    gain, over = (Gain.of(values(LEARNED), values(name)) for name in (incumbent, best))
    if gain.beyond() and over.beyond(1.0):
        return LEARNED, f"{LEARNED} gains {gain} over {incumbent}"
    return best, f"{why}; {LEARNED} gains {over} over {best}, too little"


def _best(measured: Mapping[str, Floats], incumbent: str) -> tuple[str, str]:
    """What gains most beyond chance over what stands, and why; what stands, if nothing does."""
    gains = {n: Gain.of(v, measured[incumbent]) for n, v in measured.items() if n != incumbent}
    order = sorted(gains, key=lambda name: (-gains[name].mean, name))
    better = [name for name in order if gains[name].beyond()]
    if better:
        return better[0], f"{better[0]} gains {gains[better[0]]} over {incumbent}"
    if not order:
        return incumbent, f"{incumbent} stays"
    gained = f"{order[0]} gains {gains[order[0]]}, not {ERRORS:g} of them"
    return incumbent, f"{incumbent} stays: {gained}"


def folds(users: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Places of users to learn from and of the others, each of whom is measured on once."""
    order = np.random.default_rng(seed).permutation(users)
    count = _MORE_FOLDS if users < _FEW else _FOLDS
    for fold in range(count):
        out = np.zeros(users, dtype=bool)
        out[order[fold::count]] = True
        yield np.flatnonzero(~out), np.flatnonzero(out)


def _tuned(sums: WeightedSums, start: Floats, seed: int) -> _Measured:
    """Weights learnt from all, and the NDCG of each fold by those that the others taught."""
    values = np.zeros(len(sums))
    for own, other in folds(len(sums), seed):
        values[other] = sums.part(other).ndcg(learn_weights(sums.part(own), start))
    return _Measured("sum", learn_weights(sums, start), values)


def _rankers(
    found: HoldoutCandidates, base: Floats, seed: int, threads: Executor
) -> tuple[list[str], Floats, "_LaterHalf | None"]:
    """The rankers of all folds, each fold's NDCG by the ranker that the others taught, and the same
    on later days than those of what was taught; None where times lack."""
    leading = _leading(found, base)
    values, later = np.zeros(len(found)), _LaterHalf.of(found)

    def fold(users: tuple[Ints, Ints]) -> str:
        own, other = users
        ranker = _fitted(leading.of(own), base, seed)
        values[other] = _ndcg(leading.of(other), base, ranker)
        if later:
            later.measure(leading.of(own), other, base, seed)
        return ranker

    return list(threads.map(fold, folds(len(found), seed))), values, later


@dataclass(frozen=True)
class _LaterHalf:
    """What users turned to in the later half of the holdout, where rankers that were fitted to
    other users in the earlier half are compared with other ways.

    Within the same days a ranker knows by heart which items had their day.
    """

    users: Ints
    """(l,) ascending places of the users who turned to something in it."""
    found: HoldoutCandidates
    """Their candidates."""
    learned: Floats
    """(l,) NDCG@20 of each by such a ranker."""

    @classmethod
    def of(cls, found: HoldoutCandidates) -> "_LaterHalf | None":
        if not found.earlier.any():
            return None
        users, later = found.later_half()
        return cls(users, later, np.zeros(len(users)))

    def measure(self, own: HoldoutCandidates, other: Ints, base: Floats, seed: int) -> None:
        """Measure some users by the ranker that others teach in the earlier half."""
        ranker = _fitted(replace(own, labels=own.earlier), base, seed)
        lines = np.flatnonzero(np.isin(self.users, other))
        self.learned[lines] = _ndcg(_leading(self.found.of(lines), base), base, ranker)

    def values(self, way: _Measured, users: Ints) -> Floats:
        """NDCG@20 in this half of those of some users who are in it."""
        own = np.isin(self.users, users)
        if way.method == LEARNED:
            return self.learned[own]
        if way.method == "fusion":
            return self.found.ndcg(fused(self.found.votes))[own]
        return self.found.ndcg(weighted_sum(self.found.scores, way.weights))[own]


def _leading(found: HoldoutCandidates, base: Floats) -> HoldoutCandidates:
    """The candidates that are ranked anew; no other one is in the first 20 places."""
    return found.only(found.leaders(weighted_sum(found.scores, base), RERANK_DEPTH))


def _fitted(leading: HoldoutCandidates, base: Floats, seed: int) -> str:
    """The ranker that some users teach."""
    groups, scores = np.diff(leading.offsets), weighted_sum(leading.scores, base)
    return fit_ranker(leading.features, leading.labels, groups, scores, seed)


def _ndcg(leading: HoldoutCandidates, base: Floats, ranker: str) -> Floats:
    """(u,) NDCG@20 by a ranker."""
    corrections = predicted([ranker], leading.features)
    return leading.ndcg(weighted_sum(leading.scores, base) + corrections)
