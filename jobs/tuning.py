"""The search for better parameters of each generator, by NDCG@20 on what was held back."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import optuna

from jobs.fitting import fit_generator
from recsys.config import Config
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.evaluation.trial import ranked_lists
from recsys.interactions.training import HeldBack, Ints, taken
from recsys.models.contract import GeneratorConfig, Search, Span
from recsys.models.registry import GENERATORS, Generators
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.ranking.stack import seen

_USERS: Final = 2000
"""Users that a trial is measured on at most."""
_PLACES: Final = 20
_FIRST: Final = 3
"""Passes after which a fit in passes is looked at first; one that is behind ends there."""
_SHARES: Final = {"als": 3.0}
"""Shares of the time of generators that take longer; the others have 1."""
_MOST_TRIALS: Final = 60


@dataclass(frozen=True)
class Tuned:
    """What the search came to for one generator."""

    name: str
    section: GeneratorConfig
    """The best section that was found, the present one if none is better."""
    before: float
    """NDCG@20 of the present section."""
    after: float
    trials: int


Heard = Callable[[str], None]


def tune(
    held: HeldBack, available: Ints, config: Config, minutes: float, heard: Heard
) -> Iterator[Tuned]:
    """Tunes each generator that has something to tune, by itself.

    available: ascending item rows. minutes: of all searches together; a trial that has begun is
    ended, so it may take a little longer. heard: gets a line after each trial.
    The present section is tried first, so the result is never worse on what was held back.
    """
    used = {n: s for n, s in config.generators.used().items() if GENERATORS[n].SEARCH}
    left = dict.fromkeys(used, 1.0) | {n: s for n, s in _SHARES.items() if n in used}
    measure = _Measure(held, available, config.seed)
    end = time.monotonic() + 60.0 * minutes
    for name, section in used.items():
        seconds = (end - time.monotonic()) * left[name] / sum(left.values())
        del left[name]
        yield _tuned(name, section, measure, max(seconds, 0.0), heard)


def with_sections(config: Config, tuned: Mapping[str, GeneratorConfig]) -> Config:
    """The configuration with other sections of some generators."""
    sections = {name: getattr(config.generators, name) for name in GENERATORS} | dict(tuned)
    values = {name: section.model_dump() for name, section in sections.items()}
    return config.model_copy(update={"generators": Generators.model_validate(values)})


@dataclass(frozen=True)
class _Measure:
    """NDCG@20 of a generator by itself, over users it knows something of."""

    held: HeldBack
    available: Ints
    seed: int

    def of(self, name: str, section: GeneratorConfig) -> float:
        model = fit_generator(name, self.held.training, section, self.seed)
        items = self.held.training.history.shape[1]
        scorer = Scorer.of({name: model}, self.available, items)
        places = np.arange(len(self.held.users))
        if len(places) > _USERS:
            draw = np.random.default_rng(self.seed).choice(len(places), _USERS, replace=False)
            places = np.sort(draw)
        users = self.held.users[places]
        closed = seen(self.held.training, users)
        lists = ranked_lists(scorer, {name: WeightedSum((1.0,))}, users, closed, _PLACES)[name]
        hits = find_hits(lists, taken(self.held.relevant, places))
        return float(ndcg(hits, _PLACES).mean())


def _tuned(
    name: str, section: GeneratorConfig, measure: _Measure, seconds: float, heard: Heard
) -> Tuned:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=measure.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    search = GENERATORS[name].SEARCH
    study.enqueue_trial({key: getattr(section, key) for key in search}, skip_if_exists=True)

    def objective(trial: optuna.Trial) -> float:
        tried = section.model_copy(update=_suggested(trial, search))
        passes = getattr(tried, "iterations", 0)
        if passes > _FIRST:
            early = tried.model_copy(update={"iterations": _FIRST})
            trial.report(measure.of(name, early), 0)
            if trial.should_prune():
                raise optuna.TrialPruned
        return measure.of(name, tried)

    def tell(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        figure = "behind" if trial.value is None else f"{trial.value:.4f}"
        heard(f"{name}: trial {trial.number + 1}: {figure}, best {study.best_value:.4f}")

    study.optimize(objective, n_trials=1, callbacks=[tell])
    study.optimize(objective, n_trials=_MOST_TRIALS - 1, timeout=seconds, callbacks=[tell])
    before = study.trials[0].value or 0.0
    better = study.best_value > before
    best = section.model_copy(update=study.best_params) if better else section
    return Tuned(name, best, before, study.best_value, len(study.trials))


def _suggested(trial: optuna.Trial, search: Search) -> dict[str, Any]:
    return {
        key: trial.suggest_float(key, span.low, span.high, log=span.log)
        if isinstance(span, Span)
        else trial.suggest_categorical(key, list(span))
        for key, span in search.items()
    }
