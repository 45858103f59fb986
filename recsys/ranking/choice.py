"""How lists are ordered: for each band of users the way that did best on what was held back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, Self, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from recsys.config import Ranking
from recsys.interactions.training import Ints, Training
from recsys.ranking.bands import BANDS, UNSEEN, bands_of
from recsys.ranking.blend import Blend, ByBand, RankFusion, WeightedSum
from recsys.ranking.examples import PLACES, Examples
from recsys.ranking.features import Facts
from recsys.ranking.learned import BEHIND, LEARNED, Learned, fit_ranker, predicted
from recsys.ranking.scoring import Floats, Scorer

Method = Literal["learned", "sum", "fusion", "single"]

_FOLDS: Final = 2
_MORE_FOLDS: Final = 5
_FEW: Final = 1000
"""With fewer users each fit needs most of them, and more folds cost little."""
_FACTORS: Final = (0.0, 0.5, 0.7, 1.4, 2.0)
"""What a weight is multiplied with in a step of the search."""
_ROUNDS: Final = 3
_GAIN: Final = 1e-3
"""Relative gain below which a step of the search is not taken."""


class Order(BaseModel):
    """How the lists of one band of users are ordered, and why."""

    model_config = ConfigDict(frozen=True)

    method: Method
    weights: tuple[float, ...]
    """Weights of the generators' standardised scores; of `single`, one 1 and else 0."""
    validation: Mapping[str, float]
    """NDCG@20 of each method and generator on what was held back; empty if there was nobody."""
    users: int
    """Users it was measured on."""
    reason: str

    @property
    def measured(self) -> float | None:
        """NDCG@20 of the method; None where there was nobody to measure on."""
        if self.method != "single":
            return self.validation.get(self.method)
        return max(self.validation.values(), default=None)


