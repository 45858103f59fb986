"""Settings to try of one generator, one after the other: what matters first, then what is likely.

First the present setting and those that did well elsewhere; then each parameter by itself, in the
order of `SEARCH`, a step up or down from the best as long as it gains; then all of them together by
a tree of Parzen estimators (TPE, Bergstra et al. 2011, as Optuna has it).
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from recsys.generators.contract import Search, Span, Value

Setting = Mapping[str, Value]
"""A value of each parameter of a `SEARCH`."""
Measured = tuple[float, ...]
"""NDCG@20 on each rung that a trial reached, from the smallest sample to the whole."""
Proposals = Generator[Setting, Measured, None]
"""Yields a setting and is sent what it measured; ends where nothing new is left."""

_LEVELS: Final = 7
"""Points of a span that steps go between."""
_REPEATS: Final = 20
"""Settings in a row that were tried before, after which nothing is left."""
_OFF: Final = "{} is off"


def propose(search: Search, present: Setting, guesses: Sequence[Setting], seed: int) -> Proposals:
    """Settings to try. The same arguments and measurements give the same ones.

    present: tried first. guesses: some values each, the others being those of the present setting.
    """
    tried: list[tuple[Setting, Measured]] = []

    def attempt(setting: Setting) -> Generator[Setting, Measured, bool]:
        """Yields a setting that is new; gives whether it is the best so far."""
        if any(setting == other for other, _ in tried):
            return False
        before = max((rank(measured) for _, measured in tried), default=(0, -np.inf))
        measured = yield setting
        tried.append((setting, measured))
        return rank(measured) > before

    for guess in ({}, *guesses):
        yield from attempt({**present, **guess})
    for key, values in search.items():
        for up in (True, False):
            while step := _next_level(values, _best(tried)[key], up=up):
                if not (yield from attempt({**_best(tried), key: step[0]})):
                    break
    repeats = 0
    while repeats < _REPEATS:
        count = len(tried)
        yield from attempt(_likely(search, tried, seed + count + repeats))
        repeats = repeats + 1 if len(tried) == count else 0


def rank(measured: Measured) -> tuple[int, float]:
    """Order of trials: one that reached a higher rung is better, then one that did better there."""
    return len(measured), measured[-1]


def goes_on(value: float, others: Sequence[float]) -> bool:
    """Whether a trial goes to the next rung: it is in the best third of those on this one so far.

    others: of the trials before it. Asynchronous successive halving (Li et al. 2020) without going
    back to a trial that was stopped.
    """
    return sum(other >= value for other in others) < (len(others) + 1) / 3


def _best(tried: Sequence[tuple[Setting, Measured]]) -> Setting:
    setting, _ = max(tried, key=lambda trial: rank(trial[1]))
    return setting


def _next_level(values: Span | Sequence[Value], value: Value, *, up: bool) -> Sequence[Value]:
    """The value to try next in one direction; none at the end. None stands above all numbers, as an
    endless half-life does."""
    levels = sorted(_levels(values), key=_height)
    if up:
        return [level for level in levels if _height(level) > _height(value)][:1]
    return [level for level in levels if _height(level) < _height(value)][-1:]


def _height(value: Value) -> float:
    return np.inf if value is None else value


def _levels(values: Span | Sequence[Value]) -> Sequence[Value]:
    if not isinstance(values, Span):
        return values
    spaced = np.geomspace if values.log else np.linspace
    levels = [_rounded(level) for level in spaced(values.low, values.high, _LEVELS).tolist()]
    return [*levels, None] if values.off else levels


def _rounded(value: float) -> float:
    """As it is written down: what was measured is what is used."""
    return float(f"{value:.4g}")


def _likely(search: Search, tried: Sequence[tuple[Setting, Measured]], seed: int) -> Setting:
    """A setting where the expected gain is greatest, given all that was measured."""
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=0)
    )
    whole = max(len(measured) for _, measured in tried)
    study.add_trials([_told(search, *trial, whole) for trial in tried])
    trial = study.ask()
    return {key: _suggested(trial, key, values) for key, values in search.items()}


def _told(search: Search, setting: Setting, measured: Measured, whole: int) -> FrozenTrial:
    """A trial as Optuna knows it. A value outside the search is left out."""
    params: dict[str, Any] = {}
    for key, values in search.items():
        params |= _as_params(key, values, setting[key])
    spaces: dict[str, BaseDistribution] = {}
    for key, values in search.items():
        spaces |= _spaces(key, values)
    return create_trial(
        state=TrialState.COMPLETE if len(measured) == whole else TrialState.PRUNED,
        value=measured[-1],
        params=params,
        distributions={name: spaces[name] for name in params},
        intermediate_values=dict(enumerate(measured)),
    )


def _spaces(key: str, values: Span | Sequence[Value]) -> dict[str, BaseDistribution]:
    """What Optuna is to know of a parameter: of listed values their place, so that it sees the
    order, and of one that may be None a switch besides."""
    if not isinstance(values, Span):
        return {key: IntDistribution(0, len(values) - 1)}
    spaces: dict[str, BaseDistribution] = {
        key: FloatDistribution(values.low, values.high, log=values.log)
    }
    return spaces | (
        {_OFF.format(key): CategoricalDistribution((False, True))} if values.off else {}
    )


def _as_params(key: str, values: Span | Sequence[Value], value: Value) -> dict[str, Any]:
    if not isinstance(values, Span):
        listed = sorted(values, key=_height)
        return {key: listed.index(value)} if value in listed else {}
    known = value is not None and values.low <= value <= values.high
    params: dict[str, Any] = {key: value} if known else {}
    return params | ({_OFF.format(key): value is None} if values.off else {})


def _suggested(trial: optuna.Trial, key: str, values: Span | Sequence[Value]) -> Value:
    if not isinstance(values, Span):
        return sorted(values, key=_height)[trial.suggest_int(key, 0, len(values) - 1)]
    if values.off and trial.suggest_categorical(_OFF.format(key), (False, True)):
        return None
    return _rounded(trial.suggest_float(key, values.low, values.high, log=values.log))
