"""What became of lists: who found whom, as it was said and not as it was expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.evaluation.concentration import gini
from recsys.evaluation.significance import LEVEL, Interval, Paired, mean_intervals, paired
from recsys.matching.lists import Balance, attention_of, inbox_lists, simultaneous_lists
from recsys.matching.market import Market

ONE_SIDED: Final = "one-sided"
RECIPROCAL: Final = "reciprocal"
CAPACITY: Final = 2
"""Lists that a person is on at most where that is bounded, by the places of a list."""
_RESAMPLES: Final = 1000


@dataclass(frozen=True)
class BothWays:
    """Figures of (n,) pairs: of the one about the other, and of the other about the one."""

    forth: Floats
    back: Floats

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        return cls(
            np.concatenate([part.forth for part in parts]),
            np.concatenate([part.back for part in parts]),
        )


@dataclass(frozen=True)
class Judged:
    """Pairs of people with what is thought of them, and what came of them."""

    people: tuple[Ints, Ints]
    """(pairs,) rows of the one and of the other."""
    turns: Ints
    """(people,) see `Market`."""
    chances: BothWays
    """(pairs,) of a yes."""
    raw: BothWays
    """(pairs,) scores in [0, 1] that are not calibrated."""
    both: Mask
    """(pairs,) whether both said yes."""
    listers: Mask
    """(people,) whose lists count."""
    listed: Mask
    """(people,) who can be on a list."""
    joint: Floats | None = None
    """(pairs,) see `Market`."""
    parts: int = 1
    """As how many each person is there."""

    def market(self, ways: BothWays, joint: Floats | None = None) -> Market:
        """With figures of (pairs,) as chances."""
        return Market.of(self.people, (ways.forth, ways.back), self.turns, joint)

    def random(self, seed: int) -> Market:
        """With random numbers as chances."""
        rng, pairs = np.random.default_rng(seed), len(self.both)
        # Of (0, 1]: nobody is listed whose chance is 0.
        return self.market(BothWays(1.0 - rng.random(pairs), 1.0 - rng.random(pairs)))


@dataclass(frozen=True)
class Realised:
    """What lists came to, by person."""

    matches: Floats
    """(p,) matches of each."""
    rate: Floats
    """(p,) share of the own list that are people with whom both say yes; NaN without a list."""
    exposure: Floats
    """(q,) attention to each who could be listed."""

    @classmethod
    def of(cls, market: Market, lists: Ragged, both: Floats, *, found: bool) -> "Realised":
        """Of all people of a market.

        both: (places,) 1 where both said yes, else 0. found: whether a match takes that either is
        on the other's list, since both see lists, and not only a place on one's.
        """
        places = np.zeros(len(both))
        places[lists.values] = 1.0
        hits = places * both
        owners, people = market.candidates.lines(), market.people
        matches = hits * places[market.mirror] if found else hits
        listed = np.bincount(owners, places, people)
        nothing = np.full(people, np.nan)
        attention = np.zeros(len(both))
        attention[lists.values] = attention_of(lists)
        return cls(
            matches=np.bincount(owners, matches, people).astype(np.float64),
            rate=np.divide(
                np.bincount(owners, hits, people), listed, out=nothing, where=listed > 0
            ),
            exposure=np.bincount(market.candidates.values, attention, people).astype(np.float64),
        )

    def of_parts(self, parts: int, listers: Mask, listed: Mask) -> "Realised":
        """Of people each of whom is there several times, as one after the other; means over these.

        listers, listed: (people,) whose lists count, and who can be on one.
        """
        shape = (parts, -1)
        counted = np.where(listers, self.matches, np.nan).reshape(shape)
        rate = np.where(listers, self.rate, np.nan).reshape(shape)
        seen = listed.reshape(shape).any(axis=0)
        exposure = self.exposure.reshape(shape).sum(axis=0)[seen]
        return Realised(_mean(counted), _mean(rate), exposure)

    def figures(self, seed: int) -> "Figures":
        """Means over people with their intervals; other people are drawn for the concentration."""
        alone = np.where(np.isnan(self.matches), np.nan, self.matches == 0.0)
        means = mean_intervals(
            {"matches": self.matches, "rate": self.rate, "none": alone}, seed, resamples=_RESAMPLES
        )
        return Figures(**means, gini=_gini(self.exposure, seed))


@dataclass(frozen=True)
class Figures:
    """Figures of lists, each with its interval; None where there is nothing."""

    matches: Interval | None
    """Matches a person."""
    rate: Interval | None
    """Share of the places of a list at which both say yes."""
    none: Interval | None
    """Share of people without a match."""
    gini: Interval | None
    """Concentration of exposure."""


def _mean(parts: Floats) -> Floats:
    """(p,) means over (parts, p) of what there is; NaN where there is nothing."""
    there = ~np.isnan(parts)
    sums, counts = np.where(there, parts, 0.0).sum(axis=0), there.sum(axis=0)
    nothing = np.full(len(sums), np.nan)
    return np.asarray(np.divide(sums, counts, out=nothing, where=counts > 0))


def _gini(exposure: Floats, seed: int) -> Interval | None:
    estimate = gini(exposure, len(exposure))
    if estimate is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = [
        found
        for _ in range(_RESAMPLES)
        if (found := gini(rng.choice(exposure, len(exposure)), len(exposure))) is not None
    ]
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail]).tolist()
    return Interval(estimate, low, high)


@dataclass(frozen=True)
class JudgedLists:
    """Lists that were judged: what each way of making them came to."""

    length: int
    found: bool
    """Whether a match takes that each is on the other's list."""
    figures: Mapping[str, Figures]
    """By the way that lists are made."""
    gains: Mapping[str, Paired]
    """Matches of each other way against the one-sided one, person by person."""


def judge(judged: Judged, length: int, seed: int, *, found: bool) -> JudgedLists:
    """Figures of lists by the way that they are made. found: see `Realised.of`."""
    market = judged.market(judged.chances, judged.joint)
    said = judged.both.astype(np.float64)
    both = judged.market(BothWays(said, said)).likes
    ways = lists_by_way(market, judged.market(judged.raw), judged.random(seed), length)
    realised = {
        name: Realised.of(market, lists, both, found=found).of_parts(
            judged.parts, judged.listers, judged.listed
        )
        for name, lists in ways.items()
    }
    base = realised[ONE_SIDED].matches
    return JudgedLists(
        length=length,
        found=found,
        figures={name: each.figures(seed) for name, each in realised.items()},
        gains={
            name: paired(each.matches, base, seed)
            for name, each in realised.items()
            if name != ONE_SIDED
        },
    )


def lists_by_way(market: Market, raw: Market, chance: Market, length: int) -> Mapping[str, Ragged]:
    """Places of everybody's lists, by the way they are made.

    raw, chance: the same pairs with scores that are not calibrated, and with random numbers. A
    harmonic mean is of chances that do not depend on each other.
    """
    harmonic = {"harmonic": inbox_lists(market, length, "harmonic")}
    return {
        "random": inbox_lists(chance, length, "likes"),
        ONE_SIDED: inbox_lists(market, length, "likes"),
        "product, raw": inbox_lists(raw, length, "product"),
        "product": inbox_lists(market, length, "product"),
        **(harmonic if market.joint is None else {}),
        "product, capped": inbox_lists(market, length, "product", CAPACITY * length),
        RECIPROCAL: simultaneous_lists(market, length, Balance()),
    }
