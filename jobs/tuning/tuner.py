"""The search for better parameters of the generators, by NDCG@20 on the holdout."""

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import optuna
from threadpoolctl import threadpool_limits

from jobs.tuning.measure import Grounds
from jobs.tuning.search import OutOfTimeError, Search, Trial
from recsys.arrays import Ints
from recsys.config import Config
from recsys.dataset.training import Holdout
from recsys.evaluation.significance import Gain
from recsys.generators import aging
from recsys.generators.contract import GeneratorConfig, Tunable, Value
from recsys.generators.registry import GENERATORS, Generators
from recsys.sections.base import READ_PLACES

_MOST_TRIALS: Final = 100
"""Trials of a generator at most."""
_HOPE: Final = 0.05
"""Gain that a generator may still have, as a share of its NDCG."""
_ERRORS: Final = 1.0
"""Standard errors that a gain must be beyond: the setting won on other days before."""
_UNLIKE: Final = 1 / 3
"""Share of their NDCG on the days of the search, below which the present parameters say nothing
about the days of the check."""


@dataclass(frozen=True)
class Budget:
    """Extent of a search."""

    minutes: float = np.inf
    """Of all generators together; the present settings are tried in any case."""
    trials: int = _MOST_TRIALS
    """Of each generator."""


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
    refusal: str = ""
    """Why nothing that was found for any generator is used, where that is so."""
    rival: str = ""
    """Of a generator that takes no part: the best of those that do, which `before` is of."""

    @property
    def setting(self) -> Mapping[str, Value]:
        """The values in the section of what may be tuned; of one that is off by default, the
        weight as well, which a search has set or left."""
        generator = GENERATORS[self.name]
        search = generator.SEARCH if isinstance(generator, Tunable) else {}
        keys = search if type(self.section)().weight else ["weight", *search]
        return {key: getattr(self.section, key) for key in keys}

    @property
    def outcome(self) -> str:
        """The decision and its evidence, in one line."""
        if self.rival:
            verdict = "switched on" if self.taken else "stays off"
            figures = f"NDCG@{READ_PLACES} {self.after:.4f} alone, {self.rival} {self.before:.4f}"
            return f"{verdict}: {figures}, gain {self.gain} on {self.users} users"
        verdict = "taken" if self.taken else "kept as it was"
        figures = f"NDCG@{READ_PLACES} {self.before:.4f} before, {self.after:.4f} after"
        trials = f"{self.trials} trials"
        evidence = f"{figures} {trials}, gain {self.gain} on {self.users} users"
        return f"{verdict}: {evidence}" + (f"; {self.refusal}" if self.refusal else "")


class Journal(Protocol):
    """The trials of searches that can be gone on with."""

    def made(self, name: str) -> Sequence[Trial]:
        """The trials of a generator so far."""

    def keep(self, name: str, trials: Sequence[Trial]) -> None:
        """Keeps the trials of a generator."""


class NoJournal:
    """Begins every search anew."""

    def made(self, name: str) -> Sequence[Trial]:  # noqa: ARG002
        """None."""
        return ()

    def keep(self, name: str, trials: Sequence[Trial]) -> None:
        """Keeps nothing."""


Heard = Callable[[str], None]


def tune(
    holdout: Holdout,
    available: Ints,
    config: Config,
    budget: Budget,
    heard: Heard,
    journal: Journal | None = None,
    fixed: Mapping[str, Collection[str]] = {},
) -> list[Tuned]:
    """Tunes each generator that has something to tune, by itself, as many at once as there are
    cores.

    available: ascending item rows. heard: gets a line after each trial. journal: where an earlier
    search on the same data broke off. fixed: parameters to be left as they are, by generator.
    The search sees the earlier half of the holdout; what it finds is taken if it gains more than a
    standard error on the later half, over at least `ranking.least_users` users, and if all
    generators together do. A generator of which the configuration does not say that it is off is
    tried once as it is, and switched on where it is clearly better than each of the others.
    Where times lack nothing fades, so half-lives and windows are not searched.
    The trials of a generator are the same wherever they are made; how many there are depends on
    the time. Raises DataError, before any trial, where either half is empty.
    """
    end = time.monotonic() + 60.0 * budget.minutes
    # What goes wrong in a trial is raised; Optuna would print its traceback as a warning besides.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    used = {
        name: section
        for name, section in config.generators.used().items()
        if isinstance(GENERATORS[name], Tunable)
    }
    if not used:
        return []
    journal = journal or NoJournal()
    grounds = Grounds.of(holdout, available, config.seed)
    timeless = () if holdout.training.last_ages.any() else tuple(aging.SEARCH)
    searches, idle = (
        [
            Search(
                name,
                section,
                grounds,
                config.seed,
                journal.made(name),
                {*fixed.get(name, ()), *timeless},
            )
            for name, section in sections.items()
        ]
        for sections in (used, _idle(config))
    )
    # Held to one thread once for all: a limit that a search ends would end that of the others.
    with threadpool_limits(limits=1, user_api="blas"):
        for each, most in ((idle, 1), (searches, budget.trials)):
            for search, trial in _trials(each, most, end):
                journal.keep(search.name, search.trials)
                heard(_line(search, trial))
    return [*_judged(searches, config), *(_tried(each, searches, config) for each in idle)]


