"""The order of lists: for each band of users the way that stands, or one that is clearly better."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from recsys.arrays import Floats, Ints
from recsys.as_of import AsOf
from recsys.dataset.bands import BANDS, UNSEEN, bands_of
from recsys.dataset.training import Training
from recsys.evaluation.significance import ERRORS, Gain
from recsys.ranking.blend import Blend, ByBand, RankFusion, WeightedSum
from recsys.ranking.features import ItemUserFeatures
from recsys.ranking.holdout import HoldoutCandidates
from recsys.ranking.learned import DEMOTION, RERANK_DEPTH, Learned, fit_ranker, predicted
from recsys.ranking.scoring import Scorer
from recsys.sections.base import READ_PLACES
from recsys.sections.ranking import Ranking

Method = Literal["learned", "sum", "fusion", "single"]

CONFIGURED: Final = "sum"
"""The way that needs no evidence: the sum by the generators' own weights."""
KEPT: Final = "kept"
"""The sum by the weights of the earlier choice, where they are not the generators' own."""

_FOLDS: Final = 2
_MORE_FOLDS: Final = 5
_FEW: Final = 1000
"""With fewer users each fit needs most of them, and more folds cost little."""
_FACTORS: Final = (0.0, 0.5, 0.7, 1.4, 2.0)
"""What a weight is multiplied with in a step of the search."""
_ROUNDS: Final = 3
_GAIN: Final = 1e-3
"""Relative gain below which a step of the search is not taken."""


class Way(BaseModel):
    """One way to order lists."""

    model_config = ConfigDict(frozen=True)

    method: Method
    weights: tuple[float, ...]
    """Weights of the generators' standardised scores; of `single`, one 1 and else 0."""


class BandPolicy(Way):
    """Order of the lists of one band of users, and the reason."""

    way: str = CONFIGURED
    """The name in `validation` of what is used."""
    validation: Mapping[str, float]
    """NDCG@20 of each way on the holdout; empty if there was nobody."""
    users: int
    """Users it was measured on."""
    reason: str

    @property
    def measured(self) -> float | None:
        """NDCG@20 of the way that is used; None where there was nobody to measure on."""
        return self.validation.get(self.way)


class Standing(BaseModel):
    """An earlier choice, whose ways stay unless others are better beyond chance."""

    model_config = ConfigDict(frozen=True)

    as_of: AsOf
    generators: tuple[str, ...]
    ways: Mapping[str, Way]
    """By band of users."""


