"""Pools of the holdout's users: what a list step measures there is what the choice has measured."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from jobs.fitting import fit_generator
from recsys.arrays import Ragged
from recsys.config import Config
from recsys.dataset.training import Descriptions, Holdout, Training
from recsys.dataset.trial import DataSet
from recsys.evaluation.metrics import as_ranked, find_hits, ndcg
from recsys.evaluation.splits import Pairs
from recsys.generators.factors import FactorModel
from recsys.lists.pools import held_back
from recsys.lists.ranked import RankedLists
from recsys.people.eligibility import Eligibility
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.stack import choose_policy
from recsys.sections.ranking import Ranking

USERS, ITEMS, SEED = 1_200, 60, 3
NAMES = ("item_item", "popularity")


def tastes() -> DataSet:
    """Everybody likes one of six kinds of items more, and of these the first ones."""
    rng = np.random.default_rng(SEED)
    kinds = rng.integers(0, 6, (USERS, 1)) == np.arange(ITEMS) % 6
    liked = rng.random((USERS, ITEMS)) < np.where(kinds, 0.6, 0.15) / (1.0 + np.arange(ITEMS) / 30)
    rows, items = np.nonzero(liked)
    pairs = Pairs(rows, items, np.ones(len(rows), np.float32), None)
    blank = Descriptions.blank(USERS), Descriptions.blank(ITEMS)
    return DataSet(pairs, *blank, np.full(USERS, -1, np.int32))


@pytest.mark.parametrize("method", ["learned", "sum"])
def test_users_are_ranked_by_what_others_taught(
    method: Literal["learned", "sum"], config: Config
) -> None:
    data, available = tastes(), np.arange(ITEMS)
    holdout = data.holdout(data.pairs, SEED).drawn(1_100, SEED)
    sections = {name: config.generators.section(name) for name in NAMES}
    models = {
        name: fit_generator(name, holdout.training, section, SEED).of_users(holdout.users)
        for name, section in sections.items()
    }
    policy = choose_policy(holdout, models, available, Ranking(method=method), (1.0, 1.0), SEED)
    held = held_back(holdout, holdout.training, models, policy, available, 200, 20, SEED)
    lists = np.concatenate([as_ranked(pools.items, 20) for pools, _ in held.chunks])
    values = ndcg(find_hits(lists, held.relevant), 20)
    assert len(policy.rankers) == (2 if method == "learned" else 0)
    assert values.mean() == pytest.approx(policy.measured, rel=1e-6)


#: Weights, and days since the first event, of what each of four people did with another; the last
#: week is held back.
DONE = {
    (0, 1): (1.0, 5.0),
    (0, 2): (1.0, 2.0),
    (0, 3): (0.0, 1.0),
    (1, 0): (0.0, 3.0),
    (1, 2): (1.0, 30.0),
    (2, 0): (1.0, 6.0),
    (2, 1): (1.0, 25.0),
    (3, 0): (1.0, 20.0),
    (3, 1): (1.0, 20.0),
    (3, 2): (1.0, 4.0),
}


def done(least: float) -> Training:
    """What had been done by so many days ago."""
    cells = {pair: each for pair, each in DONE.items() if each[1] > least}
    rows, items = np.array([*cells]).T
    weights, ages = np.array([*cells.values()], np.float32).T
    blank, ids = Descriptions.blank(4), pa.chunked_array([pa.array(range(4))])
    people = Eligibility.of({}, [()] * 4, ids, ids)
    history = sparse.csr_matrix((weights, (rows, items)), (4, 4))
    return Training(history, ages, ages, blank, blank, np.full(4, -1, np.int32), people)


def test_who_was_asked_is_known_by_who_came_first() -> None:
    """0 met 2 and 3, who had turned to 0, and 1 met 0. 2 has not met 3, who has just come; that 1
    has not met 3, who came long ago, says nothing. 2 came to 0 first, and 1 to 2 long ago."""
    relevant = Ragged.of_lengths(np.array([2, 1, 1]), np.array([1, 2, 0, 2]))
    holdout = Holdout(done(7.0), np.array([0, 2, 3]), relevant, np.zeros(4, np.float32))
    model = FactorModel(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32))
    everybody, policy = np.arange(4), RankingPolicy.only("als")
    held = held_back(holdout, done(0.0), {"als": model}, policy, everybody, 9, 1, SEED, everybody)
    assert held.asked.values.tolist() == [2, 3, 0, 3]
    assert held.asked.lengths.tolist() == [2, 1, 1, 0]
    assert held.relevant.lengths.tolist() == [2, 0, 1, 1]
    assert held.met.values.tolist() == [1, 2, 3, 0, 0, 2]
    # Whoever asked is in the pool beside the best, one.
    pools = RankedLists.joined([lists for lists, _ in held.chunks])
    assert np.isin(held.asked.pairs(), pools.items.pairs()).all()
    assert len(pools.item_rows) <= 4 + len(held.asked.values)
