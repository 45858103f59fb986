"""Ranking policies: how a run orders the candidates of each band of users, and why."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, computed_field

from recsys.arrays import Ints
from recsys.as_of import AsOf
from recsys.dataset.bands import BANDS, bands_of
from recsys.dataset.training import Training
from recsys.errors import ConfigError
from recsys.evaluation.run_metrics import RunMetric, measured
from recsys.ranking.blend import Among, Blend, ByBand, RankFusion, WeightedSum
from recsys.ranking.features import ItemUserFeatures
from recsys.ranking.learned import Learned
from recsys.ranking.scoring import Scorer
from recsys.ranking.weighing import Chance, OutcomeFeatures, Weighed
from recsys.sections.objectives import LIKE

Method = Literal["learned", "sum", "fusion", "single"]

CONFIGURED: Final = "sum"
"""The way that needs no evidence: the sum by the generators' own weights."""


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
    errors: Mapping[str, float] = {}
    """Standard error of each figure of `validation`; empty in a choice of an earlier version."""

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


class LearntObjective(BaseModel):
    """An objective as the holdout taught it."""

    model_config = ConfigDict(frozen=True)

    weight: float
    outcomes: int
    """Candidates that it came of."""
    candidates: int
    """Candidates of whom it is known."""
    chance: Chance | None = None
    """None where it is left out."""
    error: float | None = None
    """Expected calibration error on users that the chance was not learnt from."""
    reason: str = ""
    """Why it is left out."""

    def line(self, name: str) -> str:
        """One line for the log."""
        if self.chance is None:
            return f"objective {name} is left out: {self.reason}"
        return (
            f"objective {name}: weight {self.weight:g}, came of {self.outcomes:,} of "
            f"{self.candidates:,} candidates, expected calibration error {self.error:.4f}"
        )


