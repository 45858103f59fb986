"""Exposure spread over more items, as far as it costs little of how good the lists are.

Ranking shows everybody the same few items first. Each item gets a price that rises with the
attention it has got over all lists, and lists are ordered anew by score less price. A floor lowers
the prices of sellers that are shown too little. A cap besides keeps the number of lists that an
item is in, exactly.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from pydantic import Field, model_validator

from recsys.arrays import Floats, Ints
from recsys.evaluation.concentration import top_share
from recsys.evaluation.metrics import as_ranked, find_hits, ndcg
from recsys.evaluation.run_metrics import ERRORS_OF_95, RunMetric
from recsys.generators.contract import Arrays
from recsys.lists.admission import admitted, found_thresholds
from recsys.lists.contract import HeldBack, Pools, Recipients, Scope, StepConfig, StepContext
from recsys.lists.floors import MOST_STEPS, STEP, Floors
from recsys.lists.prices import PARTS, PricedMarket, attention, priced
from recsys.lists.ranked import RankedLists
from recsys.sections.base import READ_PLACES, Share

SCOPE: Final[Scope] = "market"
STRENGTHS: Final = (0.0, *(0.02 * 1.15**step for step in range(32)))
"""Deviations of a pool's scores that an item loses each time its exposure is e times as much."""
_COARSE: Final = 4
"""Strengths in between that the holdout is not asked of at first."""
_TOP: Final = 0.01
_OF_NDCG: Final = ("ndcg_loss", "ndcg_error")


