"""The best items of each user, exactly, in chunks of users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np

from recsys.arrays import Floats, Ints, Ragged, offsets_of
from recsys.dataset.training import Training
from recsys.generators.contract import Model, Rows, Scores
from recsys.lists.ranked import RankedLists
from recsys.lists.reasons import coded
from recsys.ranking.blend import Blend
from recsys.ranking.candidates import best_columns
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.scoring import Scored, Scorer


def select(
    scored: Scored, blend: Blend, available: Rows, n: int | Ints, *, opinions: bool = False
) -> RankedLists:
    """The n best items of each user of a chunk by a blend; fewer where fewer are left.

    available: (a,) ascending item rows. n: of all, or of (b,) each. opinions: whether to keep what
    each generator says.
    """
    columns, values = _best(blend.totals(scored), n)
    lists = _listed(scored, blend, columns, values, available[columns], opinions=opinions)
    return replace(lists, moments=scored.all_moments())


def _best(totals: Scores, n: int | Ints) -> tuple[Ints, Scores]:
    """(b, most) columns of the n best of each line, and their scores; -inf beyond the n of it."""
    lengths = np.minimum(np.broadcast_to(n, len(totals)), totals.shape[1])
    shape = len(totals), int(lengths.max(initial=0))
    columns, values = np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32)
    for length in np.unique(lengths).tolist():
        lines = np.flatnonzero(lengths == length)
        part = totals if len(lines) == len(totals) else totals[lines]
        found = best_columns(part, length)
        columns[lines, :length] = found
        values[lines, :length] = np.take_along_axis(part, found, axis=1)
    return columns, values


def _listed(
    scored: Scored, blend: Blend, columns: Ints, values: Scores, rows: Ints, *, opinions: bool
) -> RankedLists:
    """Lists of the items at (b, n) columns, of these values and rows; -inf is no entry."""
    kept = values > -np.inf
    sources, said = np.zeros(columns.shape, np.int16), None
    if len(scored.scores) > 1 or opinions:
        shares = blend.shares(scored, columns)
        sources = shares.argmax(axis=0).astype(np.int16)
        said = coded(shares[:, kept].T) if opinions else None
    return RankedLists(
        offsets=offsets_of(kept.sum(axis=1)),
        item_rows=rows[kept],
        scores=values[kept],
        sources=sources[kept],
        propensities=np.ones(int(kept.sum()), np.float32),
        opinions=said,
    )


@dataclass(frozen=True)
class Ranker:
    """Everything that ranking needs, the same for every user."""

    scorer: Scorer
    blend: Blend
    generators: Ints | None = None
    """(scored,) what `RankedLists.sources` call each generator of the scorer; None: its place."""
    opinions: int = 0
    """Of how many generators, those left out among them, lists keep what each says; 0: of none."""

    @classmethod
    def of(
        cls,
        models: Mapping[str, Model],
        choice: RankingPolicy,
        available: Rows,
        training: Training,
        most: int,
        *,
        opinions: bool = False,
        users: Ints | None = None,
    ) -> Self:
        """The two stages of an as-of. most: candidates of each generator."""
        heard = {name: model for name, model in models.items() if name not in choice.left_out}
        people = training.people
        if people is not None and users is not None:
            people = people.of_users(users)
        scorer = Scorer.of(heard, available, training.history.shape[1], people)
        blend = choice.blend(scorer, training, most, users)
        return cls(scorer, blend, choice.heard, len(models) if opinions else 0)

    def top_n(
        self, users: Ints, excluded: Ragged, n: int, *, to_complete: bool = False
    ) -> Iterator[RankedLists]:
        """The n best available items of each user, chunk by chunk.

        users: (u,) ascending rows. excluded: what each must not get, besides what is unavailable.
        to_complete: as deep as `completed` needs them, see `deep`.
        """
        available = self.scorer.available
        for scored in self.scorer.chunks(users, excluded):
            length = self.deep(scored.users, n) if to_complete else n
            lists = select(scored, self.blend, available, length, opinions=self.opinions > 0)
            yield lists if self.generators is None else self._renamed(lists, self.generators)

    def deep(self, users: Rows, n: int) -> Ints:
        """(u,) lengths of lists that `completed` can make lists of n items of: with all candidates
        whose scores depend on other items'."""
        return np.maximum(n, len(self.scorer.models) * self.blend.proposals(users))

    def completed(
        self, pools: RankedLists, users: Ints, excluded: Ragged, n: int, asked: Ragged
    ) -> RankedLists:
        """The n best items of each user and the items that are asked for, unless the user must not
        get them. What no generator proposes has the score of the user's last among the n best.

        pools: of the users of one chunk, as `top_n` gave them to be completed. asked: rows,
        each once. Only what is in no pool is scored, so this is much less work than ranking.
        """
        best = pools.places() < n
        kept = pools.where(best | np.isin(pools.items.pairs(), asked.pairs()))
        new = self._columns(asked.without(pools.items))
        moments = cast("Floats", pools.moments)
        scored = self.scorer.scored(users, excluded, new, moments)
        values = self.blend.alone(scored)
        last = _last_scores(pools.where(best))[:, np.newaxis]
        permitted = scored.scores[0] > -np.inf
        values = np.where(permitted & np.isneginf(values), last, values)
        columns = np.broadcast_to(np.arange(values.shape[1]), values.shape)
        rows = np.zeros(values.shape, np.int64)
        lines = new.lines()
        places = np.arange(len(lines)) - new.offsets[lines]
        rows[lines, places] = self.scorer.available[new.values]
        more = _listed(scored, self.blend, columns, values, rows, opinions=self.opinions > 0)
        if self.generators is not None:
            more = self._renamed(more, self.generators)
        return kept.merged(more)

    def _columns(self, items: Ragged) -> Ragged:
        """Columns of the available ones of some items."""
        columns = self.scorer.columns[items.values]
        there = columns >= 0
        lengths = np.bincount(items.lines()[there], minlength=len(items.lengths))
        return Ragged.of_lengths(lengths, columns[there])

    def _renamed(self, lists: RankedLists, generators: Ints) -> RankedLists:
        """The lists with generators by their numbers among all."""
        sources, said = generators[lists.sources].astype(np.int16), lists.opinions
        if said is not None:
            of_all = np.zeros((len(said), self.opinions), np.uint8)
            of_all[:, generators] = said
            said = of_all
        return replace(lists, sources=sources, opinions=said)


