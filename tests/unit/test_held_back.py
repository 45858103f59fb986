"""Pools of the holdout's users: what a list step measures there is what the choice has measured."""

from typing import Literal

import numpy as np
import pytest

from jobs.fitting import fit_generator
from recsys.config import Config
from recsys.dataset.training import Descriptions
from recsys.dataset.trial import DataSet
from recsys.evaluation.metrics import as_ranked, find_hits, ndcg
from recsys.evaluation.splits import Pairs
from recsys.lists.pools import held_back
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
