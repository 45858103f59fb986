"""The random part of the made-up market of people: who says yes to whom, and what came of it.

People and taste groups are numbered from 0. Times are milliseconds since 1970.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from jobs.sandbox.planting import DAY, Actions, Floats, Ints, Mask, Period, Rng, received
from jobs.sandbox.vocabulary import GROUPS

GENDERS: Final = ("woman", "man")
SHARE_MEN: Final = 0.55
LANGUAGES: Final = ("de", "fr", "it", "en")
YOUNGEST: Final = 18
#: Mean log-odds of a yes of women and of men, without appeal and taste.
_OPENNESS: Final = np.array([-2.0, -1.0])
#: Log-odds between whom a person's taste is for most and for least.
_TASTE: Final = 5.0
#: Log-odds that one looks at whom one's taste is for.
_CURIOSITY: Final = 4.0
#: Dimensions of taste.
_DIMENSIONS: Final = 8
#: Who likes their own group best; the others' best is any.
_SHARE_OWN_GROUP: Final = 0.5
_SHARE_STARS: Final = 0.02
_HOUR: Final = DAY // 24
#: Draws of pairs after which those found have to do.
_ROUNDS: Final = 50
#: Pairs looked at together.
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class People:
    """Members and their tastes, independent of time. All arrays are (people, …)."""

    gender: Ints
    """Place in GENDERS."""
    seeks: npt.NDArray[np.bool_]
    """(people, genders) whom one wants to meet."""
    age: Ints
    ages: Ints
    """(people, 2) the youngest and the oldest whom one wants to meet."""
    speaks: npt.NDArray[np.bool_]
    """(people, languages)"""
    group: Ints
    """The taste group that one belongs to, which one's profile tells."""
    traits: Floats
    """(people, dimensions) of length 1; near those of others of the group."""
    tastes: Floats
    """(people, dimensions) of length 1; traits that one likes best."""
    appeal: Floats
    """Log-odds that all others like one more."""
    openness: Floats
    """Log-odds that one likes all others more."""
    activity: Floats
    """Share of all looks that are one's own; 0 of newcomers, at whom nobody has looked either."""
    active: Mask
    """Whether one is an active member."""

    def __len__(self) -> int:
        return len(self.gender)

    @property
    def known(self) -> Mask:
        """Who is no newcomer."""
        return self.activity > 0

    def suit(self, one: Ints, other: Ints) -> Mask:
        """(p,) whether two may be shown to each other: they are not the same and accept each
        other. one, other: (p,)."""
        found = (one != other) & (self.speaks[one] & self.speaks[other]).any(axis=1)
        for a, b in ((one, other), (other, one)):
            found &= self.seeks[a, self.gender[b]]
            found &= (self.ages[a, 0] <= self.age[b]) & (self.age[b] <= self.ages[a, 1])
        return np.asarray(found)

    def chances(self, one: Ints, other: Ints) -> Floats:
        """(p,) chance that one says yes to the other, having met; 0 where they do not suit.

        one, other: (p,). Whether the other says yes is independent of that.
        """
        liking = _TASTE / 2 * self.likeness(one, other)
        logits = self.openness[one] + self.appeal[other] + liking
        return np.where(self.suit(one, other), expit(logits), 0.0)

    def likeness(self, one: Ints, other: Ints) -> Floats:
        """(p,) cosine of what the one likes best and what the other is. one, other: (p,)."""
        return np.asarray(np.einsum("pd,pd->p", self.tastes[one], self.traits[other]))

    def suiting_pairs(self) -> tuple[Ints, Ints]:
        """All pairs of active members that suit, the lower number first."""
        found, there = [], np.flatnonzero(self.active)
        step = max(_CHUNK // max(len(there), 1), 1)
        for start in range(0, len(there), step):
            some = there[start : start + step]
            one, other = (part.ravel() for part in np.meshgrid(some, there, indexing="ij"))
            before = one < other
            one, other = one[before], other[before]
            suits = self.suit(one, other)
            found.append((one[suits], other[suits]))
        one, other = (np.concatenate(part) for part in zip(*found, strict=True))
        return one, other


def draw_people(count: int, rng: Rng) -> People:
    """Members of unequal sides; 2 % are newcomers, 2 % no longer active, 2 % stars."""
    gender = (rng.random(count) < SHARE_MEN).astype(np.int64)
    own, both = rng.random(count) < 0.08, rng.random(count) < 0.04
    seeks = np.zeros((count, 2), np.bool_)
    seeks[np.arange(count), np.where(own, gender, 1 - gender)] = True
    seeks[both] = True
    age = np.minimum(YOUNGEST + rng.gamma(2.5, 6.5, count), 80).astype(np.int64)
    younger, older = rng.integers(4, 16, (2, count))
    ages = np.column_stack([np.maximum(age - younger, YOUNGEST), age + older])
    group, wanted, centres = _groups(count, rng)
    activity = rng.lognormal(sigma=0.7, size=count)
    order = rng.permutation(count)
    few = count // 50
    activity[order[:few]] = 0.0
    active = np.ones(count, np.bool_)
    active[order[few : 2 * few]] = False
    appeal = rng.normal(0.0, 0.7, count)
    appeal[order[2 * few : 2 * few + max(int(_SHARE_STARS * count), 1)]] += 2.0
    return People(
        gender=gender,
        seeks=seeks,
        age=age,
        ages=ages,
        speaks=_languages(count, rng),
        group=group,
        traits=_directions(centres[group], rng),
        tastes=_directions(centres[wanted], rng),
        appeal=appeal,
        openness=_OPENNESS[gender] + rng.normal(0.0, 0.5, count),
        activity=activity / activity.sum(),
        active=active,
    )


def _groups(count: int, rng: Rng) -> tuple[Ints, Ints, Floats]:
    """The group of each, the one that each likes best, and the centre of each group."""
    centres = rng.normal(size=(len(GROUPS), _DIMENSIONS))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    group, other = rng.integers(len(GROUPS), size=(2, count))
    wanted = np.where(rng.random(count) < _SHARE_OWN_GROUP, group, other)
    return group, wanted, centres


def _directions(centres: Floats, rng: Rng) -> Floats:
    """(n, dimensions) vectors of length 1 near (n, dimensions) others."""
    moved = centres + rng.normal(scale=0.5 / np.sqrt(_DIMENSIONS), size=centres.shape)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def _languages(count: int, rng: Rng) -> npt.NDArray[np.bool_]:
    """One of the first languages, and for many the last one, which is everybody's second."""
    speaks = np.zeros((count, len(LANGUAGES)), np.bool_)
    speaks[np.arange(count), rng.choice(len(LANGUAGES) - 1, count, p=(0.5, 0.3, 0.2))] = True
    speaks[:, -1] = rng.random(count) < 0.7
    return speaks


@dataclass(frozen=True)
class Meetings:
    """Pairs of which one has looked at the other. All arrays are (meetings,); no pair twice."""

    viewer: Ints
    other: Ints
    at: Ints
    """When the viewer looked."""
    yes: Mask
    """Whether the viewer said yes."""
    answered_at: Ints
    """When the other looked, who was liked; the end of the period where that is yet to come."""
    yes_back: Mask
    """Whether the other said yes then."""
    passed: Mask
    """Whether who said no, the viewer or the other, also passed: some just go on."""
    period: Period

    @property
    def answered(self) -> Mask:
        """Whether the other has looked, and so said yes or no."""
        return self.answered_at < self.period.end

    @property
    def over(self) -> Mask:
        """Whether nobody may be shown to the other any more: both have looked, or one passed."""
        return self.answered | self.passed


def draw_meetings(people: People, period: Period, count: int, rng: Rng) -> Meetings:
    """So many meetings, or as many as are found; yes and no by their chances.

    One looks rather at whom all like and at whom suits one's taste. Most who are liked look back
    within two days.
    """
    viewer, other = _looks(people, count, rng)
    found = len(viewer)
    first = np.maximum(period.user_created[viewer], period.user_created[other])
    first = np.maximum(first, period.start)
    at = first + ((period.end - first) * rng.random(found) ** 0.7).astype(np.int64)
    yes = rng.random(found) < people.chances(viewer, other)
    looks = yes & (rng.random(found) < 0.75)
    later = at + _HOUR + (2 * DAY * rng.random(found)).astype(np.int64)
    answered_at = np.where(looks, np.minimum(later, period.end), period.end)
    yes_back = rng.random(found) < people.chances(other, viewer)
    yes_back &= answered_at < period.end
    no = ~yes | ((answered_at < period.end) & ~yes_back)
    passed = no & (rng.random(found) < 0.6)
    return Meetings(viewer, other, at, yes, answered_at, yes_back, passed, period)


def _looks(people: People, count: int, rng: Rng) -> tuple[Ints, Ints]:
    """Who looked at whom; each pair once, and only pairs that suit."""
    n = len(people)
    attraction = np.where(people.known, np.exp(0.7 * people.appeal), 0.0)
    attraction /= attraction.sum()
    codes = np.empty(0, np.int64)
    for _ in range(_ROUNDS):
        viewer = rng.choice(n, 2 * count, p=people.activity)
        other = rng.choice(n, 2 * count, p=attraction)
        curious = rng.random(2 * count) < expit(_CURIOSITY * people.likeness(viewer, other))
        looks = curious & people.suit(viewer, other)
        codes = np.concatenate([codes, (viewer * n + other)[looks]])
        viewer, other = np.divmod(codes, n)
        pairs = np.minimum(viewer, other) * n + np.maximum(viewer, other)
        codes = codes[np.sort(np.unique(pairs, return_index=True)[1])]
        if len(codes) >= count:
            break
    viewer, other = np.divmod(codes[:count], n)
    return viewer, other


def actions(meetings: Meetings, rng: Rng) -> tuple[Actions, Actions]:
    """What people did on explicit buttons, and what else was seen of them: views and passes.

    Who says yes likes, or where the other has liked already, writes; then the two are matched,
    and most reply.
    """
    m, end = meetings, meetings.period.end
    viewers, others = (m.viewer, m.other), (m.other, m.viewer)
    minute = 60_000
    replies = m.yes_back & (rng.random(len(m.at)) < 0.8)
    explicit = [
        _done(viewers, "like", m.at + minute, m.yes),
        _done(others, "message", m.answered_at + minute, m.yes_back),
        _done(others, "match", m.answered_at + minute, m.yes_back),
        _done(viewers, "reply", m.answered_at + _HOUR, replies),
    ]
    seen = [
        _done(viewers, "view", m.at, np.ones(len(m.at), np.bool_)),
        _done(viewers, "pass", m.at + minute, m.passed & ~m.yes),
        _done(others, "view", m.answered_at, m.answered),
        _done(others, "pass", m.answered_at + minute, m.passed & m.yes),
    ]
    both = (_joined(explicit, end), _joined(seen, end))
    return received(both[0], m.period, rng), received(both[1], m.period, rng)


def _done(pair: tuple[Ints, Ints], kind: str, at: Ints, chosen: Mask) -> Actions:
    user, item = pair
    count = int(chosen.sum())
    kinds, values = np.full(count, kind), np.full(count, np.nan)
    return Actions(user[chosen], item[chosen], kinds, values, at[chosen], at[chosen])


def _joined(parts: list[Actions], end: int) -> Actions:
    """All of them, no later than the last millisecond before the end."""
    columns = {
        name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])
    }
    at = np.minimum(columns["at"], end - 1)
    return Actions(**columns | {"at": at, "received": at})
