"""Candidates of users for whom the later is known: what the choice of a blend is measured on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, Mask, Ragged, offsets_of, ranges
from recsys.generators.contract import Scores
from recsys.generators.factors import CHUNK
from recsys.ranking.blend import opinionated, votes
from recsys.ranking.candidates import candidates, leaders
from recsys.ranking.features import Features, ItemUserFeatures, columns_among
from recsys.ranking.hit_table import HitTable
from recsys.ranking.scoring import Scored, Scorer, blas_on_one_thread

_USERS_A_TASK: Final = 2 * CHUNK


@dataclass(frozen=True)
class HoldoutCandidates:
    """Candidates of some users, and which of them the users turned to afterwards."""

    offsets: Ints
    """(u + 1,) where each user's candidates begin and end."""
    columns: Ints
    """(p,) places among the available items."""
    scores: Scores
    """(generators, p) standardised scores."""
    votes: Scores
    """(generators, p) what each adds to the reciprocal rank fusion."""
    features: Features
    """(p, f)"""
    labels: Mask
    """(p,) whether the user turned to the item."""
    relevant: Ints
    """(u,) items the user turned to, candidates or not."""
    earlier: Mask
    """(p,) whether that was in the earlier half of the holdout; nowhere where times lack."""
    later: Ints
    """(u,) items the user turned to in its later half."""

    def __len__(self) -> int:
        return len(self.relevant)

    def of(self, users: Ints) -> Self:
        """The candidates of some of the users: places (v,) in ascending order."""
        offsets, rows = ranges(self.offsets[users], np.diff(self.offsets)[users])
        return replace(
            self._at(offsets, rows), relevant=self.relevant[users], later=self.later[users]
        )

    def among(self, generators: Ints) -> Self:
        """The same candidates as some of the generators see them: (g,) ascending places."""
        width = self.features.shape[1]
        return replace(
            self,
            scores=self.scores[generators],
            votes=self.votes[generators],
            features=self.features[:, columns_among(generators, len(self.scores), width)],
        )

    def leaders(self, scores: Scores, most: int) -> Mask:
        """(p,) True where a candidate's score is among the `most` greatest of its user."""
        return leaders(self._lines, self.columns, scores, most)

    def only(self, chosen: Mask) -> Self:
        """The same users with some of their candidates, by (p,) mask."""
        counts = np.bincount(self._lines[chosen], minlength=len(self))
        offsets = offsets_of(counts)
        return self._at(offsets, np.flatnonzero(chosen))

    @cached_property
    def _lines(self) -> Ints:
        """(p,) the user of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def _at(self, offsets: Ints, rows: Ints) -> Self:
        """The candidates in some rows, for the users as they are."""
        return replace(
            self,
            offsets=offsets,
            columns=self.columns[rows],
            scores=self.scores[:, rows],
            votes=self.votes[:, rows],
            features=self.features[rows],
            labels=self.labels[rows],
            earlier=self.earlier[rows],
        )

    def later_half(self) -> tuple[Ints, Self]:
        """Places of the users who turned to something in the later half, and their candidates.

        What they had turned to in the earlier half is no candidate any more.
        """
        users = np.flatnonzero(self.later)
        kept = (self.later > 0)[self._lines] & ~self.earlier
        counts = np.bincount(self._lines[kept], minlength=len(self))[users]
        half = self._at(offsets_of(counts), np.flatnonzero(kept))
        return users, replace(half, relevant=self.later[users], later=self.later[users])

    def ndcg(self, scores: npt.NDArray[np.floating]) -> Floats:
        """(u,) NDCG@20 of the candidates in order of (p,) scores, lower columns first if equal."""
        return self.hits.ndcg(self.hits.table(scores))

    @cached_property
    def hits(self) -> HitTable:
        """The candidates of the users with a hit among them."""
        return HitTable.of(self.offsets, self.labels, self.relevant)


@dataclass(frozen=True)
class _Part:
    """What `HoldoutCandidates` holds of a chunk of users."""

    counts: Ints
    columns: Ints
    scores: Scores
    votes: Scores
    features: Features

    @classmethod
    def of(cls, scorer: Scorer, facts: ItemUserFeatures, scored: Scored, most: int) -> Self:
        found = candidates(scored, most)
        return cls(
            np.bincount(found.lines, minlength=len(scored.users)),
            found.columns,
            np.stack([scores[found.lines, found.columns] for scores in scored.scores]),
            votes(found.ranks, opinionated(scored)[:, found.lines]),
            facts.of_candidates(scorer, scored, found),
        )


def holdout_candidates(
    scorer: Scorer,
    facts: ItemUserFeatures,
    users: Ints,
    excluded: Ragged,
    relevant: Ragged,
    earlier: Mask,
    most: int,
) -> HoldoutCandidates:
    """Candidates of users for whom the later is known.

    users: (u,) ascending rows. excluded, relevant: of the same users; relevant items are item rows.
    earlier: (relevant,) whether the user turned to the item in the earlier half of the holdout;
    nowhere where times lack. most: candidates of each generator.
    """

    def look(start: int) -> list[_Part]:
        some = np.arange(start, min(start + _USERS_A_TASK, len(users)))
        scored = scorer.chunks(users[some], excluded.take(some))
        return [_Part.of(scorer, facts, chunk, most) for chunk in scored]

    with blas_on_one_thread(), ThreadPoolExecutor() as threads:
        parts = list(chain(*threads.map(look, range(0, max(len(users), 1), _USERS_A_TASK))))
    rows = np.repeat(np.arange(len(users)), np.concatenate([part.counts for part in parts]))
    places = np.concatenate([part.columns for part in parts])
    return HoldoutCandidates(
        offsets=offsets_of(np.bincount(rows, minlength=len(users))),
        columns=places,
        scores=np.concatenate([part.scores for part in parts], axis=1),
        votes=np.concatenate([part.votes for part in parts], axis=1),
        features=np.concatenate([part.features for part in parts]),
        labels=_labels(rows, places, relevant, np.ones(len(earlier), dtype=bool), scorer),
        relevant=relevant.lengths,
        earlier=_labels(rows, places, relevant, earlier, scorer),
        later=np.bincount(relevant.lines()[~earlier], minlength=len(users)),
    )


def _labels(lines: Ints, columns: Ints, relevant: Ragged, which: Mask, scorer: Scorer) -> Mask:
    """(p,) True for candidates that are among some of what is relevant to their user.

    lines, columns: (p,) in ascending order. which: (relevant,).
    """
    width = len(scorer.available)
    wanted = scorer.columns[relevant.values]
    known = which & (wanted >= 0)
    keys = lines * width + columns
    own = np.sort(relevant.lines()[known] * width + wanted[known])
    places = np.searchsorted(keys, own)
    places = places[keys[np.minimum(places, len(keys) - 1)] == own] if len(keys) else places[:0]
    labels = np.zeros(len(keys), dtype=bool)
    labels[places] = True
    return labels