def with_sections(config: Config, tuned: Mapping[str, GeneratorConfig]) -> Config:
    """The configuration with other sections of some generators."""
    sections = {name: getattr(config.generators, name) for name in GENERATORS} | dict(tuned)
    values = {name: section.model_dump() for name, section in sections.items()}
    return config.model_copy(update={"generators": Generators.model_validate(values)})


def _trials(searches: Sequence[Search], most: int, end: float) -> Iterator[tuple[Search, Trial]]:
    """Makes trials, one of a search at a time; gives each when it is done.

    end: of the time, by the monotonic clock.
    """
    waiting = [search for search in searches if len(search.trials) < most]
    running: dict[Future[Trial], Search] = {}
    cores = os.cpu_count() or 1
    threads = ThreadPoolExecutor(cores)
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                search = min(waiting, key=_turn)
                waiting.remove(search)
                running[threads.submit(search.step, end - time.monotonic())] = search
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                search = running.pop(future)
                try:
                    trial = future.result()
                except OutOfTimeError:
                    continue
                if search.next is not None and len(search.trials) < most:
                    waiting.append(search)
                yield search, trial
    finally:
        threads.shutdown(cancel_futures=True)


def _idle(config: Config) -> Mapping[str, GeneratorConfig]:
    """The tunable generators that are off by default."""
    sections = {name: config.generators.section(name) for name in GENERATORS}
    return {
        name: section
        for name, section in sections.items()
        if isinstance(GENERATORS[name], Tunable)
        and not section.weight
        and "weight" not in section.model_fields_set
    }


def _tried(search: Search, used: Sequence[Search], config: Config) -> Tuned:
    """A generator that takes no part, as it is, beside the best of those that do."""
    (alone, _), others = search.checked(), {each.name: each.checked()[1] for each in used}
    rival = max(others, key=lambda name: float(others[name].mean()))
    gain = Gain.of(alone, others[rival])
    on = gain.beyond() and len(alone) >= config.ranking.least_users
    return Tuned(
        name=search.name,
        section=search.present.model_copy(update={"weight": 1.0}) if on else search.present,
        before=float(others[rival].mean()),
        after=float(alone.mean()),
        gain=gain,
        users=len(alone),
        trials=1,
        taken=on,
        rival=rival,
    )


def _turn(search: Search) -> float:
    """Order in which searches get their next trial: where a gain takes the least time, first."""
    if not search.trials:
        return 0.0
    return search.seconds / max(search.gain + _HOPE * search.best.measured[-1], 1e-9)


def _line(search: Search, trial: Trial) -> str:
    """Progress after a trial, and the best so far."""
    best, present = search.best.measured[-1], search.trials[0].measured[-1]
    whole = len(trial.measured) == len(search.best.measured)
    figure = f"{trial.measured[-1]:.4f}" if whole else "behind on a sample"
    told = f"{search.name}: trial {len(search.trials)}: {figure}"
    return f"{told}, best {best:.4f}, configured {present:.4f}"


def _judged(searches: Sequence[Search], config: Config) -> list[Tuned]:
    """The present sections against the best ones found, on what the search has not seen."""
    refusal = _refusal(searches, config)
    return [_compared(search, refusal) for search in searches]


def _compared(search: Search, refusal: str) -> Tuned:
    before, after = search.checked()
    gain = Gain.of(after, before)
    better = gain.beyond(_ERRORS) and not refusal
    return Tuned(
        name=search.name,
        section=search.section(search.best.setting) if better else search.present,
        before=float(before.mean()),
        after=float(after.mean()),
        gain=gain,
        users=len(before),
        trials=len(search.trials),
        taken=better,
        refusal=refusal,
    )


def _refusal(searches: Sequence[Search], config: Config) -> str:
    """Why nothing that was found may be used; empty where it may.

    Each of several generators gains by chance more often than all of them together. And days of
    which the present parameters know next to nothing, but knew the ones before, tell nothing.
    """
    weights = np.array([search.present.weight for search in searches])
    before, after = weights @ np.array([search.checked() for search in searches]).swapaxes(0, 1)
    least, users = config.ranking.least_users, len(before)
    if users < least:
        return f"fewer than {least} users"
    searched = float(weights @ [search.trials[0].measured[-1] for search in searches])
    if before.mean() < _UNLIKE * searched:
        share = before.mean() / searched
        return f"the days of the check are unlike those before: NDCG {share:.0%} of theirs"
    gain = Gain.of(after, before)
    return "" if gain.beyond(_ERRORS) else f"all generators together gain {gain}"
