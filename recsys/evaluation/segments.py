"""Users by how much a model could learn about them."""

from typing import Final

from recsys.evaluation.concentration import Ints
from recsys.evaluation.metrics import Mask

WARM_FROM: Final = 5
"""Training items from which on a user is warm."""


def by_activity(touched: Ints) -> dict[str, Mask]:
    """(u,) masks of warm users (5 training items or more), cold (1-4) and unseen ones (none).

    touched: (u,) number of each user's training items.
    """
    warm, unseen = touched >= WARM_FROM, touched == 0
    return {"warm": warm, "cold": ~(warm | unseen), "unseen": unseen}