class RankingPolicy(BaseModel):
    """Order of a run's lists by band, and the reasons."""

    model_config = ConfigDict(frozen=True)

    generators: tuple[str, ...]
    orders: Mapping[str, BandPolicy]
    """By band of users."""
    base: tuple[float, ...]
    """Weights of the sum that the rankers start from, of deviation 1 over the candidates: where it
    is far wider, LambdaRank's second derivatives vanish and its steps explode."""
    rankers: tuple[str, ...] = ()
    """Fitted rankers as text."""
    standing: Standing | None = None
    """The earlier choice that this one was made against; None where there was none."""

    def stands(self, as_of: AsOf) -> Standing:
        """This choice as a later one has to beat it. as_of: the date that it was made for."""
        ways = {
            band: Way(method=order.method, weights=order.weights)
            for band, order in self.orders.items()
        }
        return Standing(as_of=as_of, generators=self.generators, ways=ways)

    @classmethod
    def only(cls, generator: str) -> Self:
        """The policy of a single generator, where there is nothing to choose."""
        order = BandPolicy(
            method="sum",
            weights=(1.0,),
            validation={},
            users=0,
            reason=f"{generator} is the only one",
        )
        orders = dict.fromkeys(BANDS, order)
        return cls(generators=(generator,), orders=orders, base=(1.0,))

    def blend(self, scorer: Scorer, training: Training, most: int) -> Blend:
        """The blend itself.

        training: what is known of users and items. most: candidates of each generator.
        """
        ways: dict[Method, Blend] = {"fusion": RankFusion(most)}
        if self.rankers:
            facts = ItemUserFeatures.of(training)
            ways["learned"] = Learned(self.rankers, self.base, most, scorer, facts)
        bands = bands_of(np.diff(training.history.indptr))
        orders = [self.orders[name] for name in BANDS]
        blends = [ways.get(order.method, WeightedSum(order.weights)) for order in orders]
        one = len({(order.method, order.weights) for order in orders}) == 1
        return blends[0] if one else ByBand(blends, bands)

    @property
    def measured(self) -> float | None:
        """NDCG@20 of what orders the lists, over all users it was measured on."""
        known = [(o.measured, o.users) for o in self.orders.values() if o.measured is not None]
        users = sum(count for _, count in known)
        return sum(figure * count for figure, count in known) / users if users else None

    @property
    def methods(self) -> Mapping[str, str]:
        """Method of each band."""
        return {band: order.method for band, order in self.orders.items()}

    def summary(self) -> str:
        """One line a band."""
        return "\n".join(f"{band}: {order.reason}" for band, order in self.orders.items())


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
    not fitted to.
    """
    start = np.asarray(weights, np.float64)
    plain, ways, rankers = _ways_of_all(found, start, generators, config, seed)
    orders = {}
    for place, band in enumerate(BANDS):
        users = np.flatnonzero(bands == place)
        own = {name: way.of(users) for name, way in ways.items()}
        if band == UNSEEN:
            # Nothing tells its users apart: a ranker would learn by heart which items were liked
            # in the holdout, and be measured on the same items.
            own.pop("learned", None)
        part = found.of(users) if len(users) else None
        if part is not None and len(users) >= config.least_users:
            tuned = _Measured("sum", _tuned(part, start), _crossed(part, start, seed))
            own["tuned for the band"] = tuned
        earlier = standing.ways.get(band) if standing else None
        orders[band] = _order(part, own, earlier, config)
    used = any(order.method == "learned" for order in orders.values())
    return RankingPolicy(
        generators=tuple(generators),
        orders=orders,
        base=tuple(plain.tolist()),
        rankers=tuple(rankers) if used else (),
        standing=standing,
    )


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
    found: HoldoutCandidates, start: Floats, generators: Sequence[str], config: Ranking, seed: int
) -> tuple[Floats, dict[str, _Measured], list[str]]:
    """Weights that rankers start from, every way measured on all users, and the fitted rankers.

    Rankers take longest, and are fitted only where the method may be theirs.
    """
    alone = np.eye(len(start))
    ways = {
        CONFIGURED: _Measured("sum", start, found.ndcg(_summed(found, start))),
        "fusion": _Measured("fusion", start, found.ndcg(found.fused)),
    }
    for place, name in enumerate(generators):
        ways[name] = _Measured("single", alone[place], found.ndcg(found.scores[:, place]))
    if len(found) < config.least_users or not found.labels.any():
        return start, ways, []
    ways["tuned"] = _Measured("sum", _tuned(found, start), _crossed(found, start, seed))
    plain = start / max(float(_summed(found, start).std()), 1e-9)
    if config.method not in ("best", "learned"):
        return plain, ways, []
    rankers, values = _ranked(found, plain, seed)
    ways["learned"] = _Measured("learned", start, values)
    return plain, ways, rankers


def _order(
    part: HoldoutCandidates | None, ways: dict[str, _Measured], earlier: Way | None, config: Ranking
) -> BandPolicy:
    """Choose the order of one band. part: its users' candidates; None where there are none."""
    incumbent = _incumbent(part, ways, earlier)
    users = 0 if part is None else len(part)
    allowed = _allowed(ways, config.method)
    if incumbent not in allowed:
        incumbent = CONFIGURED if CONFIGURED in allowed else next(iter(allowed))
    if not users:
        name, reason = incumbent, f"{incumbent} stays: nobody to measure on"
        figures: dict[str, float] = {}
    else:
        figures = {name: float(way.values.mean()) for name, way in ways.items()}
        enough = users >= config.least_users
        name, why = decide({n: ways[n].values for n in allowed}, incumbent, enough=enough)
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
    )


