"""Exposure spread over more items, as far as it costs little of how good the lists are.

Ranking shows everybody the same few items first. Each item gets a price that rises with the
attention it has got over all lists, and lists are ordered anew by score less price.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from recsys.arrays import Floats
from recsys.evaluation.concentration import top_share
from recsys.evaluation.metrics import as_ranked, find_hits, ndcg
from recsys.generators.contract import Arrays
from recsys.lists.contract import HeldBack, Pools, Recipients, Scope, StepConfig, StepContext
from recsys.lists.ranked import RankedLists
from recsys.sections.base import READ_PLACES, Share

SCOPE: Final[Scope] = "market"
STRENGTHS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6)
"""Deviations of a pool's scores that an item with e times the mean exposure loses."""
ROUNDS: Final = 10
"""Times that all lists are ordered anew to find prices."""
_PARTS: Final = 2.0**20
_EVEN: Final = 0.5
"""Part of the mean exposure that is added to each: an item without any is not worth everything."""


class Config(StepConfig):
    """Targets of how exposure is spread; without one the step does nothing."""

    top_share: Share | None = None
    """Part of the attention that the 1 % of the items with most may get."""
    coverage: Share | None = None
    """Share of the available items that are in somebody's first 20 places."""
    ndcg_loss: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Part of NDCG@20 on the holdout that this may cost."""


def plan(pools: Pools, context: StepContext, config: Config) -> Arrays:
    """Prices of items, in deviations of a pool's scores, and their exposure before and after.

    The strength is the least that reaches the targets, or else the greatest that the holdout bears.
    """
    prices = np.zeros(context.items)
    if (config.top_share is None and config.coverage is None) or context.held_back is None:
        return {"prices": prices}
    exposure = partial(_exposure, pools, context.items)
    before = exposure(prices)
    allowed = _allowed(context.held_back(), len(context.available), context.items, config.ndcg_loss)
    after = before
    for strength in allowed:
        prices = balanced(exposure, before, strength, len(context.available))
        after = exposure(prices)
        if _reached(after, len(context.available), config):
            break
    return {"prices": prices, "before": before, "after": after}


def apply(
    lists: RankedLists,
    users: Recipients,  # noqa: ARG001
    facts: Arrays,
    config: Config,  # noqa: ARG001 - the facts have what it came to
) -> RankedLists:
    """The pools in order of their scores, in deviations, less the items' prices."""
    return priced(lists, facts["prices"])


def priced(lists: RankedLists, prices: Floats) -> RankedLists:
    """The lists in order of score less price; as they stand where that is equal.

    prices: (items,) in standard deviations of each list's scores.
    """
    if not prices.any():
        return lists
    lines, counts = lists.items.lines(), np.maximum(lists.items.lengths, 1)
    scores, users = lists.scores.astype(np.float64), len(counts)
    mean = np.bincount(lines, scores, users) / counts
    spread = np.sqrt(np.bincount(lines, (scores - mean[lines]) ** 2, users) / counts)
    spread[spread == 0.0] = 1.0
    worth = scores / spread[lines] - prices[lists.item_rows]
    return lists.entries(lists.offsets, np.lexsort((-worth, lines)))


def balanced(
    exposure: Callable[[Floats], Floats], before: Floats, strength: float, available: int
) -> Floats:
    """(items,) prices strength x log of exposure over its mean, by Frank-Wolfe for the entropy of
    exposure: lists are ordered by the prices so far, and the exposure moves towards theirs.

    exposure: by prices. before: (items,) without any.
    """
    mean, seen = before.sum() / max(available, 1), before
    for step in range(ROUNDS):
        rate = 2.0 / (step + 3.0)
        seen = (1.0 - rate) * seen + rate * exposure(_prices(seen, mean, strength))
    return _prices(seen, mean, strength)


def _prices(seen: Floats, mean: float, strength: float) -> Floats:
    if not mean > 0.0:
        return np.zeros(len(seen))
    return np.asarray(strength * np.log(seen / mean + _EVEN))


def _exposure(pools: Pools, items: int, prices: Floats) -> Floats:
    """(items,) attention to the first places of all lists."""

    def counted(lists: RankedLists, users: Recipients) -> Arrays:  # noqa: ARG001
        return {"exposure": _attention(priced(lists, prices), items)}

    return pools.summed(counted)["exposure"] / _PARTS


def _attention(lists: RankedLists, items: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(items,) attention in whole parts of 2^-20, so that sums depend on no order."""
    first = lists.cut(READ_PLACES)
    parts = np.round(_PARTS / np.log2(2.0 + first.places()))
    return np.bincount(first.item_rows, parts, items).astype(np.int64)


def _allowed(held: HeldBack, available: int, items: int, loss: float) -> Sequence[float]:
    """The strengths up to the first that costs more on the holdout.

    The users of the holdout are a market of their own there.
    """

    def exposure(prices: Floats) -> Floats:
        counts = [_attention(priced(lists, prices), items) for lists, _ in held.chunks]
        return np.asarray(np.sum(counts, axis=0) / _PARTS)

    nothing = np.zeros(items)
    before, good = exposure(nothing), _ndcg(held, nothing)
    for kept, strength in enumerate(STRENGTHS):
        prices = balanced(exposure, before, strength, available)
        if _ndcg(held, prices) < (1.0 - loss) * good:
            return STRENGTHS[:kept]
    return STRENGTHS


def _ndcg(held: HeldBack, prices: Floats) -> float:
    lists = [as_ranked(priced(lists, prices).items, READ_PLACES) for lists, _ in held.chunks]
    return float(ndcg(find_hits(np.concatenate(lists), held.relevant), READ_PLACES).mean())


def _reached(exposure: Floats, available: int, config: Config) -> bool:
    share = top_share(exposure, available, 0.01)
    high = config.top_share is not None and (share or 0.0) > config.top_share
    low = config.coverage is not None and (exposure > 0).sum() < config.coverage * available
    return not (high or low)
