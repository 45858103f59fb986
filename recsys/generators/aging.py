"""What is long ago counts less: a half-life and a window of each generator's own.

In a night the weights have faded by their event type's half-life before; this comes on top, and is
all there is where a generator looks at ones.
"""

from typing import Final, Literal

import numpy as np
from scipy import sparse

from recsys.arrays import Mask
from recsys.dataset.training import Training
from recsys.generators.contract import GeneratorConfig, Search, Span
from recsys.generators.factors import Factors
from recsys.sections.base import Positive

AUTO: Final = 0.5
"""Half-life in median ages of what users liked, where it is "auto"."""
SEARCH: Final[Search] = {
    "half_life_days": Span(3.0, 1000.0, log=True, words=("auto", "never")),
    "window_days": Span(30.0, 1000.0, log=True, words=("all",)),
}
"""Of every generator that ages."""


HalfLife = Positive | Literal["auto", "never"]


class Aging(GeneratorConfig):
    """Fields of a generator to which what is long ago counts less."""

    half_life_days: HalfLife = "auto"
    """Days since the last event after which what a user did with an item counts half; "auto" is
    half the median of these days over all that users liked."""
    window_days: Positive | Literal["all"] = "all"
    """Days since the last event after which it no longer counts at all."""


def fading(training: Training, config: Aging) -> Factors:
    """(stored cells,) share of each cell that is left: 0.5^(age / half-life), 0 outside the window.

    The age is that of the pair's last event. Where times lack, all ages are 0 and all shares 1.
    """
    ages = training.last_ages.astype(np.float64)
    half_life = _half_life(training, config)
    left = np.ones(len(ages)) if half_life is None else np.power(0.5, ages / half_life)
    if config.window_days != "all":
        left[ages > config.window_days] = 0.0
    return left.astype(np.float32)


def faded(training: Training, cells: Factors) -> sparse.csr_matrix:
    """(users, items) the cells that users liked, those of 0 not stored. cells: (stored cells,)."""
    matrix = training.history.copy()
    matrix.data = np.where(liked(training), cells, np.float32(0))
    matrix.eliminate_zeros()
    return matrix


def liked(training: Training) -> Mask:
    """(stored cells,) True where the user liked the item, False where it was only seen."""
    return np.asarray(training.history.data > 0)


def _half_life(training: Training, config: Aging) -> float | None:
    """Days; None where nothing fades."""
    if config.half_life_days == "never":
        return None
    if config.half_life_days != "auto":
        return config.half_life_days
    ages = training.last_ages[liked(training)]
    return AUTO * float(np.median(ages)) or None if len(ages) else None
