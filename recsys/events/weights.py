"""Weights of events.

Weights add up in fixed point, so that the sum does not depend on the order of the events.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from recsys.sections.events import Event

FRACTION_BITS: Final = 32
"""Weights are multiples of 2**-32: evidence that has faded 32 half-lives counts as nothing."""
MAX_WEIGHT: Final = float(2**20)
"""An event's weight is cut here, so that 2,048 of the largest still fit 64 bits. Events whose value
alone takes them there are no evidence, but rejected."""
SECONDS_PER_DAY: Final = 86_400.0


def fixed_weights(
    values: npt.NDArray[np.float64], age_days: npt.NDArray[np.float64], event: Event
) -> npt.NDArray[np.int64]:
    """Weight of each event of one type: w * 0.5**(age / half-life), in units of 2**-32.

    values: (n,) the events' own values, NaN where they have none.
    age_days: (n,) days from the event to the as-of.
    Events below `min_value`, and those whose value would make them negative, weigh 0.
    """
    has_value = ~np.isnan(values)
    weights = np.full(values.shape, event.weight)
    if event.use_value:
        weights = np.where(has_value, weights * values, weights)
    if event.min_value is not None:
        weights = np.where(has_value & (values < event.min_value), 0.0, weights)
    if event.half_life_days is not None:
        weights = weights * np.power(0.5, age_days / event.half_life_days)
    fixed = np.floor(np.clip(weights, 0.0, MAX_WEIGHT) * 2.0**FRACTION_BITS)
    return np.asarray(fixed, dtype=np.int64)
