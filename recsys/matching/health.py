"""How well a market does by its lists: matches to be expected, and how they are spread."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from scipy import sparse

from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.evaluation.concentration import gini, top_share
from recsys.matching.lists import attention_of
from recsys.matching.market import Market

TOP: Final = 0.01
"""Share of people who count as stars."""
_LEAST: Final = 1e-9
"""Expected matches of people without any, in Nash welfare; and what envy must exceed."""


@dataclass(frozen=True)
class Health:
    """Figures of some people of a market, a side of it, say. None where there is nothing."""

    matches: float
    """Expected matches of all of them together; of a whole market, twice the number of matches."""
    unmatched: float | None
    """Share of them who can expect none: nobody on their list has them on theirs."""
    match_rate: float | None
    """Chance that both say yes, of an entry of their lists."""
    gini_matches: float | None
    gini_exposure: float | None
    top_share: float | None
    """Part of the attention to them that the 1 % with most get."""
    envied: float | None
    """Others a person envies: with whose attention, kept to the own list, it could expect more."""
    nash: float | None
    """Geometric mean of expected matches."""
    unseen: float | None
    """Share of them who are on nobody's list."""
    demand: float | None
    """Attention that they get, over what they give to the people on their lists."""


@dataclass(frozen=True)
class Outcome:
    """A market with its lists."""

    market: Market
    lists: Ragged
    """Places of the market, each person's list from the top."""

    def seen(self) -> Floats:
        """(places,) attention that each person gives to each candidate; 1 after a yes."""
        seen = self.market.said.astype(np.float64)
        seen[self.lists.values] = attention_of(self.lists)
        return seen

    def matches(self) -> Floats:
        """(people,) expected matches of each: both look at the place of the other, and say yes."""
        return self._matches

    def exposure(self) -> Floats:
        """(people,) attention that each gets over all lists."""
        return self._exposure

    @cached_property
    def _matches(self) -> Floats:
        seen = self.seen()
        matched = self._mutual * seen * seen[self.market.mirror]
        return self._summed(self.market.candidates.lines(), matched)

    @cached_property
    def _exposure(self) -> Floats:
        entries = self.market.candidates.values[self.lists.values]
        return self._summed(entries, attention_of(self.lists))

    @cached_property
    def _attention(self) -> Floats:
        """(people,) attention that each gives."""
        return self._summed(self.lists.lines(), attention_of(self.lists))

    @cached_property
    def _mutual(self) -> Floats:
        return self.market.mutual()

    def _summed(self, people: Ints, amounts: Floats) -> Floats:
        return np.bincount(people, amounts, self.market.people).astype(np.float64)

    def envied(self, people: Ints, among: Mask) -> Ints:
        """(p,) how many others each of some people envies (Tomita and Yokoyama 2024, section 3).

        i envies k if i would expect more matches where everybody looked at i as they look at k.
        among: (all,) who is envied at all: those of the same side.
        """
        seen, shape = self.seen(), (self.market.people, self.market.people)
        offsets, candidates = self.market.candidates
        given = sparse.csr_matrix((seen, candidates, offsets), shape)
        wanted = sparse.csr_matrix((seen * self._mutual, candidates, offsets), shape)
        instead = (wanted[people] @ given)[:, np.flatnonzero(among)].toarray()
        own = self.matches()[people, np.newaxis]
        return np.asarray((instead > own + _LEAST).sum(axis=1))

    def health(self, group: Mask, most: int, seed: int) -> Health:
        """Figures of a group.

        group: (people,) mask. most: people whose envy is counted, drawn by the seed.
        """
        people, matches = np.flatnonzero(group), self._matches[group]
        exposed, given = self._exposure[group], float(self._attention[group].sum())
        n, own = len(people), self.lists.values[group[self.lists.lines()]]
        asked = np.sort(np.random.default_rng(seed).permutation(people)[:most])
        return Health(
            matches=float(matches.sum()),
            unmatched=float((matches == 0.0).mean()) if n else None,
            match_rate=float(self._mutual[own].mean()) if len(own) else None,
            gini_matches=gini(matches, n),
            gini_exposure=gini(exposed, n),
            top_share=top_share(exposed, n, TOP),
            envied=float(self.envied(asked, group).mean()) if len(asked) else None,
            nash=float(np.exp(np.log(np.maximum(matches, _LEAST)).mean())) if n else None,
            unseen=float((exposed == 0.0).mean()) if n else None,
            demand=float(exposed.sum()) / given if given > 0.0 else None,
        )
