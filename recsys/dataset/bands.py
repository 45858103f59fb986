"""Bands of users by how much is known of them: each may need another way to order its lists."""

from typing import Final

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ints

WARM_FROM: Final = 5
"""Items touched from which on a user is warm, and a vector of theirs is left as it was trained."""
BANDS: Final = ("warm", "cold", "unseen")
"""Users with that many items, with fewer, with none."""
UNSEEN: Final = BANDS[2]


def bands_of(touched: Ints) -> Ints:
    """(users,) the place in `BANDS` of each user. touched: (users,) number of items touched."""
    few = np.where(touched > 0, 1, 2)
    return np.where(touched >= WARM_FROM, 0, few).astype(np.int64)


def band_names(touched: Ints) -> npt.NDArray[np.str_]:
    """(users,) the name of each user's band. touched: as for `bands_of`."""
    return np.array(BANDS)[bands_of(touched)]


def members_of(bands: Ints) -> dict[str, npt.NDArray[np.bool_]]:
    """(users,) mask of each band, by its name."""
    return {name: bands == place for place, name in enumerate(BANDS)}
