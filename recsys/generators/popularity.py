"""Popularity: the same score of an item for every user."""

from typing import Final

import numpy as np

from recsys.arrays import Floats, ItemRows
from recsys.dataset.bands import WARM_FROM
from recsys.dataset.training import Training
from recsys.generators import aging, content
from recsys.generators.cold import mapped
from recsys.generators.contract import Search
from recsys.generators.factors import FactorModel
from recsys.sections.base import NonNegative

MODEL: Final = FactorModel
SEARCH: Final[Search] = aging.SEARCH


class Config(aging.Aging):
    """Decay of the past, on top of the events' own half-lives."""

    weight: NonNegative = 0.3
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""


def fit(training: Training, config: Config, seed: int) -> FactorModel:  # noqa: ARG001
    """One score an item, the same for every user: log(1 + summed faded weight).

    The logarithm keeps the few most popular items from drowning the other models in a blend.
    """
    return shared_scores(training.history.shape[0], _logs(training, config))


def foreseen(training: Training, items: ItemRows, seed: int) -> Floats:
    """(p,) log(1 + summed faded weight) that items of few users may come to, from what is written.

    Learnt from the items that enough users met, by ridge regression on their descriptions. Zeros
    where these are too few. items: (p,) rows.
    """
    logs = _logs(training, Config())[:, np.newaxis].astype(np.float32)
    new = np.zeros(len(logs), np.bool_)
    new[items] = True
    # scikit-learn takes 32 bits, and the seed of a night has more.
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    vectors = content.vectors(training.items, training.users, content.Config(), state).items
    features = np.hstack([vectors, np.ones((len(vectors), 1), np.float32)])
    users = np.bincount(training.history.indices, minlength=len(logs))
    logs[new] = 0.0
    found = mapped(features, logs, (users >= WARM_FROM) & ~new, new)
    return np.asarray(found[items, 0], np.float64)


def _logs(training: Training, config: aging.Aging) -> Floats:
    """(items,) log(1 + summed faded weight)."""
    weights = training.history.data * aging.fading(training, config).astype(np.float64)
    totals = np.bincount(training.history.indices, weights, int(training.history.shape[1]))
    return np.asarray(np.log1p(totals), np.float64)


def shared_scores(users: int, scores: np.ndarray) -> FactorModel:
    """A model that gives every user the same score of an item. scores: (items,)."""
    return FactorModel(
        user_factors=np.ones((users, 1), np.float32),
        item_factors=scores.astype(np.float32)[:, np.newaxis],
    )
