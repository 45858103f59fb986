"""Popularity within a user's segment, for those of whom little else is known."""

from typing import Final

import numpy as np
from scipy import sparse

from recsys.dataset.segments import liking_shares, segment_members, smoothed
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
    """Score items by the smoothed share of the segment's users who like them.

    Each user counts by min(weight, 1). A user without a segment gets zeros.
    """
    liked = training.history.copy()
    liked.data = np.minimum(liked.data, 1.0)
    count = int(training.segments.max(initial=-1)) + 1
    members = segment_members(training.segments, count, np.float32)
    sizes = np.diff(members.indptr).astype(np.float32)
    likes = (members @ liked).toarray()
    shares = smoothed(likes, sizes, liking_shares(liked), config.smoothing)
    return NeighbourModel(members.T.tocsr(), sparse.csr_matrix(shares, dtype=np.float32))
