"""The whole two-stage stack on a data set: fitted on one part, measured on the other."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

import numpy as np

from jobs.fitting import fit_generator, is_start
from jobs.tuning.tuner import Budget, Tuned, tune, with_sections
from recsys.arrays import Floats, Ints, Mask
from recsys.config import Config
from recsys.dataset.bands import bands_of, members_of
from recsys.dataset.training import Holdout, Training
from recsys.dataset.trial import DataSet
from recsys.errors import DataError
from recsys.evaluation.metrics import (
    Catalogue,
    Evaluation,
    as_ranked,
    evaluate_lists,
    of_new_items,
)
from recsys.evaluation.report import (
    ALL,
    ModelComparison,
    Report,
    clear_best,
    compare_models,
    make_report,
)
from recsys.evaluation.splits import Pairs, Split
from recsys.generators.contract import Arrays, Model
from recsys.lists.chain import Chain, market_steps, plan_chain, plan_market_step, without_joint
from recsys.lists.contract import Recipients, StepContext
from recsys.lists.pools import HeldPools, held_back, ranked_chunks
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker, chunk_lists
from recsys.ranking.blend import Blend, WeightedSum
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.reach import reached
from recsys.ranking.scoring import Scorer
from recsys.ranking.stack import choose_policy

BLEND: Final = "blend"
PUBLISHED: Final = "published"
"""The blend's lists after the list steps."""


@dataclass
class Steps:
    """Seconds and peak memory of each step."""

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
class Quality:
    """Figures of the generators, of the blend, and of what list steps make of it."""

    reports: Mapping[str, Report]
    """By model, the blend after the generators."""
    comparison: ModelComparison
    clear_best: Mapping[str, str | None]
    """By group of users, the generator or blend that is ahead of all others beyond the error."""
    new_share: float
    """Share of the relevant items that have no training pair."""

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "reports": {name: report.as_dict() for name, report in self.reports.items()},
            "comparison": self.comparison.as_dict(),
            "clear_best": dict(self.clear_best),
            "new_share": round(self.new_share, 6),
        }


