"""Concentration of exposure over items."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.arrays import Floats, Ints

_PARTS: Final = 2.0**30
_LORENZ_POINTS: Final = 101
_TENTHS: Final = 10


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


def lorenz(amounts: Floats, n: int) -> tuple[Floats, Floats] | None:
    """The Lorenz curve of amounts over n holders at each percent: shares of the holders, those with
    the least first, and the share of everything that these have together.

    amounts: (m,) what m of the n holders have; the others have nothing. None where nobody has
    anything.
    """
    total = float(amounts.sum())
    if total <= 0.0:
        return None
    n = max(n, len(amounts))
    sums = np.concatenate([np.zeros(n - len(amounts) + 1), np.cumsum(np.sort(amounts))])
    at = np.linspace(0.0, 1.0, _LORENZ_POINTS)
    return at, np.interp(at, np.linspace(0.0, 1.0, n + 1), sums / total)


@dataclass(frozen=True)
class Tenth:
    """A tenth of the items, by how many users touched them."""

    touched: int
    """Users who touched the one that most did."""
    shown: float
    """Share of its items that are in at least one list."""
    exposure: float
    """Share of all exposure that its items get."""


def by_popularity(touched: Ints, exposure: Floats) -> list[Tenth]:
    """What tenths of the items get, the least popular first; fewer where there are fewer items.

    touched: (n_items,) users who touched each. exposure: (n_items,) see `exposures`.
    """
    order = np.argsort(touched, kind="stable")
    total = max(float(exposure.sum()), np.finfo(float).tiny)
    return [
        Tenth(
            int(touched[part].max()),
            float((exposure[part] > 0).mean()),
            float(exposure[part].sum()) / total,
        )
        for part in np.array_split(order, _TENTHS)
        if len(part)
    ]
