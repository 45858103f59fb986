"""Reports on a model's lists: metrics with intervals, by band, and against other models."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from recsys.arrays import Mask
from recsys.errors import DataError
from recsys.evaluation.metrics import ACCURACY, Evaluation
from recsys.evaluation.significance import Gain, Interval, Paired, holm, mean_intervals, paired

ALL: Final = "all"
_DIGITS: Final = 6


@dataclass(frozen=True)
class Figures:
    """The metrics of some users' lists."""

    users: int
    means: Mapping[str, Interval | None]
    """Mean over users by metric; None where it is defined for nobody."""
    coverage: float | None
    """Share of the catalogue in at least one of these users' lists."""
    gini: float | None
    """Gini coefficient of the items' exposure in these lists."""
    top_share: float | None
    """Share of the exposure in these lists that the most shown 1 % of the catalogue has."""
    reach: float | None
    """Share of these users' relevant items that the model can say anything of; None if unknown."""


@dataclass(frozen=True)
class Report:
    """One model's lists on one split."""

    model: str
    split: str
    k: int
    """Places of a list that count."""
    items: int
    """Size of the catalogue."""
    seed: int
    """Of the bootstrap."""
    segments: Mapping[str, Figures]
    """All users first, then by segment."""
    new_items: Figures | None = None
    """Of the same lists against new items alone, see `of_new_items`; None where there are none."""

    def as_dict(self) -> dict[str, Any]:
        """The report ready for JSON, numbers rounded to 6 places."""
        head = {name: getattr(self, name) for name in ("model", "split", "k", "items", "seed")}
        segments = {name: _plain(f) for name, f in self.segments.items()}
        return head | {
            "segments": segments,
            "new_items": self.new_items and _plain(self.new_items),
        }


@dataclass(frozen=True)
class ModelComparison:
    """Several models on the same users."""

    metric: str
    best: str
    """The model with the highest mean; of equals the first given."""
    means: Mapping[str, float]
    """Mean over users by model, best first."""
    against_best: Mapping[str, Paired]
    """Every other model (a) against the best one (b), best first."""
    adjusted: Mapping[str, float]
    """The p values of these tests after Holm's correction for their number."""

    def as_dict(self) -> dict[str, Any]:
        """The comparison ready for JSON, numbers rounded to 6 places."""
        return {
            "metric": self.metric,
            "best": self.best,
            "means": _rounded(self.means),
            "against_best": {
                name: _rounded(asdict(test)) | {"adjusted_p": round(self.adjusted[name], _DIGITS)}
                for name, test in self.against_best.items()
            },
        }


def make_report(
    model: str,
    split: str,
    evaluation: Evaluation,
    segments: Mapping[str, Mask],
    seed: int,
    new_items: Evaluation | None = None,
) -> Report:
    """The report of one model; segments are masks (u,) of the evaluation's users.

    new_items: the same lists against new items alone, see `of_new_items`.
    """
    figures = {
        name: _figures(evaluation, chosen, seed)
        for name, chosen in ({ALL: _everybody(evaluation)} | dict(segments)).items()
    }
    of_new = None if new_items is None else _figures(new_items, _everybody(new_items), seed)
    return Report(model, split, evaluation.k, evaluation.items, seed, figures, of_new)


def compare_models(
    evaluations: Mapping[str, Evaluation], seed: int, metric: str = "ndcg"
) -> ModelComparison:
    """Ranks models by the mean of an accuracy metric and tests each against the best.

    All evaluations are of the same users in the same order, against the same relevant items.
    """
    if metric not in {m.__name__ for m in ACCURACY}:
        raise DataError(f"models are compared by an accuracy metric, not by {metric}")
    _check_same(evaluations)
    values = {name: evaluation.per_user[metric] for name, evaluation in evaluations.items()}
    means = {name: float(v.mean()) for name, v in values.items()}
    best, *others = sorted(means, key=lambda name: -means[name])
    tests = {name: paired(values[name], values[best], seed) for name in others}
    adjusted = holm([test.p_value for test in tests.values()]).tolist()
    return ModelComparison(
        metric,
        best,
        {name: means[name] for name in (best, *others)},
        tests,
        dict(zip(others, adjusted, strict=True)),
    )


def clear_best(
    evaluations: Mapping[str, Evaluation], chosen: Mask | None = None, metric: str = "ndcg"
) -> str | None:
    """The model that is ahead of every other by more than `ERRORS` standard errors, if one is.

    chosen: (u,) mask of the users to compare on, all by default. There is no correction for the
    number of models: the best has to pass all of the tests, not one of them (Berger 1982).
    """
    _check_same(evaluations)
    values = {
        name: evaluation.per_user[metric][_everybody(evaluation) if chosen is None else chosen]
        for name, evaluation in evaluations.items()
    }
    best = max(values, key=lambda name: values[name].sum())
    others = [Gain.of(values[best], values[name]) for name in values if name != best]
    return best if others and all(gain.beyond() for gain in others) else None


def _everybody(evaluation: Evaluation) -> Mask:
    return np.ones(len(evaluation.ranked), bool)


def _figures(evaluation: Evaluation, chosen: Mask, seed: int) -> Figures:
    values = {name: figures[chosen] for name, figures in evaluation.per_user.items()}
    means = mean_intervals(values, seed)
    return Figures(int(chosen.sum()), means, **evaluation.over_lists(chosen))


def _check_same(evaluations: Mapping[str, Evaluation]) -> None:
    if not evaluations:
        raise DataError("no model to compare")
    name, first = next(iter(evaluations.items()))
    for other, evaluation in evaluations.items():
        same = all(map(np.array_equal, evaluation.relevant, first.relevant))
        if not same or evaluation.k != first.k:
            raise DataError(f"{name} and {other} differ in users, relevant items or k")


def _plain(figures: Figures) -> dict[str, Any]:
    rest = {name: getattr(figures, name) for name in ("coverage", "gini", "top_share", "reach")}
    means = {name: i and asdict(i) for name, i in figures.means.items()}
    return {"users": figures.users} | _rounded(means | rest)


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every float at any depth rounded."""
    return {
        name: _rounded(value)
        if isinstance(value, Mapping)
        else round(value, _DIGITS)
        if isinstance(value, float)
        else value
        for name, value in values.items()
    }
