"""Reach of generators, by hand on a handful of items."""

import numpy as np
from scipy import sparse

from recsys.arrays import Ragged
from recsys.generators.contract import Model
from recsys.generators.factors import FactorModel
from recsys.generators.neighbours import NeighbourModel
from recsys.ranking.reach import reached
from recsys.ranking.scoring import Scorer

ITEMS = 6
#: Item 4 is known to no model, item 5 is not available.
AVAILABLE = np.arange(5)
PAIRS = Ragged.of_lengths(np.array([3, 3, 1]), np.array([1, 2, 4, 0, 1, 5, 3]))


def vectors() -> Model:
    """User 2 and item 4 are zeros; to user 0 item 2 is worth about the mean, which is a score."""
    items = np.array([[1, 3], [2, 1], [1.5, 1], [0, 1], [0, 0], [9, 9]], np.float32)
    return FactorModel(np.array([[1, 0], [0.5, 2], [0, 0]], np.float32), items)


def neighbours() -> Model:
    """User 0 touched item 0, which is beside item 1; user 1 nothing; user 2 item 1, beside all."""
    history = sparse.csr_matrix([[1, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
    beside = [[0, 0.001, 0, 0, 0, 1], [0.5, 0, 0.5, 0.5, 0.5, 1], [0, 0, 0, 0, 0, 0]]
    return NeighbourModel(history, sparse.csr_matrix(beside, dtype=np.float32))


def flat() -> Model:
    """The same score of every item, which tells nothing apart."""
    return FactorModel(np.ones((3, 1), np.float32), np.full((ITEMS, 1), 2.0, np.float32))


def test_an_item_is_in_reach_where_a_generator_scores_it_for_the_user() -> None:
    models = {"vectors": vectors(), "neighbours": neighbours(), "flat": flat()}
    scorer = Scorer.of(models, AVAILABLE, ITEMS)
    closed = Ragged.of_lengths(np.array([1, 0, 1]), np.array([0, 1]))
    (scored,) = scorer.chunks(np.arange(3), closed)
    with np.errstate(all="raise"):
        found = reached(scored, PAIRS.lines(), scorer.columns[PAIRS.values])
    assert found.tolist() == [
        [True, True, False, True, True, False, False],
        [True, False, False, False, False, False, True],
        [False] * 7,
    ]
