"""Lists judged by decisions that both sides are known to have made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jobs.app.evaluation import Steps, fitted
from jobs.app.people import Direction, People, PeopleTrial, raw_scores
from recsys.arrays import Ints, Mask
from recsys.config import Config
from recsys.evaluation.splits import Pairs
from recsys.generators.contract import Model
from recsys.matching.chances import Chances
from recsys.matching.decisions import Decisions
from recsys.matching.effects import Effects, best_variance
from recsys.matching.features import directed_scores
from recsys.matching.realised import BothWays, Judged, judge

HALVES: Final = 2
"""Parts of the decisions; each is ranked by what was learnt from the other."""
_INNER: Final = 5
"""Parts of what is known, for features of pairs that nothing was fitted on."""


@dataclass(frozen=True)
class Estimates:
    """What is thought of (n,) pairs."""

    chances: BothWays
    """Of a yes."""
    raw: BothWays
    """The generators' weighted scores, moved into [0, 1]."""
    kinds: tuple[str, str]
    """How the chances are calibrated, each way."""


def try_decisions(
    known: Decisions,
    test: Decisions | None,
    people: People,
    config: Config,
    lengths: Sequence[int],
    steps: Steps,
) -> PeopleTrial:
    """Lists among the people that each is known to have decided about, judged by the decisions.

    test: pairs to be judged by what the known ones teach; without them, each half of the known
    pairs is judged by what the other teaches. No list has people of both halves: what is learnt
    of a person from one half holds less of a yes that is in the other, so across halves the
    likeliest would look the least likely.
    """
    if test is None:
        half = known.folds(HALVES, config.seed)
        rounds = [(known.take(half != part), known.take(half == part)) for part in range(HALVES)]
    else:
        rounds = [(known, test)]
    parts = len(rounds)
    found = []
    for part, (own, wanted) in enumerate(rounds):
        mark = f"part {part + 1} of {parts}: " if parts > 1 else ""
        found.append(estimate(own, wanted, people, config, steps, mark))
    asked = [pairs for _, pairs in rounds]
    judged = _judged(asked, found, people)
    with steps.step("lists"):
        lists = [judge(judged, length, config.seed, found=True) for length in lengths]
    there = np.bincount(np.concatenate(judged.people), minlength=parts * len(people))
    return PeopleTrial(
        people=int((there.reshape(parts, -1).sum(axis=0) > 0).sum()),
        pairs=len(judged.both),
        candidates=float(np.median(there[there > 0])),
        matches=int(judged.both.sum()),
        lists=lists,
        directions=_directions(people, asked, found),
        steps=steps,
    )


def _judged(asked: Sequence[Decisions], found: Sequence[Estimates], people: People) -> Judged:
    """The pairs of all parts, in each of which a person is another one."""
    shifts = [part * len(people) for part in range(len(asked))]
    one = np.concatenate([shift + each.one for shift, each in zip(shifts, asked, strict=True)])
    other = np.concatenate([shift + each.other for shift, each in zip(shifts, asked, strict=True)])
    turns = np.tile(people.turns(), len(asked))
    there = np.bincount(np.concatenate([one, other]), minlength=len(turns)) > 0
    return Judged(
        people=(one, other),
        turns=turns,
        chances=BothWays.joined([each.chances for each in found]),
        raw=BothWays.joined([each.raw for each in found]),
        both=np.concatenate([each.yes & each.yes_back for each in asked]),
        listers=there,
        listed=there,
        parts=len(asked),
    )


def _directions(
    people: People, asked: Sequence[Decisions], found: Sequence[Estimates]
) -> Sequence[Direction]:
    """What became of the chances: of the yeses of each side, or of all in one pool."""
    chances = BothWays.joined([each.chances for each in found])
    yes = np.concatenate([each.yes for each in asked])
    yes_back = np.concatenate([each.yes_back for each in asked])
    forth, back = ([each.kinds[way] for each in found] for way in (0, 1))
    if people.first is None:
        every = np.concatenate([chances.forth, chances.back])
        return [Direction.of("yeses", every, np.concatenate([yes, yes_back]), forth)]
    return [
        Direction.of("yeses", chances.forth, yes, forth),
        Direction.of("yeses back", chances.back, yes_back, back),
    ]


