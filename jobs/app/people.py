"""Lists of people for people on two-sided data: chances of a yes each way, and what lists did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from jobs.app.evaluation import Steps, fitted
from recsys.arrays import Floats, Ints, Mask
from recsys.config import Config
from recsys.dataset.training import Descriptions
from recsys.dataset.trial import DataSet
from recsys.evaluation.splits import Pairs
from recsys.matching.chances import Chances
from recsys.matching.decisions import Decisions
from recsys.matching.effects import Effects, Traits
from recsys.matching.features import directed_scores

FOLDS: Final = 5
"""Parts of the pairs, each asked for by models that were fitted on the others."""
_INNER: Final = 3
"""Parts of the pairs that are known, for the features that chances are fitted on."""


@dataclass(frozen=True)
class People:
    """Everybody there is. Where there are sides, those of the first come first."""

    described: Descriptions
    segments: npt.NDArray[np.int32]
    """(people,) see `DataSet`."""
    first: int | None
    """People of the first side; None where all are one pool."""

    def __len__(self) -> int:
        return len(self.described.text)

    def turns(self) -> Ints:
        """(people,) see `Market`."""
        rows = np.arange(len(self))
        return rows % 2 if self.first is None else (rows >= self.first).astype(np.int64)

    def traits(self) -> Traits:
        """What effects are of."""
        return Traits.of(self.described.attributes)


@dataclass(frozen=True)
class BothWays:
    """Figures of (n,) pairs: of the one about the other, and of the other about the one."""

    forth: Floats
    back: Floats

    def swapped(self) -> "BothWays":
        """Seen from the other."""
        return BothWays(self.back, self.forth)


@dataclass(frozen=True)
class Estimates:
    """(n,) pairs' chances of a yes, and the blend's raw scores moved into [0, 1]."""

    chances: BothWays
    raw: BothWays


def estimate(
    known: Decisions, asked: Decisions, people: People, config: Config, steps: Steps, mark: str = ""
) -> Estimates:
    """Chances of yeses for pairs, of which nothing but the people is looked at.

    Features of known pairs come from models that did not see the pair, so that what is fitted on
    them holds for pairs that nobody has seen.
    """
    known.check()
    parts, inner = known.folds(_INNER, config.seed), []
    for part in range(_INNER):
        name = f"{mark}inner {part + 1} of {_INNER}: "
        own, held = known.take(parts != part), known.take(parts == part)
        inner.append(_features(own, held, people, config, steps, name))
    order = np.argsort(parts, kind="stable")
    back_at = np.argsort(order, kind="stable")
    forth = np.concatenate([each.forth for each in inner])[back_at]
    back = np.concatenate([each.back for each in inner])[back_at]
    found = _features(known, asked, people, config, steps, mark)
    names, seed = _names(config), config.seed
    with steps.step(f"{mark}chances"):
        if people.first is None:
            both = np.concatenate([known.yes, known.yes_back])
            one = Chances.fit(names, np.concatenate([forth, back]), both, seed)
            ways = BothWays(one.of(found.forth), one.of(found.back))
        else:
            ways = BothWays(
                Chances.fit(names, forth, known.yes, seed).of(found.forth),
                Chances.fit(names, back, known.yes_back, seed).of(found.back),
            )
    weights = config.generators.weights()
    raw = [_into_unit(each[:, : len(weights)] @ weights) for each in (found.forth, found.back)]
    return Estimates(ways, BothWays(*raw))


def _names(config: Config) -> Sequence[str]:
    own = [*config.generators.used(), "effects"]
    return [*own, *(f"{name} back" for name in own)]


def _features(
    known: Decisions, asked: Decisions, people: People, config: Config, steps: Steps, mark: str
) -> BothWays:
    """(n, features) of each way: generators' scores and effects of this one, then of the other."""
    n, seed, traits = len(people), config.seed, people.traits()
    deciders = np.concatenate([known.one, known.other])
    decided = np.concatenate([known.other, known.one])
    said = np.concatenate([known.yes, known.yes_back])
    pairs = Pairs(deciders, decided, said.astype(np.float32), None)
    described = people.described
    training = DataSet(pairs, described, described, people.segments).training(pairs)
    models = dict(fitted(training, config, steps, mark))
    with steps.step(f"{mark}effects"):
        if people.first is None:
            one = other = Effects.fit(traits, deciders, decided, said, seed)
        else:
            one = Effects.fit(traits, known.one, known.other, known.yes, seed)
            other = Effects.fit(traits, known.other, known.one, known.yes_back, seed)
    with steps.step(f"{mark}scores"):
        forth = np.column_stack(
            [directed_scores(models, n, asked.one, asked.other), one.logits(asked.one, asked.other)]
        )
        back = np.column_stack(
            [
                directed_scores(models, n, asked.other, asked.one),
                other.logits(asked.other, asked.one),
            ]
        )
    return BothWays(np.hstack([forth, back]), np.hstack([back, forth]))


def _into_unit(scores: Floats) -> Floats:
    low, high = float(scores.min(initial=0.0)), float(scores.max(initial=0.0))
    return np.asarray((scores - low) / max(high - low, np.finfo(float).tiny))
