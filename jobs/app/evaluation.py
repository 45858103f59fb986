"""The whole two-stage stack on a data set: fitted on one part, measured on the other."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from jobs.app.tuning import Tuned, tune, with_sections
from jobs.fitting import fit_generator
from recsys.arrays import Ints
from recsys.config import Config
from recsys.dataset.training import Training
from recsys.dataset.trial import DataSet, ranked_lists
from recsys.errors import DataError
from recsys.evaluation.metrics import Catalogue, Evaluation, evaluate_lists
from recsys.evaluation.report import ModelComparison, Report, compare_models, make_report
from recsys.evaluation.splits import Split
from recsys.generators.contract import Model
from recsys.ranking.bands import bands_of, members_of
from recsys.ranking.blend import Blend, WeightedSum
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.scoring import Scorer
from recsys.ranking.stack import choose_policy

BLEND: Final = "blend"


@dataclass
class Steps:
    """What each step took."""

    started: Callable[[str], None]
    """Hears of a step before it."""
    seconds: dict[str, float] = field(default_factory=dict)
    peak_gib: dict[str, float] = field(default_factory=dict)
    """Greatest memory of the process so far, after the step."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures what happens within it."""
        self.started(name)
        begin = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begin
        self.peak_gib[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@dataclass(frozen=True)
class Trial:
    """What came out."""

    config: Config
    """With the parameters that were found, if any were looked for."""
    choice: RankingPolicy
    reports: Mapping[str, Report]
    """By generator, and the blend."""
    comparison: ModelComparison
    evaluations: Mapping[str, Evaluation]
    tuned: Mapping[str, str]
    """What the search for better parameters came to by generator; empty without one."""
    steps: Steps

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        generators = self.config.generators.used()
        return {
            "generators": {name: section.model_dump() for name, section in generators.items()},
            "tuned": dict(self.tuned),
            "choice": self.choice.model_dump(mode="json", exclude={"rankers"}),
            "reports": {name: report.as_dict() for name, report in self.reports.items()},
            "comparison": self.comparison.as_dict(),
            "seconds": {name: round(s, 2) for name, s in self.steps.seconds.items()},
            "peak_gib": {name: round(s, 3) for name, s in self.steps.peak_gib.items()},
        }


def try_stack(
    data: DataSet,
    split: Split,
    label: str,
    config: Config,
    k: int,
    steps: Steps,
    tune_minutes: float = 0.0,
) -> Trial:
    """Chooses the blend on a part of the training pairs, fits on all of them, and measures.

    label: how the split is called in the reports. k: places of a list that count.
    tune_minutes: time to search for better parameters first, on the same part.
    """
    users = split.test.users()
    if not len(users):
        raise DataError(
            "the test part has no pair with a weight above 0 that the training part does not have; "
            "give more pairs, or split them otherwise"
        )
    held, known = data.holdout(split.train, config.seed), data.known_items(split.train)
    tuned: dict[str, str] = {}
    if tune_minutes > 0:
        with steps.step("tune"):
            found = list(tune(held, known, config, tune_minutes, steps.started))
            config, tuned = _with_tuned(config, found)
    models = fitted(held.training, config, steps, "inner ")
    with steps.step("choose"):
        weights = config.generators.weights()
        choice = choose_policy(held, models, known, config.ranking, weights, config.seed)
    training = data.training(split.train)
    models = fitted(training, config, steps, "")
    scorer = Scorer.of(models, known, data.shape[1])
    blends: dict[str, Blend] = {
        name: WeightedSum(np.eye(len(models))[place].tolist()) for place, name in enumerate(models)
    }
    blends[BLEND] = choice.blend(scorer, training, config.ranking.candidates)
    seen = split.train.item_lists(users)
    with steps.step("rank"):
        lists = ranked_lists(scorer, blends, users, seen, k)
    with steps.step("measure"):
        evaluations, reports = _measured(data, split, lists, label, config.seed, k)
        comparison = compare_models(evaluations, config.seed)
    return Trial(config, choice, reports, comparison, evaluations, tuned, steps)


def _with_tuned(config: Config, found: Sequence[Tuned]) -> tuple[Config, dict[str, str]]:
    changed = with_sections(config, {each.name: each.section for each in found})
    return changed, {each.name: each.outcome for each in found}


def fitted(training: Training, config: Config, steps: Steps, mark: str) -> dict[str, Model]:
    """The generators, each fit a step of its own; mark: what its name begins with."""
    models = {}
    for name, section in config.generators.used().items():
        with steps.step(f"{mark}fit {name}"):
            models[name] = fit_generator(name, training, section, config.seed)
    return models


def _measured(
    data: DataSet,
    split: Split,
    lists: Mapping[str, Ints],
    label: str,
    seed: int,
    k: int,
) -> tuple[dict[str, Evaluation], dict[str, Report]]:
    touched = np.bincount(split.train.item_rows, minlength=data.shape[1])
    users = split.test.users()
    relevant, seen = split.test.item_lists(users), split.train.item_lists(users)
    segments = members_of(bands_of(np.diff(seen[0])))
    evaluations = {
        name: evaluate_lists(ranked, relevant, Catalogue(touched), k=k)
        for name, ranked in lists.items()
    }
    return evaluations, {
        name: make_report(name, label, evaluation, segments, seed)
        for name, evaluation in evaluations.items()
    }