class RankingPolicy(BaseModel):
    """Order of a run's lists by band, and the reasons."""

    model_config = ConfigDict(frozen=True)

    generators: tuple[str, ...]
    orders: Mapping[str, BandPolicy]
    """By band of users. A generator that is left out has the weight 0."""
    base: tuple[float, ...]
    """Weights of the sum that the rankers start from, of deviation 1 over the candidates: where it
    is far wider, LambdaRank's second derivatives vanish and its steps explode."""
    rankers: tuple[str, ...] = ()
    """Fitted rankers as text."""
    left_out: Mapping[str, str] = {}
    """Generators that have no opinion of their own, and why; they neither propose candidates nor
    have a say in any order."""
    standing: Standing | None = None
    """The earlier choice that this one was made against; None where there was none."""
    like: LearntObjective | None = None
    """The chance of a like that objectives are weighed against; None where there are none."""
    objectives: Mapping[str, LearntObjective] = {}

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

    def blend(
        self, scorer: Scorer, training: Training, most: int, users: Ints | None = None
    ) -> Blend:
        """The blend itself.

        scorer: of all generators, or of those alone that are not left out.
        training: what is known of users and items. most: candidates of each generator.
        users: (u,) rows of those who take the rows from 0 on; without, everybody has the own row.
        """
        heard = np.flatnonzero([name not in self.left_out for name in scorer.names])

        def of_heard(weights: Sequence[float]) -> tuple[float, ...]:
            return tuple(weights[place] for place in self.heard.tolist())

        ways: dict[Method, Blend] = {"fusion": RankFusion(most)}
        if self.rankers:
            facts = ItemUserFeatures.of(training)
            facts = facts if users is None else facts.of_users(users)
            ways["learned"] = Learned(self.rankers, of_heard(self.base), most, scorer, facts)
        bands = bands_of(np.diff(training.history.indptr))
        bands = bands if users is None else bands[users]
        orders = [self.orders[name] for name in BANDS]
        blends = [ways.get(each.method, WeightedSum(of_heard(each.weights))) for each in orders]
        one = len({(order.method, order.weights) for order in orders}) == 1
        blend = self._weighed(
            blends[0] if one else ByBand(blends, bands), scorer, training, most, users
        )
        return Among(blend, heard) if len(heard) < len(scorer.names) else blend

    def _weighed(
        self, blend: Blend, scorer: Scorer, training: Training, most: int, users: Ints | None
    ) -> Blend:
        """The blend with objectives, where some have a say."""
        like = None if self.like is None else self.like.chance
        heard = {
            name: (each.weight, each.chance)
            for name, each in self.objectives.items()
            if name in self.weighed and each.chance is not None
        }
        if like is None or not heard:
            return blend
        if lacking := self.objectives.keys() - training.rates.keys():
            raise ConfigError(
                f"[objectives]: the ranking was learnt with {', '.join(sorted(lacking))}, of which "
                "the configuration says nothing any more; configure it as it was then"
            )
        features = OutcomeFeatures.of(training, list(self.objectives), users)
        return Weighed(blend, like, heard, most, scorer, features)

    @property
    def heard(self) -> Ints:
        """Ascending places of the generators that are not left out."""
        return np.flatnonzero([name not in self.left_out for name in self.generators])

    @property
    def measured(self) -> float | None:
        """NDCG@20 of what orders the lists, over all users it was measured on."""
        known = [(o.measured, o.users) for o in self.orders.values() if o.measured is not None]
        users = sum(count for _, count in known)
        return sum(figure * count for figure, count in known) / users if users else None

    @property
    def _error(self) -> float | None:
        """Standard error of `measured`; None where one of a band is not known."""
        known = [o for o in self.orders.values() if o.measured is not None and o.users]
        errors = [(o.errors.get(o.way), o.users) for o in known]
        users = sum(count for _, count in errors)
        squares = [(e * n / users) ** 2 for e, n in errors if e is not None]
        return math.sqrt(sum(squares)) if errors and len(squares) == len(errors) else None

    def metrics(self) -> list[RunMetric]:
        """NDCG@20 on the holdout as rows: of what orders the lists, in all and by band, and of each
        way that was measured."""
        rows = []
        if (figure := self.measured) is not None:
            rows.append(measured("ndcg", figure, self._error))
        for band, order in self.orders.items():
            if order.measured is not None:
                rows.append(measured("ndcg", order.measured, order.errors.get(order.way), band))
            rows.append(RunMetric("holdout_users", float(order.users), band))
            rows += [
                measured("ndcg_of", value, order.errors.get(way), band, way)
                for way, value in order.validation.items()
            ]
        learnt = {**({LIKE: self.like} if self.like else {}), **self.objectives}
        for name, each in learnt.items():
            rows.append(RunMetric("objective_outcomes", float(each.outcomes), label=name))
            if each.error is not None:
                rows.append(RunMetric("objective_weight", each.weight, label=name))
                rows.append(RunMetric("objective_calibration_error", each.error, label=name))
        return rows

    @computed_field  # type: ignore[prop-decorator]
    @property
    def weighed(self) -> Mapping[str, float]:
        """Weights of the objectives that have a say."""
        found = {n: each.weight for n, each in self.objectives.items() if each.chance is not None}
        return {name: weight for name, weight in found.items() if weight}

    @property
    def methods(self) -> Mapping[str, str]:
        """See `methods_of`."""
        return methods_of(self.model_dump(include={"orders"})["orders"], self.weighed)

    def summary(self) -> str:
        """One line a band, one for each generator that is left out, and one for each objective."""
        lines = [f"{band}: {order.reason}" for band, order in self.orders.items()]
        lines += [f"{name} is left out: it {why}" for name, why in self.left_out.items()]
        lines += [each.line(name) for name, each in self.objectives.items()]
        return "\n".join(lines)


def methods_of(orders: Mapping[str, Any], weighed: Mapping[str, float]) -> Mapping[str, str]:
    """How lists are ordered, as it is compared between runs: the method of each band, and weights.

    orders, weighed: of a policy, as JSON has them.
    """
    methods = {band: str(order["method"]) for band, order in orders.items()}
    return methods | {f"weight of {name}": f"{weight:g}" for name, weight in weighed.items()}
