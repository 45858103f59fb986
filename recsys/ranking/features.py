"""Features of the second stage: the generators' scores, the item, the user."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ints
from recsys.dataset.training import Training
from recsys.generators.contract import Rows
from recsys.ranking.candidates import Candidates
from recsys.ranking.scoring import Scored, Scorer

Features = npt.NDArray[np.float32]

OF_GENERATOR: Final = ("score", "standardised score", "log rank")
OF_ITEM: Final = ("log users", "log users, 7 days", "log users, 30 days", "age", "days since last")
OF_USER: Final = ("log items", "days since last", "mean log users of items", "segment")
_FACTS: Final = ((OF_ITEM, "item"), (OF_USER, "user"))
_NEVER: Final = 1e4
"""Days since something that has not happened."""


def columns_among(generators: Ints, all_of: int, width: int) -> Ints:
    """Columns of the features that are left if only some of the generators are heard.

    generators: (g,) ascending places, of `all_of`. width: columns of the features of all.
    """
    each = np.arange(len(OF_GENERATOR))
    own = (generators[:, np.newaxis] * len(each) + each).ravel()
    return np.concatenate([own, np.arange(all_of * len(each), width)])


def feature_names(generators: Sequence[str]) -> list[str]:
    """Names of the features, in order, of some generators."""
    own = [f"{kind} of {name}" for name in generators for kind in OF_GENERATOR]
    items, users = ([f"{kind} ({whose})" for kind in kinds] for kinds, whose in _FACTS)
    return [*own, *items, *users]


@dataclass(frozen=True)
class ItemUserFeatures:
    """Features of items and users before an instant, whatever the generators say."""

    items: Features
    """(items, 5) in the order of OF_ITEM; ages in days, of the item's first event."""
    users: Features
    """(users, 4) in the order of OF_USER."""

    @classmethod
    def of(cls, training: Training) -> Self:
        """Features of the items and users of some training data."""
        history, ages = training.history, training.ages.astype(np.float64)
        count = history.shape[1]
        rows = history.indices
        recent = [np.bincount(rows[ages < days], minlength=count) for days in (np.inf, 7, 30)]
        first, last = np.zeros(count), np.full(count, _NEVER)
        np.maximum.at(first, rows, ages)
        np.minimum.at(last, rows, ages)
        items = np.stack([*map(np.log1p, recent), np.where(last < _NEVER, first, _NEVER), last])
        return cls(items.T.astype(np.float32), _of_users(training, np.log1p(recent[0])))

    def of_users(self, users: Rows) -> Self:
        """Features of some users alone, who take the rows from 0 on: (u,) rows."""
        return type(self)(self.items, self.users[users])

    def of_candidates(self, scorer: Scorer, scored: Scored, found: Candidates) -> Features:
        """(p, features) one row a candidate: OF_GENERATOR of each, then OF_ITEM and OF_USER."""
        lines, columns = found.lines, found.columns
        parts: list[npt.NDArray[np.floating]] = []
        for scores, (mean, deviation), ranks in zip(
            scored.scores, scored.moments, found.ranks, strict=True
        ):
            standardised = scores[lines, columns]
            parts += [standardised * deviation[lines] + mean[lines], standardised, np.log2(ranks)]
        facts = [self.items[scorer.available[columns]], self.users[scored.users[lines]]]
        return np.concatenate([np.stack(parts, axis=1), *facts], axis=1).astype(np.float32)


def _of_users(training: Training, log_users: npt.NDArray[np.float64]) -> Features:
    history = training.history
    lengths = np.diff(history.indptr)
    lines: Rows = np.repeat(np.arange(history.shape[0]), lengths)
    last = np.full(history.shape[0], _NEVER)
    np.minimum.at(last, lines, training.ages)
    known = np.bincount(lines, log_users[history.indices], history.shape[0])
    mean = known / np.maximum(lengths, 1)
    return np.stack([np.log1p(lengths), last, mean, training.segments], axis=1).astype(np.float32)
