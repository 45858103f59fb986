"""NDCG of candidates on tables: what lists would have by the plain definition."""

from itertools import pairwise

import numpy as np
import pytest

from recsys.arrays import Ragged, offsets_of
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.ranking.hit_table import HitTable
from recsys.sections.base import READ_PLACES

RNG = np.random.default_rng(4)
LENGTHS = np.array([5, 0, 200, 31, 20, 90, 1, 64])
OFFSETS = offsets_of(LENGTHS)
SCORES = RNG.integers(0, 40, OFFSETS[-1]).astype(np.float32)
LABELS = RNG.random(OFFSETS[-1]) < 0.2
LABELS[OFFSETS[3] : OFFSETS[4]] = False
MISSED = np.array([0, 2, 0, 1, 3, 0, 1, 0])
"""Relevant items that are no candidates."""
RELEVANT = np.add.reduceat(np.append(LABELS, False), OFFSETS[:-1], dtype=np.int64) * (LENGTHS > 0)


def by_definition(scores: np.ndarray) -> np.ndarray:
    """NDCG of lists: candidates are items 0, 1, …, and what was missed has numbers beyond them."""
    width = LENGTHS.max()
    ranked = np.full((len(LENGTHS), READ_PLACES), -1)
    relevant: list[np.ndarray] = []
    for user, (start, end) in enumerate(pairwise(OFFSETS.tolist())):
        order = np.argsort(-scores[start:end], kind="stable")[:READ_PLACES]
        ranked[user, : len(order)] = order
        missed = width + np.arange(MISSED[user])
        relevant.append(np.concatenate([np.flatnonzero(LABELS[start:end]), missed]))
    lengths = np.array([len(items) for items in relevant])
    return ndcg(find_hits(ranked, Ragged.of_lengths(lengths, np.concatenate(relevant))), 20)


def made() -> HitTable:
    return HitTable.of(OFFSETS, LABELS, RELEVANT + MISSED)


def test_figures_are_those_of_lists_with_ties_and_any_number_of_candidates() -> None:
    hits = made()
    found = hits.ndcg(hits.table(SCORES))
    assert found == pytest.approx(by_definition(SCORES), abs=1e-12)
    assert 0.0 < found.mean() < 1.0


def test_a_part_of_the_users_has_their_figures() -> None:
    hits = made()
    users = np.array([0, 1, 3, 4, 7])
    part, lines = hits.part(users)
    assert part.ndcg(hits.table(SCORES)[lines]).tolist() == (
        hits.ndcg(hits.table(SCORES))[users].tolist()
    )
    assert part.ndcg(part.table(SCORES)).tolist() == part.ndcg(hits.table(SCORES)[lines]).tolist()


def test_nobody_with_a_hit_has_nothing() -> None:
    hits = HitTable.of(OFFSETS, np.zeros_like(LABELS), RELEVANT + MISSED)
    assert hits.ndcg(hits.table(SCORES)).tolist() == [0.0] * len(LENGTHS)