class Config(StepConfig):
    """Targets of how exposure is spread; without any the step does nothing."""

    top_share: Share | None = None
    """Part of the attention that the 1 % of the items with most may get."""
    coverage: Share | None = None
    """Share of the available items that are in somebody's first 20 places."""
    ndcg_loss: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Part of NDCG@20 on the holdout that both targets may cost, a standard error included."""
    cap: Annotated[float, Field(ge=1)] | None = None
    """Times the mean number of lists an item that any item may be in; kept exactly, whatever it
    costs. It wants a `lists.pool` deeper than the lists, or these get short."""
    seller: str = ""
    """Path of the attribute of items that names who sells them; empty: there is none."""
    seller_floor: Share | None = None
    """Part of what an even split of the attention over items would give each seller's, that the
    seller gets at least, as far as `ndcg_loss` leaves room after the targets."""
    small_seller: Annotated[int, Field(gt=0)] | None = None
    """Available items up to which sellers have that floor; without it all have."""

    @model_validator(mode="after")
    def floor_has_sellers(self) -> Self:
        if bool(self.seller) != (self.seller_floor is not None):
            raise ValueError(
                "seller and seller_floor go together: one names the attribute of items, the other "
                "how much of an even share each of its values gets"
            )
        return self

    @property
    def spreads(self) -> bool:
        """Whether there is a target for prices."""
        return self.top_share is not None or self.coverage is not None


def plan(pools: Pools, context: StepContext, config: Config) -> Arrays:
    """Prices and thresholds of items, what they were shown before and after, and what it costs.

    The strength of the prices is the least that reaches the targets, or else the greatest that the
    holdout bears.
    """
    prices = np.zeros(context.items)
    if not config.spreads and config.cap is None and config.seller_floor is None:
        return {"prices": prices}
    before = _Shown.of(pools, context, _Order(prices))
    floors = _floors(context, config)
    market = None
    if context.held_back is not None:
        market = _Holdout.of(context.held_back(), context, floors)
    strength, steps = 0.0, 0
    if config.spreads and market is not None:
        borne = market.greatest_borne(len(STRENGTHS), lambda it: (STRENGTHS[it], 0), config)
        strength, prices = _least_needed(_priced_market(pools, context), before, config, borne)
    facts: Arrays = {}
    if floors is not None:
        if market is not None:
            steps = market.greatest_borne(MOST_STEPS + 1, lambda it: (strength, it), config)
        raised = floors.raised(_priced_market(pools, context), prices, steps)
        prices, facts = prices - raised, {"raised": raised}
    facts = {"prices": prices, **facts}
    if config.cap is not None:
        most = _cap(before.lists, config.cap, len(context.available))
        thresholds = found_thresholds(pools, context.items, context.length, prices, most)
        facts = {**facts, "thresholds": thresholds, "cap": np.array(most)}
    after = _Shown.of(pools, context, _Order.of(facts))
    figures = {"strength": strength, "unfilled": float(before.lists.sum() - after.lists.sum())}
    for when, each in (("before", before), ("after", after)):
        figures |= _figures(each.exposure, len(context.available), when)
        figures |= {} if floors is None else floors.figures(each.exposure, when)
    if floors is not None:
        figures |= {"sellers": float(len(floors.shares)), "most_raised": STEP * steps}
    if market is not None:
        figures |= market.figures(strength, steps, config.cap)
    shown = {"exposure": after.exposure, "exposure_before": before.exposure, "lists": after.lists}
    return {**facts, **shown, **{name: np.array(value) for name, value in figures.items()}}


def apply(
    lists: RankedLists,
    users: Recipients,
    facts: Arrays,
    config: Config,  # noqa: ARG001 - the facts have what it came to
) -> RankedLists:
    """The pools in order of score less price, without what does not admit the user."""
    return _Order.of(facts)(lists, users)


@dataclass(frozen=True)
class _Order:
    """What lists are made by."""

    prices: Floats
    thresholds: Ints | None = None
    """None without a cap."""

    @classmethod
    def of(cls, facts: Arrays) -> Self:
        return cls(facts["prices"], facts.get("thresholds"))

    def __call__(self, lists: RankedLists, users: Recipients) -> RankedLists:
        if self.thresholds is None:
            return priced(lists, self.prices)
        return admitted(lists, users, self.prices, self.thresholds)


@dataclass(frozen=True)
class _Shown:
    """What all lists together show."""

    exposure: Floats
    """(items,) attention to the first `READ_PLACES` places."""
    lists: Ints
    """(items,) published lists that hold each."""

    @classmethod
    def of(cls, pools: Pools, context: StepContext, order: _Order) -> Self:
        def counted(lists: RankedLists, users: Recipients) -> Arrays:
            first = order(lists, users).cut(context.length)
            held = np.bincount(first.item_rows, minlength=context.items)
            return {"exposure": attention(first, context.items, READ_PLACES), "lists": held}

        found = pools.summed(counted)
        return cls(found["exposure"] / PARTS, found["lists"].astype(np.int64))


def _figures(shown: Floats, available: int, when: str) -> dict[str, float]:
    """Coverage and the share of the top, by names that end in `when`."""
    return {
        f"coverage_{when}": float((shown > 0).sum()) / max(available, 1),
        f"top_share_{when}": top_share(shown, available, _TOP) or 0.0,
    }


def _reached(shown: Floats, available: int, config: Config) -> bool:
    coverage, share = _figures(shown, available, "").values()
    low = config.coverage is not None and coverage < config.coverage
    high = config.top_share is not None and share > config.top_share
    return not (high or low)


def _priced_market(pools: Pools, context: StepContext) -> PricedMarket:
    places = min(READ_PLACES, context.length)
    return PricedMarket(pools, context.items, len(context.available), places)


def _floors(context: StepContext, config: Config) -> Floors | None:
    if config.seller_floor is None:
        return None
    attributes = context.training.items.attributes
    return Floors.of(
        attributes, config.seller, context.available, config.seller_floor, config.small_seller
    )


def _cap(lists: Ints, multiple: float, available: int) -> int:
    return max(1, math.floor(multiple * float(lists.sum()) / max(available, 1)))


@dataclass(frozen=True)
class _Holdout:
    """The users of the holdout as a market of their own: its prices come from its own exposure.

    Those of everybody's lists would not do. These are made with what was held back, so what people
    turned to is shown to more and asks a higher price than it would have.
    """

    held: HeldBack
    context: StepContext
    floors: Floors | None

    @classmethod
    def of(cls, held: HeldBack, context: StepContext, floors: Floors | None) -> "_Holdout | None":
        """None where there are too few users for a standard error."""
        if len(held.relevant.offsets) < 3:
            return None
        return cls(held, context, floors)

    def prices(self, strength: float, steps: int) -> Floats:
        """(items,) prices of a strength, with floors for so many steps at most."""
        prices, market = np.zeros(self.context.items), _priced_market(self.held.pools, self.context)
        if strength:
            prices = market.balanced(market.exposure(prices), strength)
        if self.floors is None or not steps:
            return prices
        return prices - self.floors.raised(market, prices, steps)

    def greatest_borne(
        self, count: int, prices: Callable[[int], tuple[float, int]], config: Config
    ) -> int:
        """The greatest number below `count` whose prices cost no more than allowed; 0 costs none.

        prices: the strength and the steps of a number.
        """
        before = self.ndcg(_Order(np.zeros(self.context.items)))

        def is_borne(number: int) -> bool:
            lost = before - self.ndcg(_Order(self.prices(*prices(number))))
            return bool(lost.mean() + _error(lost) <= config.ndcg_loss * before.mean())

        return _greatest(count, is_borne)

    def ndcg(self, order: _Order) -> Floats:
        """(u,) NDCG@20 of each user's list."""
        places = min(READ_PLACES, self.context.length)
        lists = [as_ranked(order(pools, users).items, places) for pools, users in self.held.chunks]
        return ndcg(find_hits(np.concatenate(lists), self.held.relevant), READ_PLACES)

    def figures(self, strength: float, steps: int, multiple: float | None) -> dict[str, float]:
        """What prices of a strength, floors and a cap cost here."""
        prices, thresholds, context = self.prices(strength, steps), None, self.context
        if multiple is not None:
            lists = _Shown.of(self.held.pools, context, _Order(prices)).lists
            most = _cap(lists, multiple, len(context.available))
            thresholds = found_thresholds(
                self.held.pools, context.items, context.length, prices, most
            )
        before = self.ndcg(_Order(np.zeros(context.items)))
        lost = before - self.ndcg(_Order(prices, thresholds))
        return {
            "ndcg_before": float(before.mean()),
            "ndcg_loss": float(lost.mean()),
            "ndcg_error": _error(lost),
            "holdout_users": float(len(before)),
        }


