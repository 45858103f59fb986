"""The learned ranker: the same on any number of threads, and better than what it starts from."""

import os

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from jobs.run.openmp import let_idle_threads_sleep
from recsys.arrays import Ragged
from recsys.dataset.training import Descriptions, Training
from recsys.generators.factors import FactorModel
from recsys.ranking.features import ItemUserFeatures
from recsys.ranking.holdout import holdout_candidates
from recsys.ranking.learned import DEMOTION, RERANK_DEPTH, Learned, fit_ranker, predicted
from recsys.ranking.scoring import Scorer

USERS, EACH = 200, 40
RNG = np.random.default_rng(8)
FEATURES = RNG.normal(size=(USERS * EACH, 6)).astype(np.float32)
BASE = FEATURES[:, 0] + RNG.normal(size=len(FEATURES)).astype(np.float32)
LABELS = FEATURES[:, 0] + FEATURES[:, 1] > 2.2
GROUPS = np.full(USERS, EACH)


def fitted() -> str:
    return fit_ranker(FEATURES, LABELS, GROUPS, BASE, seed=3)


def precision(scores: np.ndarray) -> float:
    """Share of the first places of all users that are right."""
    best = scores.reshape(USERS, EACH).argmax(axis=1)
    return float(LABELS.reshape(USERS, EACH)[np.arange(USERS), best].mean())


def test_one_thread_and_many_fit_the_same() -> None:
    with threadpool_limits(1):
        alone = fitted()
    assert fitted() == alone


def test_it_corrects_the_sum_it_starts_from() -> None:
    assert precision(BASE + predicted([fitted()], FEATURES)) > precision(BASE) + 0.2


def test_only_the_best_of_the_sum_are_ranked_anew() -> None:
    """The rankers' rule when lists are made is the rule they were measured by."""
    users, items = 60, 400
    history = sparse.random(users, items, 0.05, "csr", np.float32, random_state=1)
    ages = np.ones(history.nnz, np.float32)
    blank = Descriptions.blank(items), Descriptions.blank(users)
    nowhere = np.full(users, -1, np.int32)
    facts = ItemUserFeatures.of(Training(history, ages, ages, *blank, nowhere))
    vectors = (RNG.normal(size=(rows, 4)).astype(np.float32) for rows in (users, items))
    scorer = Scorer.of({"m": FactorModel(*vectors)}, np.arange(items), items)
    everybody, nothing = (
        np.arange(users),
        Ragged(np.zeros(users + 1, np.int64), np.empty(0, np.int64)),
    )
    liked = Ragged(np.arange(users + 1), RNG.integers(0, items, users))
    untimed = np.zeros(users, dtype=bool)
    found = holdout_candidates(scorer, facts, everybody, nothing, liked, untimed, 300)
    base = found.scores[0]
    ranker = fit_ranker(found.features, found.labels, np.diff(found.offsets), base, 1)
    (block,) = scorer.chunks(everybody, nothing)
    learned = Learned((ranker,), (1.0,), 300, scorer, facts)
    totals = learned.totals(block)
    first = found.leaders(base, RERANK_DEPTH)
    expected = np.where(first, base + predicted([ranker], found.features), base - DEMOTION)
    assert first.sum() == users * RERANK_DEPTH < len(base)
    lines = np.repeat(everybody, np.diff(found.offsets))
    assert np.allclose(totals[lines, found.columns], expected, atol=1e-4)
    assert (totals > -np.inf).sum() == len(base)
    own, alone = slice(found.offsets[7], found.offsets[8]), block.of(np.array([7]))
    moves = [learned.moved(alone, column) for column in found.columns[own].tolist()]
    assert [move is not None for move in moves] == first[own].tolist()
    added = [move.sum() for move in moves if move is not None]
    assert added == pytest.approx(predicted([ranker], found.features[own][first[own]]), abs=1e-5)


def test_idle_threads_sleep_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY")
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
