"""Places for new items, drawn at random with known chances.

Nobody has met a new item, so no model ranks it high, so nobody meets it. A few places of each list
go to new items. What is placed there is drawn, and the chance of each draw is kept with the list,
so that what people did there says how well another policy would have done. Steps that move entries
belong before this one, or the chances are no longer those of the places.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsys.arrays import Floats, Ints, ItemRows, Mask, Ragged, offsets_of
from recsys.dataset.training import Training
from recsys.draws import Words, uniform
from recsys.generators import popularity
from recsys.generators.contract import Model
from recsys.lists.contract import Recipients, Scope, StepConfig, StepContext
from recsys.lists.ranked import RankedLists
from recsys.people.eligibility import Eligibility
from recsys.sections.base import READ_PLACES, NonNegative, Positive

SCOPE: Final[Scope] = "user"
TASTE: Final = "content"
"""The generator whose scores say which new items suit a user: the one that needs no events."""
SHARPNESS: Final = 5.0
"""Log-odds a unit of cosine: an item 0.2 nearer to the user's taste is drawn e times as often."""
SOURCE: Final = "explore"
"""Name of the source of explore entries: the step's own."""


class Config(StepConfig):
    """Places for new items."""

    slots: Annotated[int, Field(ge=0, le=READ_PLACES)] = 0
    """Places of each list that go to new items."""
    first_place: Annotated[int, Field(gt=0, le=READ_PLACES)] = 5
    """The first of these places."""
    max_users: Annotated[int, Field(ge=0)] = 3
    """An item that more users have met is not new."""
    max_age_days: Positive = 30.0
    """Nor is one whose first event or creation is longer ago, in days."""
    popularity_power: NonNegative = 1.0
    """Power of the popularity that an item's description promises, which the odds of its draw are
    multiplied with; 0 draws by taste alone."""

    def check_length(self, length: int) -> None:
        """See `StepConfig`."""
        last = min(READ_PLACES, length)
        if self.slots > max(0, last - self.first_place + 1):
            raise ValueError(f"slots do not fit between first_place and place {last}")

    def places(self, length: int) -> tuple[int, ...]:
        """The places that go to new items, from `first_place` to place 20, evenly spread."""
        reach = min(READ_PLACES, length) - self.first_place
        steps = max(self.slots - 1, 1)
        return tuple(self.first_place + n * reach // steps for n in range(self.slots))


@dataclass(frozen=True)
class Policy:
    """Placement of new items, the same for every user."""

    places: tuple[int, ...]
    """Ascending places that new items get, from 1; none is beyond `length`."""
    length: int
    """Items of a published list."""
    source: int
    """Number of `SOURCE` among the run's sources."""
    seed: int
    """Of the draws."""


@dataclass(frozen=True)
class Explorer:
    """The policy with the new items of a night."""

    new: ItemRows
    """(p,) ascending rows of new items."""
    taste: Model | None
    """A model of the new items alone; without one they suit everybody alike."""
    policy: Policy
    promise: Floats
    """(p,) log-odds that each of them has for everybody."""
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people."""


def prepare(context: StepContext, config: Config) -> Explorer | None:
    """The new items of an as-of and who knows which suit whom; None without places for them."""
    if not config.slots:
        return None
    new = new_of(context.training, context.available, config.max_users, config.max_age_days)
    taste = context.models.get(TASTE)
    policy = Policy(
        places=config.places(context.length),
        length=context.length,
        source=context.sources.index(SOURCE),
        seed=context.seed,
    )
    known = None if taste is None else taste.restricted(new)
    promise = np.zeros(len(new))
    if config.popularity_power and len(new):
        logs = popularity.foreseen(context.training, new, context.seed)
        promise = config.popularity_power * logs
    return Explorer(new, known, policy, promise, context.training.people)


def apply(
    lists: RankedLists,
    users: Recipients,
    facts: Explorer,
    config: Config,  # noqa: ARG001 - `facts` has what it came to
) -> RankedLists:
    """The lists of a chunk of users with new items in them; see `explored`."""
    preferences = np.zeros((len(users.rows), len(facts.new)), np.float32)
    if facts.taste is not None and len(facts.new):
        preferences = np.float32(SHARPNESS) * facts.taste.scores(users.rows)
    preferences += facts.promise.astype(np.float32)
    if facts.people is not None:
        preferences[~facts.people.permitted(users.rows, facts.new)] = -np.inf
    return explored(lists, facts.new, preferences, users.excluded, users.keys, facts.policy)


def new_items(users: Ints, ages: Floats, available: Ints, max_users: int, max_days: float) -> Ints:
    """(p,) ascending rows of the available items that few users have met and that are young.

    users: (items,) how many users have an event of each. ages: (items,) days since its first event
    or its creation, NaN where neither is known; such an item is new.
    """
    young = np.isnan(ages) | (ages <= max_days)
    return available[(young & (users <= max_users))[available]]


def new_of(training: Training, available: Ints, max_users: int, max_days: float) -> Ints:
    """(p,) the available items that are new to what models learn from; see `new_items`."""
    rows, items = training.history.indices, training.history.shape[1]
    ages = np.full(items, -np.inf)
    np.maximum.at(ages, rows, training.ages)
    ages[np.isinf(ages)] = np.nan
    return new_items(np.bincount(rows, minlength=items), ages, available, max_users, max_days)


def explored(
    lists: RankedLists,
    new: ItemRows,
    preferences: npt.NDArray[np.float32],
    excluded: Ragged,
    keys: Words,
    policy: Policy,
) -> RankedLists:
    """The lists with new items at the policy's places; what stood there moves down.

    new: (p,) ascending rows of new items.
    preferences: (users, p) how well each would suit the user, in natural log-odds: an item that has
    1 more is drawn e times as often. One of -inf or NaN is never drawn.
    excluded: offsets (users + 1,) and item rows of what each user must not get.
    keys: (users,) a lasting number of each user. Draws depend on seed, key and item row, not on the
    other users of the chunk.

    One item after another is drawn, without replacement, by softmax of the preferences over the
    eligible new items: all but what is excluded and what the published part of the list holds
    already. The first draw goes to the first place. Where these are too few the last places stay
    ordinary; a list that ends before a place gets the item at its end. A list keeps its depth, but
    one shorter than the published length may grow to it.

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
        & ~_contains(lists.cut(policy.length).items, new)
        & ~_contains(excluded, new)
    )
    logits = np.where(eligible, preferences.astype(np.float64), -np.inf)
    slots = min(len(policy.places), len(new))
    drawn, chances = _draws(logits, _gumbel(keys, new, policy.seed), slots)
    counts = np.minimum(eligible.sum(axis=1), slots)
    taken = np.arange(slots) < counts[:, np.newaxis]
    rows = new[drawn[taken]]
    others = _without(lists, Ragged.of_lengths(counts, rows), policy.length)
    merged = _merged(others, counts, rows, chances[taken], policy)
    return merged.cut(np.maximum(lists.items.lengths, policy.length))