def _error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _greatest(count: int, is_borne: Callable[[int], bool]) -> int:
    """The greatest number below `count` that is borne; 0 always is.

    A few users' loss does not rise evenly, and bisection alone would stop at its first bump: so a
    coarse grid is gone down first, and the gap above what is borne there is bisected.
    """
    coarse = range(count - 1, 0, -_COARSE)
    borne = next((number for number in coarse if is_borne(number)), 0)
    too_much = min(borne + _COARSE, count)
    while too_much - borne > 1:
        middle = (borne + too_much) // 2
        borne, too_much = (middle, too_much) if is_borne(middle) else (borne, middle)
    return borne


def _least_needed(
    market: PricedMarket, before: _Shown, config: Config, borne: int
) -> tuple[float, Floats]:
    """The least strength that reaches the targets, found by bisection up to the greatest that is
    borne, which is what is left where none does; and its prices."""

    def tried(number: int) -> tuple[Floats, bool]:
        prices = market.balanced(before.exposure, STRENGTHS[number])
        return prices, _reached(market.exposure(prices), market.available, config)

    if borne == 0 or _reached(before.exposure, market.available, config):
        return 0.0, np.zeros(market.items)
    short, enough = 0, borne
    prices, good = tried(enough)
    while good and enough - short > 1:
        middle = (short + enough) // 2
        other, reached = tried(middle)
        if reached:
            prices, enough = other, middle
        else:
            short = middle
    return STRENGTHS[enough], prices