@dataclass(frozen=True)
class Trial:
    """Result of an evaluation."""

    config: Config
    """With the parameters that were found, if any were looked for."""
    choice: RankingPolicy
    quality: Quality
    tuned: Mapping[str, str]
    """What the search for better parameters came to by generator; empty without one."""
    steps: Steps
    ndcg: Mapping[str, Floats]
    """(u,) NDCG of each user's list by model."""
    list_steps: Mapping[str, str] = field(default_factory=dict)
    """What each list step came to that says so."""

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        generators = self.config.generators.used()
        return {
            "generators": {name: section.model_dump() for name, section in generators.items()},
            "tuned": dict(self.tuned),
            "choice": self.choice.model_dump(mode="json", exclude={"rankers"}),
            **self.quality.as_dict(),
            "list_steps": dict(self.list_steps),
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
    holdout, known = data.holdout(split.train, config.seed), data.known_items(split.train)
    tuned: dict[str, str] = {}
    if tune_minutes > 0:
        with steps.step("tune"):
            budget = Budget(minutes=tune_minutes)
            found = tune(holdout, known, config, budget, steps.started)
            config, tuned = _with_tuned(config, found)
    measured = holdout.drawn(config.ranking.most_users, config.seed)
    choice, earlier = _chosen(measured, known, config, steps)
    training = data.training(split.train)
    begun = earlier if is_start(holdout.training, training) else {}
    models = dict(fitted(training, config, steps, "", begun))
    scorer = Scorer.of(models, known, data.shape[1])
    blends: dict[str, Blend] = {
        name: WeightedSum(np.eye(len(models))[place].tolist()) for place, name in enumerate(models)
    }
    blends[BLEND] = choice.blend(scorer, training, config.ranking.candidates)
    with steps.step("rank"):
        lists, reach = _ranked(scorer, blends, split, k)
    context = StepContext(
        training,
        known,
        models,
        without_joint(config.lists.steps),
        config.lists.length,
        config.seed,
        partial(
            held_back,
            measured,
            training,
            earlier,
            choice,
            known,
            config.ranking.candidates,
            config.lists.depth,
            config.seed,
        ),
    )
    with steps.step("list steps"):
        ranker = Ranker(scorer, blends[BLEND])
        published, told = _published(ranker, context, config, split.train, users, k)
        lists |= published
        reach |= dict.fromkeys(published, reach[BLEND])
    with steps.step("measure"):
        evaluations, quality = _measured(lists, reach, data, split, label, k, config.seed)
    values = {name: found.per_user["ndcg"] for name, found in evaluations.items()}
    return Trial(config, choice, quality, tuned, steps, values, told)


def _chosen(
    holdout: Holdout, known: Ints, config: Config, steps: Steps
) -> tuple[RankingPolicy, dict[str, Model]]:
    """The choice on a holdout, and the generators it was measured with, of its users alone."""
    models = {
        name: model.of_users(holdout.users)
        for name, model in fitted(holdout.training, config, steps, "inner ")
    }
    with steps.step("choose"):
        weights = config.generators.weights()
        return choose_policy(holdout, models, known, config.ranking, weights, config.seed), models


def _measured(
    lists: Mapping[str, Ints],
    reach: Mapping[str, Mask],
    data: DataSet,
    split: Split,
    label: str,
    k: int,
    seed: int,
) -> tuple[dict[str, Evaluation], Quality]:
    """Each model's lists of the users of the test part, beside what they turned to.

    lists: (u, k) item rows by model. reach: (relevant,) what each model can say anything of.
    """
    users = split.test.users()
    touched = np.bincount(split.train.merged().item_rows, minlength=data.shape[1])
    relevant = split.test.item_lists(users)
    evaluations = {
        name: evaluate_lists(ranked, relevant, Catalogue(touched), k=k, reached=reach[name])
        for name, ranked in lists.items()
    }
    bands = members_of(bands_of(split.train.item_lists(users).lengths))
    return evaluations, _quality(evaluations, touched, bands, label, seed)


def _quality(
    evaluations: Mapping[str, Evaluation],
    touched: Ints,
    bands: Mapping[str, Mask],
    label: str,
    seed: int,
) -> Quality:
    """touched: (items,) number of training pairs of each item. bands: (u,) users of each band."""
    catalogue = Catalogue(touched)
    reports = {
        name: make_report(name, label, found, bands, seed, of_new_items(found, catalogue))
        for name, found in evaluations.items()
    }
    apart = {name: found for name, found in evaluations.items() if name != PUBLISHED}
    clear = {band: clear_best(apart, users) for band, users in bands.items()}
    relevant = evaluations[BLEND].relevant.values
    return Quality(
        reports=reports,
        comparison=compare_models(evaluations, seed),
        clear_best={ALL: clear_best(apart)} | clear,
        new_share=float((touched[relevant] == 0).mean()),
    )


def _ranked(
    scorer: Scorer, blends: Mapping[str, Blend], split: Split, k: int
) -> tuple[dict[str, Ints], dict[str, Mask]]:
    """(u, k) lists of each blend for the users of the test part, and (relevant,) which of their
    relevant items each generator reaches; under `BLEND` those that any of them does."""
    users = split.test.users()
    relevant, lists, reach = split.test.item_lists(users), [], []
    for scored in scorer.chunks(users, split.train.item_lists(users)):
        lists.append(chunk_lists(scored, blends, scorer.available, k))
        own = relevant.take(np.searchsorted(users, scored.users))
        reach.append(reached(scored, own.lines(), scorer.columns[own.values]))
    found = np.concatenate(reach, axis=1)
    return (
        {name: np.concatenate([part[name] for part in lists]) for name in blends},
        dict(zip(scorer.names, found, strict=True)) | {BLEND: found.any(axis=0)},
    )


def _published(
    ranker: Ranker, context: StepContext, config: Config, train: Pairs, users: Ints, k: int
) -> tuple[dict[str, Ints], dict[str, str]]:
    """(u, k) lists of the blend after the list steps, by `PUBLISHED`, none where no step acts; and
    what the steps came to.

    For steps that look at the pools of all users, everybody is ranked.
    """
    market = bool(market_steps(context.steps))

    @cache
    def chunks() -> list[tuple[RankedLists, Recipients]]:
        rows = np.arange(context.training.history.shape[0]) if market else users
        ranked = Recipients(rows, rows.astype(np.uint64), train.item_lists(rows))
        return list(ranked_chunks(ranker, ranked, config.lists.depth))

    def find(step: str, before: Chain) -> Arrays:
        return plan_market_step(step, HeldPools(chunks(), before), context, config.list_steps)

    chain, parts = plan_chain(config.list_steps, context, find), []
    if not chain.steps:
        return {}, {}
    for pools, recipients in chunks():
        wanted = np.flatnonzero(np.isin(recipients.rows, users))
        lists = chain.published(pools.of(wanted), recipients.of(wanted))
        parts.append(as_ranked(lists.items, k))
    return {PUBLISHED: np.concatenate(parts)}, chain.summaries()


def _with_tuned(config: Config, found: Sequence[Tuned]) -> tuple[Config, dict[str, str]]:
    changed = with_sections(config, {each.name: each.section for each in found})
    return changed, {each.name: each.outcome for each in found}


def fitted(
    training: Training,
    config: Config,
    steps: Steps,
    mark: str,
    earlier: Mapping[str, Model] | None = None,
) -> Iterator[tuple[str, Model]]:
    """The generators by name, each fit a step of its own; mark: what its name begins with.

    earlier: see `fit_generators`; None of those that are only measured.
    """
    for name, section in config.generators.used().items():
        with steps.step(f"{mark}fit {name}"):
            begun, explained = (earlier or {}).get(name), earlier is not None
            model = fit_generator(
                name, training, section, config.seed, earlier=begun, explained=explained
            )
        yield name, model
