"""The learned ranker: the same on any number of threads, and better than what it starts from."""

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.ranking.learned import fit_ranker, predicted

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
