"""Lists judged by who wrote to whom afterwards, and who was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from jobs.app.evaluation import Steps, fitted
from jobs.app.people import Direction, People, PeopleTrial, raw_scores
from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.config import Config
from recsys.errors import DataError
from recsys.evaluation.splits import SHARE_BEFORE, Pairs
from recsys.generators.contract import Model
from recsys.matching.candidates import best_of, some_of, united
from recsys.matching.chances import Chances
from recsys.matching.decisions import check_outcomes
from recsys.matching.effects import Effects, best_variance
from recsys.matching.features import directed_scores
from recsys.matching.messages import Contacts, activity, times_of
from recsys.matching.realised import BothWays, Judged, judge
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer

_BEST: Final = 100
"""Candidates of each person by the generators' weighted scores."""
_OTHERS: Final = 20
"""Candidates of each at random, so that everybody is somebody's."""


@dataclass(frozen=True)
class _Past:
    """What was known at an instant."""

    messages: Pairs
    contacts: Contacts
    at: int
    """microseconds since 1970 UTC"""
    known: Ints
    """(p,) ascending rows of the people who wrote or were written to."""

    def to_know(self, contacts: Contacts, people: int) -> Mask:
        """(n,) which contacts of later are new ones between people who are known."""
        there = np.isin(contacts.one, self.known) & np.isin(contacts.other, self.known)
        before = self.contacts.one * people + self.contacts.other
        return there & ~np.isin(contacts.one * people + contacts.other, before)


def try_messages(
    messages: Pairs,
    days: float,
    people: People,
    config: Config,
    lengths: Sequence[int],
    steps: Steps,
) -> PeopleTrial:
    """Lists of people not written to before the 80 % quantile of the messages' times, judged by
    first messages since and by those that were answered.

    Once as if the one who writes saw a list and who is written to an inbox, so that each person is
    there twice; then as if both saw lists. Chances are fitted on the last fifth of what is known,
    from what was known before it.

    days: within which an answer counts as a yes back.
    """
    n, seed = len(people), config.seed
    at = int(np.quantile(times_of(messages), SHARE_BEFORE, method="higher"))
    now = _past(messages, at, days)
    earlier_at = int(np.quantile(times_of(now.messages), SHARE_BEFORE, method="higher"))
    earlier = _past(now.messages, earlier_at, days)
    check_outcomes("an answer", earlier.contacts.answered)
    with steps.step("effects"):
        known, traits = now.contacts, people.traits()
        variance = best_variance(traits, known.other, known.one, known.answered, seed)
    likes, answers = _learnt(earlier, now.contacts, variance, people, config, steps)
    since = _since(Contacts.of(messages, days), now, n)
    features = _Features.of(now, variance, people, config, steps, "")
    one, other = features.candidates(config)
    with steps.step("chances"):
        of_pairs = features.of_pairs(one, other)
        chances = BothWays(likes.of(of_pairs), answers.of(of_pairs))
        back = features.directed(other, one)
        raw = BothWays(raw_scores(of_pairs, config), raw_scores(back, config))
    written, answered = _outcomes(one, other, since, n)
    inbox = Judged(
        people=(one, n + other),
        turns=np.repeat([0, 1], n),
        chances=chances,
        raw=raw,
        both=answered,
        listers=np.isin(np.arange(2 * n), since.one),
        listed=np.isin(np.arange(2 * n), n + now.known),
    )
    pool = _pool(inbox, since, n)
    with steps.step("lists"):
        lists = [
            judge(judged, length, seed, found=found)
            for judged, found in ((inbox, False), (pool, True))
            for length in lengths
        ]
    seen = [answers.calibrated.kind]
    return PeopleTrial(
        people=int(inbox.listers.sum()),
        pairs=len(one),
        candidates=float(np.median(np.bincount(one, minlength=n)[now.known])),
        matches=int(since.answered.sum()),
        lists=lists,
        directions=[
            Direction.of("first messages", chances.forth, written, [likes.calibrated.kind]),
            Direction.of("answers", chances.back[written], answered[written], seen),
        ],
        steps=steps,
    )


def _pool(inbox: Judged, since: Contacts, people: int) -> Judged:
    """Pairs between which there was no message, as people who both see lists.

    A yes is a first message or an answer, and both say yes if one writes and the other answers.
    """
    one, other = inbox.people[0], inbox.people[1] - people
    keys = one * people + other
    order = np.argsort(keys)
    places = np.searchsorted(keys, other * people + one, sorter=order)
    mirror = order[np.minimum(places, len(order) - 1)]
    fresh = np.flatnonzero((keys[mirror] == other * people + one) & (one < other))
    there = mirror[fresh]
    writes = inbox.chances.forth[fresh], inbox.chances.forth[there]
    answers = inbox.chances.back[fresh], inbox.chances.back[there]
    judged = np.union1d(since.one, since.other)
    return Judged(
        people=(one[fresh], other[fresh]),
        turns=np.arange(people) % 2,
        chances=BothWays(
            _either(writes[0], writes[1] * answers[1]), _either(writes[1], writes[0] * answers[0])
        ),
        raw=BothWays(inbox.raw.forth[fresh], inbox.raw.forth[there]),
        both=inbox.both[fresh] | inbox.both[there],
        listers=np.isin(np.arange(people), judged),
        listed=inbox.listed[people:],
        joint=_either(writes[0] * answers[0], writes[1] * answers[1]),
    )


