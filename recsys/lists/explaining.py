"""Why one item is, or is not, on one user's list: what each stage of the ranking made of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from recsys.arrays import ItemRows
from recsys.generators.contract import Explains, Model, Rows, Scores
from recsys.lists.chain import Chain, PlannedStep
from recsys.lists.contract import Recipients, Reporting
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker, select
from recsys.lists.registry import LIST_STEPS
from recsys.ranking.blend import Among, Blend, ByBand
from recsys.ranking.features import feature_names
from recsys.ranking.learned import Learned
from recsys.ranking.scoring import Scored, blas_on_one_thread
from recsys.ranking.weighing import Weighed

PUBLISHED: Final = "published"
"""Name of the last stage, after all list steps."""


@dataclass(frozen=True)
class OwnItem:
    """An item of the user's own, and what it adds to a generator's raw score."""

    item: int
    part: float


@dataclass(frozen=True)
class Voice:
    """One generator on the pair."""

    generator: str
    score: float
    """As the generator gives it."""
    standardised: float | None
    """In standard deviations over the user's available items; None where it has no opinion on the
    user, is left out of the ranking, or the user may not get the item."""
    rank: int | None
    """Place among all items that the user may get, in this generator's order."""
    own: Sequence[OwnItem]
    """The strongest first; none where the generator does not explain its scores."""
    explained: float | None
    """What all own items add to the score; None as above."""


@dataclass(frozen=True)
class Stage:
    """Place of the item after one stage, from 1; None where it is not there any more."""

    name: str
    place: int | None
    remark: str = ""
    """Why a list step has moved it, where that says so."""


@dataclass(frozen=True)
class Explanation:
    """What the ranking made of a pair."""

    dropped: str | None
    """The stage that dropped it and the rule; None where it is on the list."""
    voices: Sequence[Voice]
    score: float | None
    """That the order goes by; None where the item was no candidate."""
    stages: Sequence[Stage]
    features: Mapping[str, float]
    """What each feature adds to the learned ranker's score, the strongest first; empty where
    another order stands, or the item was not among those that the ranker looks at."""
    chances: Mapping[str, float] = field(default_factory=dict)
    """What the chance of a like and each objective add to the score, which is their sum; empty
    where objectives have no say in it."""


@dataclass(frozen=True)
class Explainer:
    """Everything that made the lists of an as-of."""

    models: Mapping[str, Model]
    ranker: Ranker
    chain: Chain
    depth: int
    """Items of a pool."""

    def explain(self, user: Recipients, item: int, own: int) -> Explanation:
        """Explain one item for one user.

        user: one user alone. item: row of the item. own: own items that are named by generator.
        """
        with blas_on_one_thread():
            return self._explain(user, item, own)

    def _explain(self, user: Recipients, item: int, own: int) -> Explanation:
        (scored,) = self.ranker.scorer.chunks(user.rows, user.excluded)
        column = int(self.ranker.scorer.columns[item])
        closed = column < 0 or bool(np.isneginf(scored.scores[0][0, column]))
        names = list(self.ranker.scorer.names)
        voices = []
        for name in self.models:
            silent = closed or name not in names
            seen_at = None if silent else (scored, names.index(name), column)
            voices.append(self._voice(name, user.rows, item, seen_at, own))
        if closed:
            return Explanation("the user must not get it", voices, None, (), {})
        totals = self.ranker.blend.totals(scored)[0]
        if np.isneginf(totals[column]):
            dropped = "candidates: no generator proposes it"
            return Explanation(dropped, voices, None, (Stage("ranking", None),), {})
        rank = _rank(totals, column)
        stages = [Stage("ranking", rank), *self._stages(scored, user, item)]
        features = _moved(self.ranker.blend, scored, column, self.ranker.scorer.names)
        chances = _weighed(self.ranker.blend, scored, column)
        score = float(totals[column])
        return Explanation(self._dropped(rank, stages), voices, score, stages, features, chances)

    def _voice(
        self,
        name: str,
        user: Rows,
        item: int,
        seen_at: tuple[Scored, int, int] | None,
        most: int,
    ) -> Voice:
        model = self.models[name]
        score = float(model.scores(user)[0, item])
        own, explained = _own_items(model, int(user[0]), item, most)
        if seen_at is None:
            return Voice(name, score, None, None, own, explained)
        scored, place, column = seen_at
        scores, (_, deviation) = scored.scores[place][0], scored.moments[place]
        if not deviation[0] > 0:
            return Voice(name, score, None, None, own, explained)
        rank = _rank(scores, column)
        return Voice(name, score, float(scores[column]), rank, own, explained)

    def _stages(self, scored: Scored, user: Recipients, item: int) -> Iterator[Stage]:
        blend, available = self.ranker.blend, self.ranker.scorer.available
        asked = self.chain.asked(user.rows)
        if asked is None:
            pool = select(scored, blend, available, self.depth)
        else:
            deep = select(scored, blend, available, self.ranker.deep(user.rows, self.depth))
            pool = self.ranker.completed(deep, user.rows, user.excluded, self.depth, asked)
        place = _place(pool, item)
        yield Stage("pool", place)
        for count, step in enumerate(self.chain.steps, start=1):
            until = replace(self.chain, steps=self.chain.steps[:count])
            before, place = place, _place(until.applied(pool, user), item)
            yield Stage(step.name, place, _remark(step, item, before, place))
        yield Stage(PUBLISHED, _place(self.chain.published(pool, user), item))

    def _dropped(self, rank: int, stages: Sequence[Stage]) -> str | None:
        """The first stage after which it is not there, or stands beyond the list's end."""
        places = {stage.name: stage.place for stage in stages}
        remarks = {stage.name: stage.remark for stage in stages}
        if places[PUBLISHED] is not None:
            return None
        if places["pool"] is None:
            return f"ranking: ranked {rank}, of which {self.depth} are kept"
        before = places["pool"]
        for step in self.chain.steps:
            place = places[step.name]
            if place is None or place > self.chain.length >= before:
                remark = f": {remarks[step.name]}" if remarks[step.name] else ""
                left = f"at place {before} before it, not listed after it"
                return f"list step {step.name}: {left}{remark}"
            before = place
        return f"length: place {before}, of which {self.chain.length} are published"


