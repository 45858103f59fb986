"""Places for new items in finished lists, drawn at random with known chances.

Nobody has met a new item, so no model ranks it high, so nobody meets it. A few places of each list
go to new items. What is placed there is drawn, and the chance of each draw is kept with the list,
so that what people did there says how well another policy would have done.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, Mask, Ragged, offsets_of
from recsys.as_of import AsOf
from recsys.dataset.training import Training
from recsys.generators.contract import Model
from recsys.lists.ranked import RankedLists

Words = npt.NDArray[np.uint64]

SHARPNESS: Final = 5.0
"""Log-odds a unit of cosine: an item 0.2 nearer to the user's taste is drawn e times as often."""
SOURCE: Final = "explore"
"""Name of the source of explore entries; it stands last among a run's models."""


@dataclass(frozen=True)
class Policy:
    """How new items are placed, the same for every user."""

    places: tuple[int, ...]
    """Ascending places that new items get, from 1; none is beyond `length`."""
    length: int
    """Items a list."""
    source: int
    """Number of `SOURCE` among the run's models."""
    seed: int
    """Of the draws; `night_seed` gives each night its own."""


@dataclass(frozen=True)
class Explored:
    """Lists of several users, one after the other, with new items among them."""

    offsets: Ints
    """(users + 1,) where each user's list begins and ends."""
    item_rows: Ints
    """Best first, but for the explore entries."""
    scores: npt.NDArray[np.float32]
    """An explore entry carries the score of the entry above it: it says nothing of its own."""
    sources: npt.NDArray[np.int16]
    """Number of the model that speaks most for each, or of `SOURCE`."""
    propensities: npt.NDArray[np.float32]
    """Chance with which the policy put the item there, see `explored`; 1 of ordinary entries."""


@dataclass(frozen=True)
class Explorer:
    """The policy with the new items of a night."""

    pool: Ints
    """(p,) ascending rows of new items."""
    taste: Model | None
    """A model of the pool alone; without one all new items are drawn alike."""
    policy: Policy

    def explored(self, lists: RankedLists, keys: Words, users: Ints, excluded: Ragged) -> Explored:
        """The lists of a block of users with new items in them; see `explored`.

        users: (users,) ascending rows of the user index.
        """
        preferences = np.zeros((len(users), len(self.pool)), np.float32)
        if self.taste is not None and len(self.pool):
            preferences = np.float32(SHARPNESS) * self.taste.scores(users)
        return explored(lists, self.pool, preferences, excluded, keys, self.policy)


def night_seed(seed: int, as_of: AsOf) -> int:
    """The seed of one night's draws: the same night draws the same, the next night anew."""
    return seed << 32 | as_of.minute_of_day << 21 | as_of.instant.toordinal()


def new_items(users: Ints, ages: Floats, available: Ints, max_users: int, max_days: float) -> Ints:
    """(pool,) ascending rows of the available items that few users have met and that are young.

    users: (items,) how many users have an event of each. ages: (items,) days since its first event
    or its creation, NaN where neither is known; such an item is new.
    """
    young = np.isnan(ages) | (ages <= max_days)
    return available[(young & (users <= max_users))[available]]


def new_of(training: Training, available: Ints, max_users: int, max_days: float) -> Ints:
    """(pool,) the available items that are new to what models learn from; see `new_items`."""
    rows, items = training.history.indices, training.history.shape[1]
    ages = np.full(items, -np.inf)
    np.maximum.at(ages, rows, training.ages)
    ages[np.isinf(ages)] = np.nan
    return new_items(np.bincount(rows, minlength=items), ages, available, max_users, max_days)


def explored(
    lists: RankedLists,
    pool: Ints,
    preferences: npt.NDArray[np.float32],
    excluded: Ragged,
    keys: Words,
    policy: Policy,
) -> Explored:
    """The lists with new items at the policy's places; what stood there moves down.

    pool: (p,) ascending rows of new items.
    preferences: (users, p) how well each would suit the user, in natural log-odds: an item that has
    1 more is drawn e times as often. One of -inf or NaN is never drawn.
    excluded: offsets (users + 1,) and item rows of what each user must not get.
    keys: (users,) a lasting number of each user. Draws depend on seed, key and item row, not on the
    other users of the block.

    One item after another is drawn, without replacement, by softmax of the preferences over the
    user's eligible pool: all of it but what is excluded and what the list holds already. The first
    draw goes to the first place. Where the pool is too small the last places stay ordinary; a list
    that ends before a place gets the item at its end.

    The propensity of an explore entry is the chance of its draw given the list's earlier explore
    entries: exp(preference) / sum of exp(preference) over the eligible items not yet drawn. The
    product over a list is the chance of all its explore entries in this order (Plackett-Luce). So
    the mean over lists of reward / propensity x (chance of the same draw under another policy,
    given the same earlier entries) estimates what the other policy would get from the place,
    without bias if it would draw the earlier entries alike (always so at the first place); if not,
    multiply by the ratios of the earlier entries too. Every other entry stands where it does with
    certainty: its propensity is 1, and it says nothing of what was not shown.
    """
    eligible = (
        (preferences > -np.inf)
        & ~_held(lists.offsets, lists.item_rows, pool)
        & ~_held(*excluded, pool)
    )
    logits = np.where(eligible, preferences.astype(np.float64), -np.inf)
    slots = min(len(policy.places), len(pool))
    drawn, chances = _draws(logits, _gumbel(keys, pool, policy.seed), slots)
    counts = np.minimum(eligible.sum(axis=1), slots)
    taken = np.arange(slots) < counts[:, np.newaxis]
    return _merged(lists, counts, pool[drawn[taken]], chances[taken], policy)


