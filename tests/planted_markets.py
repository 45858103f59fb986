"""Made-up markets of people in which both must say yes."""

import numpy as np

from recsys.arrays import Floats
from recsys.matching.market import Market


def popular_market(sides: tuple[int, int], popularity: float, seed: int) -> Market:
    """Two sides as in Tomita and Yokoyama 2024, section 5: chances of a yes are part a person's
    own, uniform, and part common, falling evenly from 1 to 0 along the other side."""
    rng = np.random.default_rng(seed)
    first, second = sides
    return Market.two_sided(
        _chances(rng, first, second, popularity), _chances(rng, second, first, popularity)
    )


def _chances(rng: np.random.Generator, people: int, others: int, popularity: float) -> Floats:
    own, common = rng.random((people, others)), np.linspace(1.0, 0.0, others)
    return np.asarray((1.0 - popularity) * own + popularity * common)
