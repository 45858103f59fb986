"""The frontier of objectives, from what the last full night left in the lake."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from jobs.lake.facts import MadeFacts
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import RunArguments
from jobs.stores.models import (
    CHOICE,
    MODELS,
    TrainingData,
    model_partition,
    read_policy,
)
from jobs.stores.nights import recorded
from jobs.stores.tunings import with_night_tuning
from recsys.as_of import AsOf
from recsys.charts.fronts import Spot, alone, front
from recsys.config import Config
from recsys.errors import ConfigError, DataError, MissingPartitionError
from recsys.evaluation.run_metrics import ERRORS_OF_95
from recsys.evaluation.significance import Gain
from recsys.objectives.frontier import Figure, Frontier, Weights, frontier, matched
from recsys.objectives.learning import LEAST, Ground
from recsys.ranking.policy import RankingPolicy
from recsys.sections.base import READ_PLACES
from recsys.sections.objectives import LIKE


@dataclass(frozen=True)
class MeasuredFrontier:
    """The frontier as of a night."""

    as_of: AsOf
    found: Frontier
    changed: bool
    """Whether the configuration says something else than the night's, besides weights."""

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        better = self.found.better()
        return {
            "as_of": str(self.as_of),
            "users": self.found.users,
            "configuration_changed": self.changed,
            "left_out": dict(self.found.left_out),
            "points": [
                {
                    "weights": dict(point.weights),
                    "on_front": place in self.found.front,
                    "configured": place == 0,
                    "figures": {name: _plain(each) for name, each in point.figures.items()},
                    "gains": {n: _of_gain(gain) for n, gain in self.found.gains(place).items()},
                }
                for place, point in enumerate(self.found.points)
            ],
            "dominated_by": None if better is None else better[0],
        }

    def drawn(self) -> str:
        """NDCG@20 over the outcomes a place of each objective, a chart each, as SVG."""
        found, one = self.found, len(self.found.wanted) == 2
        charts = [
            front(
                self._spots(name), (f"{name}, outcomes a place", f"NDCG@{READ_PLACES}"), joined=one
            )
            for name in found.wanted
            if name != LIKE
        ]
        return alone(charts)

    def _spots(self, name: str) -> list[Spot]:
        return [
            Spot(
                in_words(point.weights),
                point.figures[name].value,
                point.figures[LIKE].value,
                ERRORS_OF_95 * (point.figures[name].error or 0.0),
                ERRORS_OF_95 * (point.figures[LIKE].error or 0.0),
                on_front=place in self.found.front,
                here=place == 0,
            )
            for place, point in enumerate(self.found.points)
        ]


def measure_frontier(arguments: RunArguments) -> MeasuredFrontier:
    """Measures what each weight buys and costs on the holdout of a full night.

    Raises ConfigError without objectives, MissingPartitionError where what the night made is not in
    the lake any more, and DataError where the holdout teaches no likes or no objective.
    """
    arguments = with_night_tuning(arguments)
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    if not config.objectives:
        raise ConfigError(
            "[objectives]: there is none, so there are no weights to measure; configure one, with "
            "the weight 0 to begin with, and run a full night"
        )
    policy, known = read_policy(lake, as_of), TrainingData(arguments)
    ground = _ground(arguments, policy, known)
    likes = ground.enough(LIKE)
    if likes < LEAST:
        raise DataError(
            f"{likes} users of the holdout as of {as_of} turned to a candidate, and {LEAST} are "
            "needed to measure on; choose a later date or raise ranking.holdout_days"
        )
    weights = {name: each.weight for name, each in config.objectives.items()}
    found = frontier(ground, weights, len(known.available), matched(ground, known.training))
    if len(found.wanted) == 1:
        told = "; ".join(f"{name}: {why}" for name, why in found.left_out.items())
        raise DataError(
            f"no objective can be learnt from the holdout as of {as_of} ({told}); choose a later "
            "date or raise ranking.holdout_days"
        )
    night = recorded(model_partition(lake, CHOICE, as_of))
    changed = _as_chosen(config, policy).lists_fingerprint() != night.fingerprint
    return MeasuredFrontier(as_of, found, changed)


def _ground(arguments: RunArguments, policy: RankingPolicy, known: TrainingData) -> Ground:
    config = arguments.config
    models = {name: known.holdout_model(name) for name in policy.generators}
    most, seed = config.ranking.candidates, config.seed
    return Ground.of(policy, known.holdout(), models, known.available, most, known.outcomes(), seed)


def full_night(lake: Lake, as_of: AsOf | None) -> AsOf:
    """The as-of of the full night that the ranking of an as-of, or of the latest, comes from."""
    made = [at for at in lake.instants(f"{MODELS}/{CHOICE}") if as_of is None or at == as_of]
    if not made:
        wanted = "of any as-of" if as_of is None else f"as of {as_of}"
        raise MissingPartitionError(
            f"the lake has no ranking policy {wanted}; run `recsys nightly --as-of DATE` first"
        )
    night = MadeFacts.of(model_partition(lake, CHOICE, made[-1])).night
    return made[-1] if night is None or night.base is None else night.base


def in_words(weights: Weights) -> str:
    """Weights as people read them."""
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items())


def _as_chosen(config: Config, policy: RankingPolicy) -> Config:
    """The configuration with the weights that a policy was chosen with."""
    then: Mapping[str, float] = {name: each.weight for name, each in policy.objectives.items()}
    objectives = {
        name: each.model_copy(update={"weight": then.get(name, each.weight)})
        for name, each in config.objectives.items()
    }
    return config.model_copy(update={"objectives": objectives})


def _of_gain(gain: Gain) -> dict[str, float | None]:
    return {"mean": gain.mean, "error": gain.error if isfinite(gain.error) else None}


def _plain(figure: Figure) -> dict[str, float | None]:
    low, high = figure.bounds or (None, None)
    return {"value": figure.value, "error": figure.error, "low": low, "high": high}