def _held(offsets: Ints, rows: Ints, pool: Ints) -> Mask:
    """(users, p) whether the rows of each user hold each item of the pool."""
    held = np.zeros((len(offsets) - 1, len(pool)), np.bool_)
    if len(pool):
        rows = rows[offsets[0] : offsets[-1]]
        columns = np.minimum(np.searchsorted(pool, rows), len(pool) - 1)
        lines = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        known = pool[columns] == rows
        held[lines[known], columns[known]] = True
    return held


def _draws(logits: Floats, noise: Floats, slots: int) -> tuple[Ints, Floats]:
    """(users, slots) columns in the order drawn, and the chance of each given the earlier ones.

    The highest sums of logit and Gumbel noise, in order, are draws without replacement from the
    softmax (Yellott 1977; Kool et al. 2019, "Stochastic beams"). Beyond the items that can be drawn
    the columns mean nothing.
    """
    order = np.argsort(-(logits + noise), axis=1, kind="stable")[:, :slots]
    chances = np.ones(order.shape)
    left = logits.copy()
    for slot in range(slots):
        column = order[:, slot, np.newaxis]
        peak = left.max(axis=1, keepdims=True)
        weights = np.exp(left - np.where(np.isfinite(peak), peak, 0.0))
        chosen, total = np.take_along_axis(weights, column, axis=1)[:, 0], weights.sum(axis=1)
        np.divide(chosen, total, out=chances[:, slot], where=total > 0.0)
        np.put_along_axis(left, column, -np.inf, axis=1)
    return order, chances


def _gumbel(keys: Words, pool: Ints, seed: int) -> Floats:
    """(users, p) standard Gumbel noise, a function of seed, user's key and item row alone."""
    users = _mixed(keys.astype(np.uint64) ^ _mixed(np.array([seed], np.uint64)))
    words = _mixed(users[:, np.newaxis] ^ _mixed(pool.astype(np.uint64)))
    uniform = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return np.asarray(-np.log(-np.log(uniform)))


def _mixed(words: Words) -> Words:
    """What splitmix64 (Steele, Lea and Flood 2014) gives from each word as its state."""
    mixed = words + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _merged(
    lists: RankedLists, counts: Ints, rows: Ints, chances: Floats, policy: Policy
) -> Explored:
    """The lists with new items at their places, cut to length.

    counts: (users,) new items of each list. rows, chances: (entries,) of the new items, in order.
    """
    lengths = np.diff(lists.offsets)
    lines, ranks = _numbered(lengths)
    new_lines, draws = _numbered(counts)
    free = _free_places(policy.places, int(lengths.max(initial=0)))
    places = np.concatenate([free[counts[lines], ranks], np.array(policy.places, np.int64)[draws]])
    order = np.lexsort((places, np.concatenate([lines, new_lines])))
    order = order[_numbered(lengths + counts)[1] < policy.length]
    kept = np.minimum(lengths + counts, policy.length)
    propensities = np.concatenate([np.ones(len(lines)), chances])
    sources = np.concatenate([lists.sources, np.full(len(rows), policy.source, np.int16)])
    scores = np.concatenate([lists.scores, _scores_above(lists, new_lines, draws, policy.places)])
    return Explored(
        offsets=offsets_of(kept),
        item_rows=np.concatenate([lists.item_rows, rows])[order],
        scores=scores[order],
        sources=sources[order],
        propensities=propensities[order].astype(np.float32),
    )


def _numbered(lengths: Ints) -> tuple[Ints, Ints]:
    """(entries,) the list that each entry belongs to, and its number there, from 0."""
    starts = np.cumsum(lengths) - lengths
    lines = np.repeat(np.arange(len(lengths)), lengths)
    return lines, np.arange(len(lines)) - starts[lines]


def _free_places(places: tuple[int, ...], longest: int) -> Ints:
    """(places + 1, longest) the place of each ordinary entry in a list with 0, 1, … new items."""
    rows = [
        np.setdiff1d(np.arange(1, longest + new + 1), places[:new])[:longest]
        for new in range(len(places) + 1)
    ]
    return np.asarray(rows, np.int64)


def _scores_above(
    lists: RankedLists, lines: Ints, draws: Ints, places: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """(entries,) the score of the ordinary entry above each new one; at the top, of that below."""
    lengths = np.diff(lists.offsets)[lines]
    above = np.minimum(np.array(places, np.int64)[draws] - 1 - draws, lengths)
    scores = np.zeros(len(lines), np.float32)
    some = lengths > 0
    scores[some] = lists.scores[(lists.offsets[lines] + np.maximum(above - 1, 0))[some]]
    return scores
