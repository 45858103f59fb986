"""The best items of each user, exactly, in chunks of users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from recsys.arrays import Ints, Ragged, offsets_of
from recsys.dataset.training import Training
from recsys.generators.contract import Model, Rows, Scores
from recsys.lists.ranked import RankedLists
from recsys.lists.reasons import coded
from recsys.ranking.blend import Blend
from recsys.ranking.candidates import best_columns
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.scoring import Scored, Scorer


def select(
    scored: Scored,
    blend: Blend,
    available: Rows,
    n: int,
    *,
    opinions: bool = False,
    asked: Ragged | None = None,
) -> RankedLists:
    """The n best items of each user of a chunk by a blend; fewer where fewer are left.

    available: (a,) ascending item rows. opinions: whether to keep what each generator says.
    asked: columns of `available` that each user's list must have too, where the user may get them.
    """
    totals = blend.totals(scored)
    columns = best_columns(totals, min(n, totals.shape[1]))
    values = np.take_along_axis(totals, columns, axis=1)
    if asked is not None:
        columns, values = _with_asked(scored, totals, columns, values, asked)
    kept = values > -np.inf
    sources, said = np.zeros(columns.shape, np.int16), None
    if len(scored.scores) > 1 or opinions:
        shares = blend.shares(scored, columns)
        sources = shares.argmax(axis=0).astype(np.int16)
        said = coded(shares[:, kept].T) if opinions else None
    return RankedLists(
        offsets=offsets_of(kept.sum(axis=1)),
        item_rows=available[columns[kept]],
        scores=values[kept],
        sources=sources[kept],
        propensities=np.ones(int(kept.sum()), np.float32),
        opinions=said,
    )


def _with_asked(
    scored: Scored, totals: Scores, columns: Ints, values: Scores, asked: Ragged
) -> tuple[Ints, Scores]:
    """(b, m) columns and their values, best first, with those asked for among them; -inf at the end
    of shorter lists. What no generator proposes has the value of the user's last proposal."""
    lines, wanted = asked.lines(), asked.values
    found = totals[lines, wanted]
    last = np.where(values > -np.inf, values, np.inf).min(axis=1, initial=np.inf)
    last[np.isinf(last)] = 0.0
    permitted = scored.scores[0][lines, wanted] > -np.inf
    found = np.where(permitted & np.isneginf(found), last[lines].astype(np.float32), found)
    there = np.zeros(totals.shape, np.bool_)
    np.put_along_axis(there, columns, values > -np.inf, axis=1)
    found[there[lines, wanted]] = -np.inf
    more = np.zeros((len(totals), int(asked.lengths.max(initial=0))), np.int64)
    worth = np.full(more.shape, -np.inf, np.float32)
    places = np.arange(len(wanted)) - asked.offsets[lines]
    more[lines, places], worth[lines, places] = wanted, found
    columns, values = np.hstack([columns, more]), np.hstack([values, worth])
    order = np.lexsort((columns, -values), axis=1)
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)


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
        self, users: Ints, excluded: Ragged, n: int, asked: Ragged | None = None
    ) -> Iterator[RankedLists]:
        """The n best available items of each user, chunk by chunk.

        users: (u,) ascending rows. excluded: what each must not get, besides what is unavailable.
        asked: rows of items that each gets as well, unless the user must not.
        """
        available = self.scorer.available
        for scored in self.scorer.chunks(users, excluded):
            more = None
            if asked is not None:
                more = self.columns(asked.take(np.searchsorted(users, scored.users)))
            lists = select(scored, self.blend, available, n, opinions=self.opinions > 0, asked=more)
            yield lists if self.generators is None else self._renamed(lists, self.generators)

    def columns(self, items: Ragged) -> Ragged:
        """Columns of the available ones of some items."""
        columns = self.scorer.columns[items.values]
        there = columns >= 0
        lengths = np.bincount(items.lines()[there], minlength=len(items.offsets) - 1)
        return Ragged.of_lengths(lengths, columns[there])

    def _renamed(self, lists: RankedLists, generators: Ints) -> RankedLists:
        """The lists with generators by their numbers among all."""
        sources, said = generators[lists.sources].astype(np.int16), lists.opinions
        if said is not None:
            of_all = np.zeros((len(said), self.opinions), np.uint8)
            of_all[:, generators] = said
            said = of_all
        return replace(lists, sources=sources, opinions=said)


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
