"""Popularity within a user's segment, for those of whom little else is known."""

from typing import Final

import numpy as np
from scipy import sparse

from recsys.dataset.training import Training
from recsys.generators.contract import GeneratorConfig, Search, Span
from recsys.generators.neighbours import NeighbourModel
from recsys.sections.base import NonNegative

MODEL: Final = NeighbourModel
SEARCH: Final[Search] = {"smoothing": Span(1.0, 500.0, log=True)}


class Config(GeneratorConfig):
    """Smoothing of small segments towards everybody."""

    weight: NonNegative = 0.3
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    smoothing: NonNegative = 20.0
    """Users' worth of everybody's taste that each segment's shares are mixed with."""


def fit(training: Training, config: Config, seed: int) -> NeighbourModel:  # noqa: ARG001
    """Score (s + m p) / (n + m): the share of the segment's n users who like the item, smoothed.

    s counts each user by min(weight, 1); p is the share among all users. A user without a segment
    gets zeros.
    """
    liked = training.history.copy()
    liked.data = np.minimum(liked.data, 1.0)
    members = np.flatnonzero(training.segments >= 0)
    segments = int(training.segments.max(initial=-1)) + 1
    cells = (np.ones(len(members), np.float32), (members, training.segments[members]))
    belongs = sparse.csr_matrix(cells, shape=(liked.shape[0], segments))
    sizes = np.asarray(belongs.sum(axis=0)).ravel()
    overall = np.asarray(liked.sum(axis=0)).ravel() / max(liked.shape[0], 1)
    shares = (belongs.T @ liked).toarray() + config.smoothing * overall
    shares /= np.maximum(sizes + config.smoothing, 1.0)[:, np.newaxis]
    return NeighbourModel(belongs, sparse.csr_matrix(shares, dtype=np.float32))