def estimate(
    known: Decisions, asked: Decisions, people: People, config: Config, steps: Steps, mark: str = ""
) -> Estimates:
    """Chances of yeses for pairs, of which nothing but the people is looked at.

    Features of known pairs come from models that did not see the pair, so that what is fitted on
    them holds for pairs that nobody has seen.
    """
    known.check()
    with steps.step(f"{mark}effects"):
        variances = _variances(known, people, config.seed)
    parts = known.folds(_INNER, config.seed)
    width = 2 * len(_own_names(config))
    forth, back = np.empty((len(known), width)), np.empty((len(known), width))
    for part in range(_INNER):
        name, held = f"{mark}inner {part + 1} of {_INNER}: ", parts == part
        own, wanted = known.take(~held), known.take(held)
        found = _features(own, wanted, people, variances, config, steps, name)
        forth[held], back[held] = found.forth, found.back
    found = _features(known, asked, people, variances, config, steps, mark)
    with steps.step(f"{mark}chances"):
        one, other = _both_chances(known, BothWays(forth, back), people, config)
    return Estimates(
        BothWays(one.of(found.forth), other.of(found.back)),
        BothWays(raw_scores(found.forth, config), raw_scores(found.back, config)),
        (one.calibrated.kind, other.calibrated.kind),
    )


def _both_chances(
    known: Decisions, features: BothWays, people: People, config: Config
) -> tuple[Chances, Chances]:
    """Chances each way, which in one pool are the same."""
    names = [*_own_names(config), *(f"{name} back" for name in _own_names(config))]
    if people.first is None:
        _, _, said = _directed(known)
        every = np.concatenate([features.forth, features.back])
        both = Chances.fit(names, every, said, config.seed)
        return both, both
    return (
        Chances.fit(names, features.forth, known.yes, config.seed),
        Chances.fit(names, features.back, known.yes_back, config.seed),
    )


def _own_names(config: Config) -> Sequence[str]:
    return [*config.generators.used(), "effects"]


def _directed(known: Decisions) -> tuple[Ints, Ints, Mask]:
    """(2 n,) who decided about whom, and whether it was a yes: the one first, then the other."""
    return (
        np.concatenate([known.one, known.other]),
        np.concatenate([known.other, known.one]),
        np.concatenate([known.yes, known.yes_back]),
    )


def _variances(known: Decisions, people: People, seed: int) -> tuple[float, float]:
    """Of people's effects, each way. Chosen once on all that is known: were it chosen anew on each
    part, effects would have another scale in features to fit chances on than in those to use."""
    traits = people.traits()
    if people.first is None:
        both = best_variance(traits, *_directed(known), seed)
        return both, both
    return (
        best_variance(traits, known.one, known.other, known.yes, seed),
        best_variance(traits, known.other, known.one, known.yes_back, seed),
    )


def _features(
    known: Decisions,
    asked: Decisions,
    people: People,
    variances: tuple[float, float],
    config: Config,
    steps: Steps,
    mark: str,
) -> BothWays:
    """(n, features) of each way: generators' scores and effects of this one, then of the other."""
    traits, (deciders, decided, said) = people.traits(), _directed(known)
    training = people.training(Pairs(deciders, decided, said.astype(np.float32), None))
    models = dict(fitted(training, config, steps, mark))
    with steps.step(f"{mark}fit effects"):
        if people.first is None:
            one = other = Effects.fit(traits, deciders, decided, said, variances[0])
        else:
            one = Effects.fit(traits, known.one, known.other, known.yes, variances[0])
            other = Effects.fit(traits, known.other, known.one, known.yes_back, variances[1])
    with steps.step(f"{mark}scores"):
        forth = _own(models, one, len(people), asked.one, asked.other)
        back = _own(models, other, len(people), asked.other, asked.one)
    return BothWays(np.hstack([forth, back]), np.hstack([back, forth]))


def _own(models: Mapping[str, Model], effects: Effects, people: int, one: Ints, other: Ints) -> Any:
    """(n, generators + 1) generators' scores of one way, and effects."""
    scores = directed_scores(models, people, one, other)
    return np.column_stack([scores, effects.logits(one, other)])
