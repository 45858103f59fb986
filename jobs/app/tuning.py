"""The search for better parameters of each generator, by NDCG@20 on the holdout."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import optuna
from scipy import sparse

from jobs.fitting import fit_generator
from recsys.arrays import Floats, Ints, Ragged
from recsys.config import Config
from recsys.dataset.training import Holdout
from recsys.errors import DataError
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.evaluation.significance import Gain
from recsys.generators.contract import GeneratorConfig, Search, Span, Tunable, Value
from recsys.generators.registry import GENERATORS, Generators
from recsys.lists.ranker import ranked_lists
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.sections.base import READ_PLACES

_USERS: Final = 2000
"""Users that a trial is measured on at most."""
_FIRST: Final = 3
"""Passes after which a fit in passes is looked at first; one that is behind ends there."""
_SHARES: Final = {"als": 3.0}
"""Shares of the time of generators that take longer; the others have 1."""
_MOST_TRIALS: Final = 60


@dataclass(frozen=True)
class Tuned:
    """Result of the search for one generator."""

    name: str
    section: GeneratorConfig
    """The section to use: the best one found, or the present one where that is not clearly better.
    """
    before: float
    """NDCG@20 of the present section, on days that the search did not see."""
    after: float
    """The same of the best section found."""
    gain: Gain
    """Of the one over the other, user by user."""
    users: int
    """Users on those days."""
    trials: int
    taken: bool
    """Whether the best section found is used."""

    @property
    def outcome(self) -> str:
        """The decision and its evidence, in one line."""
        verdict = "taken" if self.taken else "kept as it was"
        figures = f"NDCG@{READ_PLACES} {self.before:.4f} before, {self.after:.4f} after"
        trials = f"{self.trials} trials"
        return f"{verdict}: {figures} {trials}, gain {self.gain} on {self.users} users"


Heard = Callable[[str], None]


def tune(
    holdout: Holdout, available: Ints, config: Config, minutes: float, heard: Heard
) -> Iterator[Tuned]:
    """Tunes each generator that has something to tune, by itself.

    available: ascending item rows. minutes: of all searches together; a trial that has begun is
    ended, so it may take a little longer. heard: gets a line after each trial.
    The search sees the earlier half of the holdout; what it finds is taken if it gains more
    than two standard errors on the later half, over at least `ranking.least_users` users.
    Raises DataError, before any trial, where either half is empty.
    """
    used = {
        name: section
        for name, section in config.generators.used().items()
        if isinstance(GENERATORS[name], Tunable)
    }
    left = dict.fromkeys(used, 1.0) | {n: s for n, s in _SHARES.items() if n in used}
    search, check = _measures(holdout, available, config)
    end = time.monotonic() + 60.0 * minutes
    for name, section in used.items():
        seconds = (end - time.monotonic()) * left[name] / sum(left.values())
        del left[name]
        best, trials = _searched(name, section, search, max(seconds, 0.0), heard)
        yield _judged(name, (section, best), check, trials, config.ranking.least_users)


def _measures(holdout: Holdout, available: Ints, config: Config) -> tuple["_Measure", "_Measure"]:
    """The measure of the search, and the one that its result is checked by."""
    earlier, later = holdout.halves(config.seed)
    if not len(earlier.users) or not len(later.users):
        raise DataError(
            f"{len(holdout.users)} users turned to {len(holdout.relevant.values)} new items in the "
            "holdout, too few to search on one half and check on the other; tune on a later date "
            "or on more pairs, or raise ranking.holdout_days"
        )
    known = _pattern(holdout.training.history)
    users, rows = earlier.users[earlier.relevant.lines()], earlier.relevant.values
    cells = np.ones(len(rows), np.float32), (users, rows)
    met = known + sparse.csr_matrix(cells, shape=known.shape)
    return (
        _Measure(earlier, known, available, config.seed),
        _Measure(later, met.tocsr(), available, config.seed),
    )


def _pattern(history: sparse.csr_matrix) -> sparse.csr_matrix:
    ones = np.ones(len(history.indices), np.float32)
    return sparse.csr_matrix((ones, history.indices, history.indptr), shape=history.shape)


def with_sections(config: Config, tuned: Mapping[str, GeneratorConfig]) -> Config:
    """The configuration with other sections of some generators."""
    sections = {name: getattr(config.generators, name) for name in GENERATORS} | dict(tuned)
    values = {name: section.model_dump() for name, section in sections.items()}
    return config.model_copy(update={"generators": Generators.model_validate(values)})


@dataclass(frozen=True)
class _Measure:
    """NDCG@20 of a generator by itself."""

    holdout: Holdout
    closed: sparse.csr_matrix
    """(users, items) a cell for each item that a user must not get."""
    available: Ints
    seed: int

    def of(self, name: str, section: GeneratorConfig) -> Floats:
        """(u,) NDCG@20 of each user; of a sample where there are many."""
        model = fit_generator(name, self.holdout.training, section, self.seed)
        scorer = Scorer.of({name: model}, self.available, self.closed.shape[1])
        places = np.arange(len(self.holdout.users))
        if len(places) > _USERS:
            draw = np.random.default_rng(self.seed).choice(len(places), _USERS, replace=False)
            places = np.sort(draw)
        users = self.holdout.users[places]
        rows = self.closed[users]
        closed = Ragged.of_matrix(rows)
        lists = ranked_lists(scorer, {name: WeightedSum((1.0,))}, users, closed, READ_PLACES)[name]
        return ndcg(find_hits(lists, self.holdout.relevant.take(places)), READ_PLACES)


def _judged(
    name: str,
    sections: tuple[GeneratorConfig, GeneratorConfig],
    check: _Measure,
    trials: int,
    least_users: int,
) -> Tuned:
    """The present section against the best one found, on what the search has not seen."""
    present, best = sections
    before = check.of(name, present)
    after = before if best == present else check.of(name, best)
    gain = Gain.of(after, before)
    better = gain.beyond() and len(before) >= least_users
    return Tuned(
        name=name,
        section=best if better else present,
        before=float(before.mean()),
        after=float(after.mean()),
        gain=gain,
        users=len(before),
        trials=trials,
        taken=better,
    )


def _searched(
    name: str, section: GeneratorConfig, measure: _Measure, seconds: float, heard: Heard
) -> tuple[GeneratorConfig, int]:
    """The best section found, the present one if none is better, and the number of trials."""
    # What goes wrong in a trial is raised; Optuna would print its traceback as a warning besides.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=measure.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    generator = GENERATORS[name]
    search = generator.SEARCH if isinstance(generator, Tunable) else {}
    study.enqueue_trial({key: getattr(section, key) for key in search}, skip_if_exists=True)

    def objective(trial: optuna.Trial) -> float:
        tried = section.model_copy(update=_suggested(trial, search))
        passes = getattr(tried, "iterations", 0)
        if passes > _FIRST:
            early = tried.model_copy(update={"iterations": _FIRST})
            trial.report(float(measure.of(name, early).mean()), 0)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(measure.of(name, tried).mean())

    def tell(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        figure = "behind" if trial.value is None else f"{trial.value:.4f}"
        heard(f"{name}: trial {trial.number + 1}: {figure}, best {study.best_value:.4f}")

    study.optimize(objective, n_trials=1, callbacks=[tell])
    study.optimize(objective, n_trials=_MOST_TRIALS - 1, timeout=seconds, callbacks=[tell])
    better = study.best_value > (study.trials[0].value or 0.0)
    best = section.model_copy(update=study.best_params) if better else section
    return best, len(study.trials)


def _suggested(trial: optuna.Trial, search: Search) -> dict[str, Any]:
    return {key: _value(trial, key, span) for key, span in search.items()}


def _value(trial: optuna.Trial, key: str, span: Span | Sequence[Value]) -> Value:
    if not isinstance(span, Span):
        return trial.suggest_categorical(key, list(span))
    if span.off and not trial.suggest_categorical(f"{key} is set", [True, False]):
        return None
    return trial.suggest_float(key, span.low, span.high, log=span.log)
