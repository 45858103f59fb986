"""Popularity: the same score of an item for every user."""

from typing import Final

import numpy as np

from recsys.dataset.training import Training
from recsys.generators import aging
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
    weights = training.history.data * aging.fading(training, config).astype(np.float64)
    users, items = training.history.shape
    totals = np.bincount(training.history.indices, weights, items)
    return shared_scores(users, np.log1p(totals))


def shared_scores(users: int, scores: np.ndarray) -> FactorModel:
    """A model that gives every user the same score of an item. scores: (items,)."""
    return FactorModel(
        user_factors=np.ones((users, 1), np.float32),
        item_factors=scores.astype(np.float32)[:, np.newaxis],
    )