def _incumbent(
    part: HoldoutCandidates | None, ways: dict[str, _Measured], earlier: Way | None
) -> str:
    """The name of the way that stands; one that is not measured yet is added to the ways.

    Rankers stand only where new ones could be fitted: the old ones' trees are of other nights.
    """
    if earlier is None:
        return CONFIGURED
    weights = np.asarray(earlier.weights)
    for name, way in ways.items():
        same = way.method == earlier.method and np.array_equal(way.weights, weights)
        if same or (earlier.method in ("learned", "fusion") and way.method == earlier.method):
            return name
    if earlier.method != "sum":
        return CONFIGURED
    values = np.empty(0) if part is None else part.ndcg(_summed(part, weights))
    ways[KEPT] = _Measured("sum", weights, values)
    return KEPT


def _allowed(ways: Mapping[str, _Measured], wanted: str) -> list[str]:
    """The ways that the configured method leaves; the sums where it cannot be had."""
    if wanted == "best":
        return list(ways)
    of_method = [name for name, way in ways.items() if way.method == wanted]
    return of_method or [name for name, way in ways.items() if way.method == "sum"]


def decide(measured: Mapping[str, Floats], incumbent: str, *, enough: bool) -> tuple[str, str]:
    """The way to use, and why: what stands, unless another one is better beyond chance.

    measured: (u,) a metric of the same users by way. enough: whether the users are enough to depart
    from what stands. Rankers cost more than the other ways, so they also have to gain more than one
    standard error over the next one (Breiman et al. 1984, section 3.4.3).
    """
    if len(measured) == 1:
        return incumbent, f"{incumbent} is configured"
    if not enough:
        return incumbent, f"{incumbent} stays: too few users to learn from"
    gains = {n: Gain.of(v, measured[incumbent]) for n, v in measured.items() if n != incumbent}
    better = sorted(
        (name for name, gain in gains.items() if gain.beyond()),
        key=lambda name: (-gains[name].mean, name),
    )
    if not better:
        first = min(gains, key=lambda name: (-gains[name].mean, name))
        gained = f"{first} gains {gains[first]}, not {ERRORS:g} of them"
        return incumbent, f"{incumbent} stays: {gained}"
    best, *rest = better
    note = ""
    if best == "learned" and rest:
        over = Gain.of(measured[best], measured[rest[0]])
        if not over.beyond(1.0):
            best, note = rest[0], f", learned being better within the error: {over}"
    return best, f"{best} gains {gains[best]} over {incumbent}{note}"


def _folds(users: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Places of users to learn from and of the others, each of whom is measured on once."""
    order = np.random.default_rng(seed).permutation(users)
    folds = _MORE_FOLDS if users < _FEW else _FOLDS
    for fold in range(folds):
        out = np.zeros(users, dtype=bool)
        out[order[fold::folds]] = True
        yield np.flatnonzero(~out), np.flatnonzero(out)


def _summed(found: HoldoutCandidates, weights: Floats) -> npt.NDArray[np.float32]:
    return np.asarray(found.scores @ weights.astype(np.float32))


def _tuned(found: HoldoutCandidates, weights: Floats) -> Floats:
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


def _crossed(found: HoldoutCandidates, weights: Floats, seed: int) -> Floats:
    """(u,) NDCG of each fold by the weights that the others taught."""
    values = np.zeros(len(found))
    for own, other in _folds(len(found), seed):
        part = found.of(other)
        values[other] = part.ndcg(_summed(part, _tuned(found.of(own), weights)))
    return values


def _ranked(found: HoldoutCandidates, base: Floats, seed: int) -> tuple[list[str], Floats]:
    """The rankers of all folds, and each fold's NDCG by the ranker that the others taught."""
    rankers, values = [], np.zeros(len(found))
    for own, other in _folds(len(found), seed):
        part, rest = found.of(own), found.of(other)
        part = part.only(part.leaders(_summed(part, base), RERANK_DEPTH))
        groups = np.diff(part.offsets)
        ranker = fit_ranker(part.features, part.labels, groups, _summed(part, base), seed)
        rankers.append(ranker)
        scores = _summed(rest, base)
        first = rest.leaders(scores, RERANK_DEPTH)
        scores[first] += predicted([ranker], rest.features[first])
        scores[~first] -= DEMOTION
        values[other] = rest.ndcg(scores)
    return rankers, values
