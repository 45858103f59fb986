"""Appeal: how many of those who met an item liked it, the same for every user.

Whoever has only seen an item, or passed on a person after a look, has met it and said no: evidence
against it, where to popularity it is nothing. Without such meetings all scores are the same.
"""

from typing import Final

import numpy as np

from recsys.dataset.training import Training
from recsys.generators.contract import GeneratorConfig, Search, Span
from recsys.generators.factors import FactorModel
from recsys.generators.popularity import shared_scores
from recsys.sections.base import NonNegative

MODEL: Final = FactorModel
SEARCH: Final[Search] = {"smoothing": Span(1.0, 100.0, log=True)}


class Config(GeneratorConfig):
    """Doubt about items that few have met."""

    weight: NonNegative = 0.0
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    smoothing: NonNegative = 10.0
    """Meetings' worth of doubt: the share of all meetings with a yes counts as so many more."""


def fit(training: Training, config: Config, seed: int) -> FactorModel:  # noqa: ARG001
    """(l + m p) / (n + m): l users liked the item of n who met it; p is l / n of all items."""
    users, items = training.history.shape
    columns, liked = training.history.indices, training.history.data > 0
    met = np.bincount(columns, minlength=items).astype(np.float64)
    likes = np.bincount(columns, liked, items)
    overall = likes.sum() / max(met.sum(), 1.0)
    meetings = np.maximum(met + config.smoothing, 1.0)
    return shared_scores(users, (likes + config.smoothing * overall) / meetings)