def _either(one: Floats, other: Floats) -> Floats:
    """(n,) chance of one thing or another."""
    return np.asarray(1.0 - (1.0 - one) * (1.0 - other))


def _past(messages: Pairs, at: int, days: float) -> _Past:
    before = messages.take(times_of(messages) < at)
    if not len(before):
        raise DataError(
            "at least four fifths of the messages have the same, earliest timestamp, so time "
            "cannot split them; give the time of each message"
        )
    known = np.union1d(before.user_rows, before.item_rows)
    return _Past(before, Contacts.of(before, days), at, known)


def _since(contacts: Contacts, past: _Past, people: int) -> Contacts:
    """Contacts since an instant that a list of then could have had."""
    found = contacts.take((contacts.times >= past.at) & past.to_know(contacts, people))
    if not len(found.one):
        raise DataError(
            "nobody wrote for the first time to somebody known in the last part of the messages, "
            "so no list can be judged; give more messages"
        )
    return found


def _learnt(
    past: _Past,
    contacts: Contacts,
    variance: float,
    people: People,
    config: Config,
    steps: Steps,
) -> tuple[Chances, Chances]:
    """Chances of a first message, and of an answer to one, by what came after an earlier instant.

    contacts: all that are known now.
    """
    since, n = _since(contacts, past, len(people)), len(people)
    features = _Features.of(past, variance, people, config, steps, "inner ")
    one, other = features.candidates(config)
    written, _ = _outcomes(one, other, since, n)
    check_outcomes("a first message", written)
    check_outcomes("an answer", since.answered)
    with steps.step("inner chances"):
        names = features.names(config)
        likes = Chances.fit(names, features.of_pairs(one, other), written, config.seed)
        own = features.of_pairs(since.one, since.other)
        return likes, Chances.fit(names, own, since.answered, config.seed)


def _outcomes(one: Ints, other: Ints, since: Contacts, people: int) -> tuple[Mask, Mask]:
    """(pairs,) whether the one wrote to the other, and whether the other answered."""
    pairs, keys = one * people + other, since.one * people + since.other
    return np.isin(pairs, keys), np.isin(pairs, keys[since.answered])


@dataclass(frozen=True)
class _Features:
    """What chances rest on, as of an instant."""

    past: _Past
    people: People
    models: Mapping[str, Model]
    effects: Effects
    """How readily people answer, and are answered."""
    active: Floats
    """(people, 3) see `activity`."""
    seed: int

    @classmethod
    def of(
        cls,
        past: _Past,
        variance: float,
        people: People,
        config: Config,
        steps: Steps,
        mark: str,
    ) -> "_Features":
        known = past.contacts
        models = dict(fitted(people.training(past.messages), config, steps, mark))
        with steps.step(f"{mark}fit effects"):
            effects = Effects.fit(people.traits(), known.other, known.one, known.answered, variance)
        active = activity(past.messages, len(people), past.at)
        return cls(past, people, models, effects, active, config.seed)

    @staticmethod
    def names(config: Config) -> Sequence[str]:
        """Of the features of a pair."""
        own = list(config.generators.used())
        each = [f"{name} {who}" for who in ("one", "other") for name in ("sent", "got", "silence")]
        return [*own, *(f"{name} back" for name in own), "effects", "wrote before", *each]

    def directed(self, one: Ints, other: Ints) -> Floats:
        """(n, generators) their scores of (n,) others for (n,) people."""
        return directed_scores(self.models, len(self.people), one, other)

    def of_pairs(self, one: Ints, other: Ints) -> Floats:
        """(n, features) of (n,) pairs of one who might write and one who might answer."""
        n, known = len(self.people), self.past.contacts
        wrote = np.isin(other * n + one, known.one * n + known.other)
        return np.column_stack(
            [
                self.directed(one, other),
                self.directed(other, one),
                self.effects.logits(other, one),
                wrote,
                self.active[one],
                self.active[other],
            ]
        )

    def candidates(self, config: Config) -> tuple[Ints, Ints]:
        """(pairs,) who might write to whom: the best of either and some others, both ways, without
        those who were written to already."""
        n, known, contacts = len(self.people), self.past.known, self.past.contacts
        scorer = Scorer.of(self.models, known, n)
        blend = WeightedSum(config.generators.weights())
        written = Ragged.of_lengths(np.bincount(contacts.one, minlength=n), contacts.other)
        words = known.astype(np.uint64)
        proposals: list[tuple[Ints, Ragged]] = []
        for scored in scorer.chunks(known, written.take(known)):
            totals = blend.totals(scored).astype(np.float64)
            allowed = np.isfinite(totals) & (scored.users[:, np.newaxis] != known)
            low = totals[allowed].min(initial=0.0) - 1.0
            best = best_of(np.where(allowed, totals - low, 0.0), _BEST)
            others = some_of(allowed, scored.users.astype(np.uint64), words, _OTHERS, self.seed)
            proposals.extend(
                (scored.users, Ragged(lists.offsets, known[lists.values]))
                for lists in (best, others)
            )
        low_rows, high_rows = united(proposals)
        one = np.concatenate([low_rows, high_rows])
        other = np.concatenate([high_rows, low_rows])
        fresh = ~np.isin(one * n + other, contacts.one * n + contacts.other)
        return one[fresh], other[fresh]
