"""Settings to try of one generator, one after the other: what matters first, then what is likely.

First the present setting and those that did well elsewhere; then each parameter by itself, in the
order of `SEARCH`, a step up or down from the best as long as it gains; then all of them together by
a tree of Parzen estimators (TPE, Bergstra et al. 2011, as Optuna has it).
"""

from collections.abc import Generator, Mapping, Sequence
from math import log
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
_SHORTEST: Final = 0.49
"""Part of a step between levels that a step is longer than."""
_REPEATS: Final = 20
"""Settings in a row that were tried before, after which nothing is left."""
_KIND: Final = "kind of {}"
_NUMBER: Final = "number"


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
        for value in _starts(values, _best(tried)[key]):
            yield from attempt({**_best(tried), key: value})
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


def _starts(values: Span | Sequence[int], value: Value) -> Sequence[Value]:
    """Values to try before any steps: the words, and where it is one now, some numbers."""
    if not isinstance(values, Span):
        return ()
    return [*values.words, *(_levels(values)[1::2] if isinstance(value, str) else ())]


def _next_level(values: Span | Sequence[int], value: Value, *, up: bool) -> Sequence[Value]:
    """The number to try next in one direction; none at the end, and none after a word.

    From between two levels a step is at least half as long as from one to the next: a shorter one
    costs a trial and tells next to nothing.
    """
    if isinstance(value, str):
        return ()
    levels = _levels(values)
    steps = np.array([_steps_to(values, level) for level in levels]) - _steps_to(values, value)
    least = _SHORTEST if isinstance(values, Span) else 0.0
    far = np.flatnonzero(steps > least if up else steps < -least)
    return [levels[place] for place in (far[:1] if up else far[-1:])]


def _steps_to(values: Span | Sequence[int], value: float) -> float:
    """Steps between levels from the lowest one to a value; of listed numbers, the value."""
    if not isinstance(values, Span):
        return value
    if values.log:
        return (
            (_LEVELS - 1) * log(max(value, values.low) / values.low) / log(values.high / values.low)
        )
    return (_LEVELS - 1) * (value - values.low) / (values.high - values.low)


def _levels(values: Span | Sequence[int]) -> Sequence[int | float]:
    """The numbers that steps go between, ascending."""
    if not isinstance(values, Span):
        return sorted(values)
    spaced = np.geomspace if values.log else np.linspace
    return [_rounded(level) for level in spaced(values.low, values.high, _LEVELS).tolist()]


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


def _spaces(key: str, values: Span | Sequence[int]) -> dict[str, BaseDistribution]:
    """What Optuna is to know of a parameter: of listed numbers their place, so that it sees their
    order, and of one that may be a word which of its kinds it is."""
    if not isinstance(values, Span):
        return {key: IntDistribution(0, len(values) - 1)}
    spaces: dict[str, BaseDistribution] = {
        key: FloatDistribution(values.low, values.high, log=values.log)
    }
    if values.words:
        spaces[_KIND.format(key)] = CategoricalDistribution((_NUMBER, *values.words))
    return spaces


def _as_params(key: str, values: Span | Sequence[int], value: Value) -> dict[str, Any]:
    """A parameter's value as Optuna is to know it; nothing of a number outside the search."""
    if not isinstance(values, Span):
        listed: list[Value] = [*sorted(values)]
        return {key: listed.index(value)} if value in listed else {}
    if isinstance(value, str):
        return {_KIND.format(key): value}
    params = {key: value} if values.low <= value <= values.high else {}
    return params | ({_KIND.format(key): _NUMBER} if values.words else {})


def _suggested(trial: optuna.Trial, key: str, values: Span | Sequence[int]) -> Value:
    if not isinstance(values, Span):
        return sorted(values)[trial.suggest_int(key, 0, len(values) - 1)]
    if values.words:
        kind = trial.suggest_categorical(_KIND.format(key), (_NUMBER, *values.words))
        if kind != _NUMBER:
            return str(kind)
    return _rounded(trial.suggest_float(key, values.low, values.high, log=values.log))