def _last_scores(lists: RankedLists) -> Scores:
    """(users,) the last score of each list; 0 of an empty one."""
    ends, found = lists.offsets[1:], np.zeros(len(lists.offsets) - 1, np.float32)
    filled = lists.items.lengths > 0
    found[filled] = lists.scores[ends[filled] - 1]
    return found


def ranked_lists(
    scorer: Scorer, blends: Mapping[str, Blend], users: Ints, excluded: Ragged, k: int
) -> dict[str, Ints]:
    """(u, k) item rows of each blend's lists, best first, -1 where one is shorter.

    users: (u,) ascending rows. excluded: what each must not get.
    """
    chunks = scorer.chunks(users, excluded)
    found = [chunk_lists(scored, blends, scorer.available, k) for scored in chunks]
    return {name: np.concatenate([part[name] for part in found]) for name in blends}


def chunk_lists(
    scored: Scored, blends: Mapping[str, Blend], available: Rows, k: int
) -> dict[str, Ints]:
    """(b, k) item rows of each blend's lists of a chunk of users; see `ranked_lists`.

    available: (a,) ascending item rows.
    """
    found = {}
    for name, blend in blends.items():
        totals = blend.totals(scored)
        columns = best_columns(totals, min(k, totals.shape[1]))
        listed = np.take_along_axis(totals, columns, axis=1) > -np.inf
        found[name] = np.full((len(totals), k), -1, np.int64)
        found[name][:, : columns.shape[1]] = np.where(listed, available[columns], -1)
    return found
