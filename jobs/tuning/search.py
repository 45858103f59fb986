"""The search of one generator: trials on samples first, the best of them on everything."""

import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.fitting import fit_generator
from jobs.tuning.measure import Grounds
from recsys.arrays import Floats
from recsys.generators.contract import GeneratorConfig, Guided, Tunable, Value
from recsys.generators.registry import GENERATORS
from recsys.tuning.proposals import Measured, Proposals, goes_on, propose


class Trial(BaseModel):
    """A setting that was tried."""

    model_config = ConfigDict(frozen=True)

    setting: Mapping[str, Value]
    measured: tuple[float, ...]
    """NDCG@20 on each rung that it reached."""
    checked: tuple[float, ...] | None = None
    """NDCG@20 of each user of the later half: of the present setting, and of each that was the best
    one when it was tried."""
    seconds: tuple[float, ...] = ()
    """Of each rung."""
    silent: bool = False
    """Whether the generator has no opinion on anybody, so that nothing can be searched."""


class OutOfTimeError(Exception):
    """A trial would not end in time."""


class Search:
    """The search of one generator, trial by trial.

    Which trial comes next depends on the seed and on what those before it measured, not on time.
    """

    def __init__(
        self,
        name: str,
        section: GeneratorConfig,
        grounds: Grounds,
        seed: int,
        made: Sequence[Trial] = (),
        fixed: Collection[str] = (),
    ) -> None:
        """section: the present one, tried first. made: the first trials of this same search.

        fixed: parameters that stay as they are.
        """
        self.name, self.present, self.seed = name, section, seed
        self.trials: list[Trial] = []
        self._rungs, self._check = grounds.rungs(section), grounds.check
        generator = GENERATORS[name]
        whole = generator.SEARCH if isinstance(generator, Tunable) else {}
        search = {key: values for key, values in whole.items() if key not in fixed}
        known = generator.GUESSES if isinstance(generator, Guided) else ()
        guesses = [{key: guess[key] for key in guess if key in search} for guess in known]
        present = {key: getattr(section, key) for key in search}
        self._proposals = propose(search, present, guesses, seed)
        self.next: Mapping[str, Value] | None = next(self._proposals)
        """The setting to try next; None where nothing is left."""
        for trial in made:
            if trial.setting != self.next:
                break
            self._add(trial)

    @property
    def best(self) -> Trial:
        """The best of the trials on the last rung."""
        whole = [trial for trial in self.trials if len(trial.measured) == len(self._rungs)]
        return max(whole, key=lambda trial: trial.measured[-1])

    def checked(self) -> tuple[Floats, Floats]:
        """(u,) NDCG@20 of each user of the later half, by the present and by the best setting."""
        before, after = self.trials[0].checked, self.best.checked
        return np.array(before or ()), np.array(after or ())

    @property
    def gain(self) -> float:
        """NDCG@20 of the best setting above that of the present one."""
        return self.best.measured[-1] - self.trials[0].measured[-1]

    @property
    def seconds(self) -> float:
        """Time that all trials took."""
        return sum(sum(trial.seconds) for trial in self.trials)

    def section(self, setting: Mapping[str, Value]) -> GeneratorConfig:
        """The present section with a setting's values."""
        return self.present.model_copy(update=dict(setting))

    def step(self, left: float) -> Trial:
        """Makes the next trial. left: seconds to make it in; the first is made in any case.

        Raises OutOfTimeError, and tries nothing that counts, where it would take longer.
        """
        setting, end = self.next or {}, time.monotonic() + left
        first, section = not self.trials, self.section(setting)
        measured, seconds = list[float](), list[float]()
        for place, rung in enumerate(self._rungs):
            begin = time.monotonic()
            if not first and begin + self._expected(seconds) > end:
                raise OutOfTimeError
            model = fit_generator(
                self.name, rung.training, rung.section(section), self.seed, explained=False
            )
            measured.append(float(rung.measure.ndcg(model).mean()))
            seconds.append(time.monotonic() - begin)
            others = [each.measured[place] for each in self.trials if len(each.measured) > place]
            if not goes_on(measured[-1], others):
                break
        checked = None
        if len(measured) == len(self._rungs) and (first or measured[-1] > self.best.measured[-1]):
            checked = tuple(self._check.ndcg(model).tolist())
        trial = Trial(
            setting=setting,
            measured=tuple(measured),
            checked=checked,
            seconds=tuple(seconds),
            silent=first and not self._rungs[-1].measure.hears(model),
        )
        self._add(trial)
        return trial

    def _add(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.next = None if trial.silent else _next_of(self._proposals, trial.measured)

    def _expected(self, spent: Sequence[float]) -> float:
        """Seconds that the next rung of a trial takes. spent: those of its rungs so far.

        The first takes at least as long as the fastest trial's, a later one the time of the rung
        before it, times as much as it took the slowest trial.
        """
        place = len(spent)
        before = [each.seconds for each in self.trials if len(each.seconds) > place]
        if not place:
            return min(seconds[0] for seconds in before)
        return spent[-1] * max(seconds[place] / seconds[place - 1] for seconds in before)


def _next_of(proposals: Proposals, measured: Measured) -> Mapping[str, Value] | None:
    """The setting after one that measured so; None where there is none."""
    try:
        return proposals.send(measured)
    except StopIteration:
        return None
