"""Popularity of the last days."""

from typing import Final

import numpy as np

from recsys.dataset.training import Training
from recsys.generators.contract import GeneratorConfig, Search, Span
from recsys.generators.factors import FactorModel
from recsys.generators.popularity import shared_scores
from recsys.sections.base import NonNegative, Positive

MODEL: Final = FactorModel
SEARCH: Final[Search] = {"half_life_days": Span(0.5, 365.0, log=True)}


class Config(GeneratorConfig):
    """Decay of the past."""

    weight: NonNegative = 0.3
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    half_life_days: Positive = 7.0
    """Days after which a user's interest counts half."""


def fit(training: Training, config: Config, seed: int) -> FactorModel:  # noqa: ARG001
    """One score an item, the same for every user: log(1 + users, each 0.5^(age / half-life)).

    The age is that of the user's first event with the item. Only what was liked counts. Where times
    lack nothing has a trend, and all scores are 0.
    """
    liked = training.history.data > 0
    fading = np.power(0.5, training.ages.astype(np.float64) / config.half_life_days)
    users, items = training.history.shape
    if not training.ages.any():
        fading[:] = 0.0
    totals = np.bincount(training.history.indices, fading * liked, items)
    return shared_scores(users, np.log1p(totals))