def metrics(facts: Arrays) -> list[RunMetric]:
    """See `recsys.lists.contract.Reporting`."""
    if "strength" not in facts:
        return []
    values = _scalars(facts)
    rows = [
        RunMetric(f"exposure_{name}", values[f"{name}_{when}"], label=when)
        for name in ("coverage", "top_share")
        for when in ("before", "after")
    ]
    rows += [RunMetric(f"exposure_{name}", values[name]) for name in ("strength", "unfilled")]
    if "sellers" in values:
        rows.append(RunMetric("exposure_sellers", values["sellers"]))
        rows += [
            RunMetric(f"exposure_{name}", values[f"{said}_{when}"], label=when)
            for name, said in (("sellers_short", "short"), ("sellers_share", "sellers_share"))
            for when in ("before", "after")
        ]
    if "cap" in values:
        rows.append(RunMetric("exposure_cap", values["cap"]))
        rows.append(RunMetric("exposure_most_lists", float(facts["lists"].max(initial=0))))
    if "ndcg_loss" in values and values["ndcg_before"]:
        loss, error = (values[name] / values["ndcg_before"] for name in _OF_NDCG)
        reach = ERRORS_OF_95 * error
        rows.append(RunMetric("exposure_ndcg_loss", loss, low=loss - reach, high=loss + reach))
    return rows


def summary(facts: Arrays) -> str:
    """See `recsys.lists.contract.Reporting`."""
    if "strength" not in facts:
        return ""
    values = _scalars(facts)
    shares = {name: f"{100.0 * value:.1f} %" for name, value in values.items()}
    line = (
        f"top 1 % {shares['top_share_before']} -> {shares['top_share_after']}, "
        f"coverage {shares['coverage_before']} -> {shares['coverage_after']}, "
    )
    if values.get("ndcg_before"):
        loss, error = (100.0 * values[n] / values["ndcg_before"] for n in _OF_NDCG)
        line += f"NDCG {-loss:+.1f} % (error {error:.1f} %) on the holdout of "
        line += f"{values['holdout_users']:.0f} users"
    else:
        line += "no holdout to measure NDCG on"
    line += f"; strength {values['strength']:.2f}"
    if "sellers" in values:
        line += (
            f"; {values['short_before']:.0f} -> {values['short_after']:.0f} of "
            f"{values['sellers']:.0f} sellers below their floor, raised by at most "
            f"{values['most_raised']:.1f}, all with {shares['sellers_share_before']} -> "
            f"{shares['sellers_share_after']} of the exposure"
        )
    if "cap" in values:
        full = int((facts["thresholds"] > 0).sum())
        line += f"; no item on more than {values['cap']:.0f} lists, {full} turned users away"
    if values["unfilled"]:
        line += f"; {values['unfilled']:.0f} places are empty, a deeper lists.pool fills them"
    return line


def remark(facts: Arrays, item: int, before: int | None, after: int | None) -> str:
    """See `recsys.lists.contract.Reporting`."""
    if "strength" not in facts or before == after or before is None:
        return ""
    mean = facts["exposure_before"].sum() / max(np.count_nonzero(facts["exposure_before"]), 1)
    times = facts["exposure_before"][item] / mean if mean else 0.0
    shown = f"shown {times:.1f} times as much as the mean item, price {facts['prices'][item]:.2f}"
    if after is None:
        count = int(facts["lists"][item])
        return f"left out: on {count} lists already, of users who score it higher ({shown})"
    if after > before and "raised" in facts and facts["prices"][item] <= 0:
        return "moved down: sellers that are shown to few have been raised past it"
    if after > before:
        return f"moved down: shown to many already ({shown})"
    if "raised" in facts and facts["raised"][item] > 0:
        return f"moved up: its seller is shown to few (raised by {facts['raised'][item]:.1f})"
    return f"moved up: those above were shown to more ({shown})"


def _scalars(facts: Arrays) -> Mapping[str, float]:
    return {name: float(array) for name, array in facts.items() if not array.shape}