def _remark(step: PlannedStep, item: int, before: int | None, after: int | None) -> str:
    module = LIST_STEPS[step.name]
    if before == after or not isinstance(module, Reporting):
        return ""
    return module.remark(step.facts, item, before, after)


def _own_items(
    model: Model, user: int, item: int, most: int
) -> tuple[Sequence[OwnItem], float | None]:
    if not isinstance(model, Explains):
        return (), None
    own, parts = model.contributions(user, np.array([item]))
    # By strength, then by row.
    best = np.lexsort((own, -parts[0]))[:most]
    named = [OwnItem(int(own[at]), float(parts[0, at])) for at in best if parts[0, at] > 0]
    return named, float(parts[0].sum())


def _moved(blend: Blend, scored: Scored, column: int, names: Sequence[str]) -> Mapping[str, float]:
    """What each feature adds to a learned ranker's score; empty where another order stands."""
    if isinstance(blend, Among):
        heard = [names[place] for place in blend.generators.tolist()]
        return _moved(blend.blend, scored.among(blend.generators), column, heard)
    if isinstance(blend, ByBand):
        own = blend.blends[int(blend.bands[scored.users[0]])]
        return _moved(own, scored, column, names)
    if isinstance(blend, Weighed):
        return _moved(blend.blend, scored, column, names)
    parts = blend.moved(scored, column) if isinstance(blend, Learned) else None
    if parts is None:
        return {}
    added = dict(zip(feature_names(names), parts[:-1].tolist(), strict=True))
    return dict(sorted(added.items(), key=lambda pair: -abs(pair[1])))


def _weighed(blend: Blend, scored: Scored, column: int) -> Mapping[str, float]:
    """What chances add to the score; empty where no objective has a say."""
    if isinstance(blend, Among):
        return _weighed(blend.blend, scored.among(blend.generators), column)
    return blend.parts(scored, column) if isinstance(blend, Weighed) else {}


def _rank(scores: Scores, column: int) -> int:
    """The place of a column, from 1, as lists are ordered: by score, then by column."""
    own = scores[column]
    above = np.count_nonzero(scores > own) + np.count_nonzero(scores[:column] == own)
    return int(above) + 1


def _place(lists: RankedLists, item: int) -> int | None:
    """The place of an item in the one list, from 1."""
    at: ItemRows = np.flatnonzero(lists.item_rows == item)
    return int(at[0]) + 1 if len(at) else None
