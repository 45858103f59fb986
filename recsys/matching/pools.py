"""A market made of all users' pools: who is in whose pool, and how likely each says yes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
from scipy import sparse

from recsys.arrays import Floats, Ints, ItemRows, Mask, Ragged, UserRows, cells_of, ranges
from recsys.dataset.training import Training
from recsys.draws import Words, mixed
from recsys.matching.market import Market

Permitted = Callable[[UserRows, ItemRows], Mask]
"""Which pairs of users and items may be shown to each other, (p,) each."""
_DRAWS: Final = 40
"""Times that strangers are drawn for those who have too few yet."""


@dataclass(frozen=True)
class People:
    """The rows of people who are users and items at once."""

    items: ItemRows
    """(users,) the item row of each user; -1 of who is none."""
    users: UserRows
    """(items,) the user row of each item; -1 of who is no user."""

    @classmethod
    def of(cls, items: ItemRows, size: int) -> Self:
        """Of the item row of each user, (users,). size: of the item index."""
        users = np.full(size, -1, np.int64)
        known = np.flatnonzero(items >= 0)
        users[items[known]] = known
        return cls(items, users)


def people_of(training: Training) -> People:
    """The rows of people; raises TypeError where users and items are not the same people."""
    if training.people is None:
        raise TypeError("only in a market of people are users and items the same")
    users, items = training.history.shape
    return People.of(training.people.items[:users], items)


def proposed(
    pools: Ragged,
    people: People,
    most: int,
    strangers: int,
    seed: int,
    permitted: Permitted | None = None,
) -> Ragged:
    """Item rows that each user's pool needs besides its own best, so that pairs are in both pools.

    Who is in somebody's pool is asked about that one; of more than `most` who ask, those in whose
    pools the user stands highest are heard. Candidates of one side alone would leave people with
    nobody, and so would the best alone: everybody is also brought together with some strangers.

    pools: of all users, item rows, best first. permitted: which strangers may meet; all without it.
    """
    owners, others = pools.lines(), people.users[pools.values]
    places = np.arange(len(owners)) - pools.offsets[owners]
    known = (others >= 0) & (people.items[owners] >= 0)
    one, other = _strangers(people, strangers, seed, permitted)
    # Of two strangers each asks the other, before anybody else.
    asking = np.concatenate([owners[known], one, other])
    asked = np.concatenate([others[known], other, one])
    place = np.concatenate([places[known], np.full(2 * len(one), -1)])
    order = np.lexsort((asking, place, asked))
    asked, wanted = asked[order], people.items[asking[order]]
    counts = np.bincount(asked, minlength=len(people.items))
    offsets, kept = ranges(np.cumsum(counts) - counts, np.minimum(counts, most))
    lists = sparse.csr_matrix(
        (np.ones(len(kept), np.bool_), wanted[kept], offsets),
        (len(people.items), len(people.users)),
    )
    lists.sum_duplicates()
    return Ragged.of_matrix(lists)


def _strangers(
    people: People, most: int, seed: int, permitted: Permitted | None
) -> tuple[Ints, Ints]:
    """(n,) users, and another one drawn for each: so many a user, as far as such are found."""
    there = np.flatnonzero(people.items >= 0)
    rng, found = np.random.default_rng(seed), np.zeros(len(there), np.int64)
    pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for _ in range(_DRAWS if len(there) > 1 else 0):
        short = np.flatnonzero(found < most)
        if not len(short):
            break
        drawn = rng.integers(len(there) - 1, size=(len(short), most))
        # Everybody but oneself.
        drawn += drawn >= short[:, np.newaxis]
        one, other = np.repeat(short, most), there[drawn.ravel()]
        if permitted is not None:
            good = permitted(there[one], people.items[other])
            one, other = one[good], other[good]
        kept = np.arange(len(one)) - np.searchsorted(one, one) < (most - found)[one]
        found += np.bincount(one[kept], minlength=len(there))
        pairs.append((there[one[kept]], other[kept]))
    return np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])


class PoolChances(NamedTuple):
    """How likely each user says yes to whom the own pool holds."""

    likes: Floats
    """(entries,) chance to turn to each, not knowing what the other will say."""
    answers: Floats
    """(entries,) chance to say yes to each who has turned to the user."""


@dataclass(frozen=True)
class PooledMarket:
    """A market and the entries of pools that it is made of.

    The chance that both say yes is that one turns to the other and is answered. Where both see
    lists, either may be first, and it is the mean of both ways.
    """

    market: Market
    entries: Ints
    """(places,) of the pools; -1 of those whom the person has said yes to, who are in no pool."""

    @classmethod
    def of(
        cls,
        pools: Ragged,
        chances: "PoolChances",
        people: People,
        said: sparse.csr_matrix,
        keys: Words,
        *,
        either_first: bool = True,
    ) -> Self:
        """Of pairs that are in both pools, or in the one's whom the other has said yes to.

        pools: of all users, item rows. said: (users, items) true where the user has said yes. keys:
        (users,) a lasting number of each; whose lists change together depends on it. either_first:
        whether both see lists; else who has the list turns to the other.
        """
        size = len(people.items)
        owners, others = pools.lines(), people.users[pools.values]
        entries = np.flatnonzero((others >= 0) & (people.items[owners] >= 0))
        entries = entries[owners[entries] != others[entries]]
        owners, others = owners[entries], others[entries]
        yes = cells_of(said, others, people.items[owners])
        pairs = sparse.csr_matrix((entries + 1, (owners, others)), (size, size))
        back = cells_of(pairs, others, owners) - 1
        both = (back >= 0) & (owners < others)
        alone = (back < 0) & yes
        one = np.concatenate([owners[both], owners[alone]])
        other = np.concatenate([others[both], others[alone]])
        entry = np.concatenate([entries[both], entries[alone]])
        mirror = np.concatenate([back[both], np.full(alone.sum(), -1)])
        waits = mirror < 0
        likes, answers = (np.append(each, 1.0) for each in (chances.likes, chances.answers))
        market = Market.of(
            (one, other),
            (np.where(waits, answers[entry], likes[entry]), likes[mirror]),
            (mixed(keys) & np.uint64(1)).astype(np.int64),
            said=(np.zeros(len(one), np.bool_), waits),
        )
        order = np.lexsort((np.concatenate([other, one]), np.concatenate([one, other])))
        found = np.concatenate([entry, mirror])[order]
        both = market.likes * answers[found][market.mirror]
        if either_first:
            both = (both + both[market.mirror]) / 2.0
        return cls(replace(market, joint=both), found)

    def listed(self, lists: Ragged) -> Ragged:
        """Entries of pools for places of the market."""
        return Ragged(lists.offsets, self.entries[lists.values])