def _contains(items: Ragged, new: ItemRows) -> Mask:
    """(users, p) True where the rows of a user hold a new item."""
    contained = np.zeros((len(items.offsets) - 1, len(new)), np.bool_)
    if len(new):
        columns = np.minimum(np.searchsorted(new, items.values), len(new) - 1)
        known = new[columns] == items.values
        contained[items.lines()[known], columns[known]] = True
    return contained


def _without(lists: RankedLists, drawn: Ragged, length: int) -> RankedLists:
    """The lists without what was drawn for them, which may stand below the published part."""
    if lists.items.lengths.max(initial=0) <= length:
        return lists
    return lists.where(~np.isin(lists.items.pairs(), drawn.pairs()))


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


def _gumbel(keys: Words, new: ItemRows, seed: int) -> Floats:
    """(users, p) standard Gumbel noise, a function of seed, user's key and item row alone."""
    draws = uniform(keys.astype(np.uint64), new.astype(np.uint64), seed)
    return np.asarray(-np.log(-np.log(draws)))


def _merged(
    lists: RankedLists, counts: Ints, rows: Ints, chances: Floats, policy: Policy
) -> RankedLists:
    """The lists with new items at their places.

    counts: (users,) new items of each list. rows, chances: (entries,) of the new items, in order.
    """
    lengths = lists.items.lengths
    lines, ranks = lists.items.lines(), lists.places()
    new_lines, draws = _numbered(counts)
    free = _free_places(policy.places, int(lengths.max(initial=0)))
    places = np.concatenate([free[counts[lines], ranks], np.array(policy.places, np.int64)[draws]])
    order = np.lexsort((places, np.concatenate([lines, new_lines])))
    propensities = np.concatenate([lists.propensities, chances])
    sources = np.concatenate([lists.sources, np.full(len(rows), policy.source, np.int16)])
    scores = np.concatenate([lists.scores, _scores_above(lists, new_lines, draws, policy.places)])
    return RankedLists(
        offsets=offsets_of(lengths + counts),
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