class Choice(BaseModel):
    """How the lists of a run are ordered, and why."""

    model_config = ConfigDict(frozen=True)

    generators: tuple[str, ...]
    orders: Mapping[str, Order]
    """By band of users."""
    base: tuple[float, ...]
    """Weights of the sum that the rankers start from, of deviation 1 over the candidates: where it
    is far wider, LambdaRank's second derivatives vanish and its steps explode."""
    rankers: tuple[str, ...] = ()
    """Fitted rankers as text."""

    @classmethod
    def only(cls, generator: str) -> Self:
        """Of one generator there is nothing to choose."""
        order = Order(
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
            facts = Facts.of(training)
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
        """How the lists of each band are ordered."""
        return {band: order.method for band, order in self.orders.items()}

    def summary(self) -> str:
        """One line a band."""
        return "\n".join(f"{band}: {order.reason}" for band, order in self.orders.items())


def choose(
    found: Examples,
    bands: Ints,
    generators: Sequence[str],
    weights: Sequence[float],
    config: Ranking,
    seed: int,
) -> Choice:
    """Measures every method on what was held back, and takes the best one for each band.

    bands: (u,) the band of each user of the examples.
    weights: of the generators where nothing is learnt, and where the search for better ones starts.
    A ranker or weights are always measured on users that they were not fitted to. With fewer users
    than `least_users`, of all or of a band, nothing is learnt from them.
    """
    start = np.asarray(weights, np.float64)
    measured = {name: found.ndcg(found.scores[:, i]) for i, name in enumerate(generators)}
    measured["fusion"] = found.ndcg(found.fused)
    enough = len(found) >= config.least_users and bool(found.labels.any())
    base, rankers = start, list[str]()
    plain = start
    if enough:
        plain = start / max(float(_summed(found, start).std()), 1e-9)
        base, measured["sum"] = _tuned(found, start), _crossed(found, start, seed)
        rankers, measured["learned"] = _ranked(found, plain, seed)
    else:
        measured["sum"] = found.ndcg(_summed(found, start))
    orders = {
        band: _order(
            found,
            np.flatnonzero(bands == place),
            measured,
            base,
            config,
            seed,
            know_apart=band != UNSEEN,
        )
        for place, band in enumerate(BANDS)
    }
    used = any(order.method == "learned" for order in orders.values())
    return Choice(
        generators=tuple(generators),
        orders=orders,
        base=tuple(plain.tolist()),
        rankers=tuple(rankers) if used else (),
    )


def _order(
    found: Examples,
    users: Ints,
    measured: Mapping[str, Floats],
    base: Floats,
    config: Ranking,
    seed: int,
    *,
    know_apart: bool,
) -> Order:
    """How one band is ordered. users: (v,) places of its users among the examples.

    know_apart: whether features tell its users apart. Where they do not, a ranker would learn by
    heart which items were liked in the held-back days, and be measured on the same items.
    """
    if not len(users):
        reason = "nobody to measure on, so the weights count"
        return Order(method="sum", weights=base.tolist(), validation={}, users=0, reason=reason)
    weights, figures = base, {name: float(own[users].mean()) for name, own in measured.items()}
    taught = len(users) >= config.least_users
    if taught and (own := _crossed(part := found.of(users), base, seed).mean()) > figures["sum"]:
        weights, figures["sum"] = _tuned(part, base), float(own)
    if not know_apart:
        figures.pop("learned", None)
    doubtful = within_error("learned", figures, measured, users)
    name, reason = _best(figures, config.method, len(users), taught=taught, doubtful=doubtful)
    single = name not in ("learned", "sum", "fusion")
    alone = tuple(float(other == name) for other in figures)
    return Order(
        method="single" if single else cast("Method", name),
        weights=alone[: len(base)] if single else tuple(weights.tolist()),
        validation=figures,
        users=len(users),
        reason=reason,
    )


def _best(
    figures: Mapping[str, float], wanted: str, users: int, *, taught: bool, doubtful: bool
) -> tuple[str, str]:
    """The method to publish, and why; of equal ones the sum.

    doubtful: whether the rankers are best, but within the error; then they are left out.
    """
    order = sorted(figures, key=lambda name: (-figures[name], name != "sum", name))
    shown = ", ".join(f"{name} {figures[name]:.4f}" for name in order)
    held = f"NDCG@{PLACES} of {users} users on what was held back: {shown}"
    note = "" if taught else "; too few to learn weights from"
    if wanted in figures:
        return wanted, f"{wanted} is configured; {held}{note}"
    if doubtful:
        name = order[1]
        return name, f"{name} is best, learned being better within the error; {held}{note}"
    return order[0], f"{order[0]} is best; {held}{note}"


def within_error(
    name: str, figures: Mapping[str, float], measured: Mapping[str, Floats], users: Ints
) -> bool:
    """Whether a method is best by no more than one standard error of its gain over the next one.

    figures: means of `measured` over the users. The rule is Breiman's (1984, 3.4.3): what costs
    more must gain more than chance gives.
    """
    others = {other: figure for other, figure in figures.items() if other != name}
    if figures.get(name, -1.0) <= max(others.values()):
        return False
    gain = measured[name][users] - measured[max(others, key=others.__getitem__)][users]
    return bool(gain.mean() <= gain.std() / np.sqrt(len(users)))


def _folds(users: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Places of users to learn from and of the others, each of whom is measured on once."""
    order = np.random.default_rng(seed).permutation(users)
    folds = _MORE_FOLDS if users < _FEW else _FOLDS
    for fold in range(folds):
        out = np.zeros(users, dtype=bool)
        out[order[fold::folds]] = True
        yield np.flatnonzero(~out), np.flatnonzero(out)


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


def _crossed(found: Examples, weights: Floats, seed: int) -> Floats:
    """(u,) NDCG of each fold by the weights that the others taught."""
    values = np.zeros(len(found))
    for own, other in _folds(len(found), seed):
        part = found.of(other)
        values[other] = part.ndcg(_summed(part, _tuned(found.of(own), weights)))
    return values


def _ranked(found: Examples, base: Floats, seed: int) -> tuple[list[str], Floats]:
    """The rankers of all folds, and each fold's NDCG by the ranker that the others taught."""
    rankers, values = [], np.zeros(len(found))
    for own, other in _folds(len(found), seed):
        part, rest = found.of(own), found.of(other)
        part = part.only(part.leaders(_summed(part, base), LEARNED))
        groups = np.diff(part.offsets)
        ranker = fit_ranker(part.features, part.labels, groups, _summed(part, base), seed)
        rankers.append(ranker)
        scores = _summed(rest, base)
        first = rest.leaders(scores, LEARNED)
        scores[first] += predicted([ranker], rest.features[first])
        scores[~first] -= BEHIND
        values[other] = rest.ndcg(scores)
    return rankers, values
