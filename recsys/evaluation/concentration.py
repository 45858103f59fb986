"""Concentration of exposure over items."""

import math
from typing import Final

import numpy as np

from recsys.arrays import Floats, Ints

_PARTS: Final = 2.0**30


def exposures(items: Ints, ranks: Ints, n_items: int) -> Floats:
    """(n_items,) attention each item gets: the sum of 1 / log2(1 + rank) over its places.

    items: (places,) row number of the item in a place. ranks: (places,) its rank, from 1.
    The discount is that of DCG (Järvelin and Kekäläinen 2002), here in whole parts of 2^-30, so
    that sums do not depend on the order of places.
    """
    discounts = np.round(_PARTS / np.log2(1.0 + ranks)) / _PARTS
    return np.bincount(items, weights=discounts, minlength=n_items).astype(np.float64)


def top_share(amounts: Floats, n: int, part: float) -> float | None:
    """Share of everything that a part of n holders has, those with the most; at least one of them.

    amounts: (m,) what m of the n holders have; the others have nothing. None where nobody has
    anything.
    """
    total = float(amounts.sum())
    if total <= 0.0:
        return None
    leading = max(1, math.ceil(part * max(n, len(amounts))))
    return float(np.sort(amounts)[::-1][:leading].sum()) / total


def gini(amounts: Floats, n: int) -> float | None:
    """Gini coefficient of amounts over n holders: 0 = all have the same, near 1 = one has all.

    amounts: (m,) what m of the n holders have; the others have nothing.
    None where nobody has anything. Formula: Dixon et al. 1987, eq. 1.
    """
    total = float(amounts.sum())
    if total <= 0.0:
        return None
    n = max(n, len(amounts))
    places = np.arange(n - len(amounts) + 1, n + 1)
    weighted = float((places * np.sort(amounts)).sum())
    return max(0.0, 2.0 * weighted / (n * total) - (n + 1) / n)
