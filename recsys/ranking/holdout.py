"""Candidates of users for whom the later is known: what the choice of a blend is measured on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, Mask, Ragged, offsets_of, ranges
from recsys.evaluation.metrics import check_figures
from recsys.generators.contract import Scores
from recsys.ranking.blend import fusion, opinionated
from recsys.ranking.candidates import candidates, leaders
from recsys.ranking.features import Features, ItemUserFeatures
from recsys.ranking.scoring import Scorer
from recsys.sections.base import READ_PLACES


@dataclass(frozen=True)
class HoldoutCandidates:
    """Candidates of some users, and which of them the users turned to afterwards."""

    offsets: Ints
    """(u + 1,) where each user's candidates begin and end."""
    columns: Ints
    """(p,) places among the available items."""
    scores: Scores
    """(p, generators) standardised scores."""
    fused: Scores
    """(p,) reciprocal rank fusion."""
    features: Features
    """(p, f)"""
    labels: Mask
    """(p,) whether the user turned to the item."""
    relevant: Ints
    """(u,) items the user turned to, candidates or not."""

    def __len__(self) -> int:
        return len(self.relevant)

    def of(self, users: Ints) -> Self:
        """The candidates of some of the users: places (v,) in ascending order."""
        offsets, rows = ranges(self.offsets[users], np.diff(self.offsets)[users])
        return self._at(offsets, rows, self.relevant[users])

    def leaders(self, scores: Scores, most: int) -> Mask:
        """(p,) True where a candidate's score is among the `most` greatest of its user."""
        return leaders(self._lines, self.columns, scores, most)

    def only(self, chosen: Mask) -> Self:
        """The same users with some of their candidates, by (p,) mask."""
        counts = np.bincount(self._lines[chosen], minlength=len(self))
        offsets = offsets_of(counts)
        return self._at(offsets, np.flatnonzero(chosen), self.relevant)

    @cached_property
    def _lines(self) -> Ints:
        """(p,) the user of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def _at(self, offsets: Ints, rows: Ints, relevant: Ints) -> Self:
        return type(self)(
            offsets,
            self.columns[rows],
            self.scores[rows],
            self.fused[rows],
            self.features[rows],
            self.labels[rows],
            relevant,
        )

    def ndcg(self, scores: npt.NDArray[np.floating]) -> Floats:
        """(u,) NDCG@20 of the candidates in order of (p,) scores, lower columns first if equal."""
        hits, bounds, rivals = self._rivals
        mine = np.repeat(hits, np.diff(bounds))
        equal = scores[rivals] == scores[mine]
        ahead = (scores[rivals] > scores[mine]) | (
            equal & (self.columns[rivals] < self.columns[mine])
        )
        before = offsets_of(ahead)
        ranks = 1 + before[bounds[1:]] - before[bounds[:-1]]
        gained = np.where(ranks <= READ_PLACES, 1.0 / np.log2(1.0 + ranks), 0.0)
        lines = np.searchsorted(self.offsets, hits, side="right") - 1
        gains = np.bincount(lines, gained, len(self))
        ideal = np.cumsum(1.0 / np.log2(1.0 + np.arange(1, READ_PLACES + 1)))
        found = np.asarray(gains / ideal[np.minimum(self.relevant, READ_PLACES) - 1])
        check_figures({"ndcg": found})
        return found

    @cached_property
    def _rivals(self) -> tuple[Ints, Ints, Ints]:
        """The hits (h,), and for each all candidates of its user: bounds (h + 1,) and rows."""
        hits = np.flatnonzero(self.labels)
        lines = np.searchsorted(self.offsets, hits, side="right") - 1
        return hits, *ranges(self.offsets[lines], np.diff(self.offsets)[lines])


def holdout_candidates(
    scorer: Scorer,
    facts: ItemUserFeatures,
    users: Ints,
    excluded: Ragged,
    relevant: Ragged,
    most: int,
) -> HoldoutCandidates:
    """Candidates of users for whom the later is known.

    users: (u,) ascending rows. excluded, relevant: of the same users; relevant items are item rows.
    most: candidates of each generator.
    """
    wanted = _keys(relevant, scorer)
    parts, counts = [], []
    start = 0
    for scored in scorer.chunks(users, excluded):
        found = candidates(scored, most)
        keys = (found.lines + start) * len(scorer.available) + found.columns
        parts.append(
            (
                found.columns,
                np.stack([s[found.lines, found.columns] for s in scored.scores], axis=1),
                fusion(found.ranks, opinionated(scored)[:, found.lines]),
                facts.of_candidates(scorer, scored, found),
                np.isin(keys, wanted),
            )
        )
        counts.append(np.bincount(found.lines, minlength=len(scored.users)))
        start += len(scored.users)
    offsets = offsets_of(np.concatenate(counts))
    columns, scores, fused, features, labels = map(np.concatenate, zip(*parts, strict=True))
    return HoldoutCandidates(
        offsets, columns, scores, fused, features, labels, np.diff(relevant[0])
    )


def _keys(relevant: Ragged, scorer: Scorer) -> Ints:
    lines, columns = relevant.lines(), scorer.columns[relevant.values]
    return np.asarray((lines * len(scorer.available) + columns)[columns >= 0])
