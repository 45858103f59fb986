"""Lists of people for people, tried on two-sided data: who there is, and what came out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from jobs.app.evaluation import Steps
from recsys.arrays import Floats, Ints, Mask
from recsys.config import Config
from recsys.dataset.training import Descriptions, Training
from recsys.dataset.trial import DataSet
from recsys.evaluation.significance import Interval
from recsys.evaluation.splits import Pairs
from recsys.matching.calibration import calibration_error
from recsys.matching.effects import Traits
from recsys.matching.realised import JudgedLists


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

    def training(self, pairs: Pairs) -> Training:
        """Of what people did about people."""
        return DataSet(pairs, self.described, self.described, self.segments).training(pairs)


@dataclass(frozen=True)
class Direction:
    """How well chances of a yes foretold the yeses."""

    name: str
    mean: float
    """Mean chance."""
    share: float
    """Share of yeses."""
    error: float
    """Expected calibration error."""
    calibrations: Sequence[str]
    """Kinds that were chosen, one a part."""

    @classmethod
    def of(cls, name: str, chances: Floats, said: Mask, kinds: Sequence[str]) -> Self:
        """chances, said: (n,) of pairs."""
        error = calibration_error(chances, said)
        return cls(name, float(chances.mean()), float(said.mean()), error, kinds)


@dataclass(frozen=True)
class PeopleTrial:
    """Result of an evaluation of lists of people for people."""

    people: int
    """Whose lists are judged."""
    pairs: int
    """That may be listed."""
    candidates: float
    """Median of a list's."""
    matches: int
    """Pairs of which both said yes."""
    lists: Sequence[JudgedLists]
    directions: Sequence[Direction]
    steps: Steps = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "people": self.people,
            "pairs": self.pairs,
            "candidates": self.candidates,
            "matches": self.matches,
            "lists": [_as_dict(each) for each in self.lists],
            "chances": [vars(each) for each in self.directions],
            "seconds": {name: round(s, 2) for name, s in self.steps.seconds.items()},
        }


def _as_dict(lists: JudgedLists) -> dict[str, Any]:
    """Ready for JSON."""
    return {
        "length": lists.length,
        "both_list_each_other": lists.found,
        "ways": {
            name: {metric: _plain(found) for metric, found in vars(figures).items()}
            for name, figures in lists.figures.items()
        },
        "against_one_sided": {
            name: {
                "people": gain.users,
                "difference": _plain(gain.difference),
                "ratio": _plain(gain.ratio),
                "p_value": gain.p_value,
            }
            for name, gain in lists.gains.items()
        },
    }


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else vars(interval)


def raw_scores(features: Floats, config: Config) -> Floats:
    """(n,) weighted sum of the generators' scores, moved into [0, 1].

    features: (n, f) the generators' scores first.
    """
    weights = np.array(config.generators.weights())
    scores = features[:, : len(weights)] @ weights
    low, high = float(scores.min(initial=0.0)), float(scores.max(initial=0.0))
    return np.asarray((scores - low) / max(high - low, float(np.finfo(float).tiny)))
