"""Lists against the plain definition: sort everything, take the first n."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models.factors import FactorModel
from recsys.ranking.topn import BLOCK, top_n

N_ITEMS = 23


def model(rng: np.random.Generator, users: int) -> FactorModel:
    """Small whole numbers: scores are exact and ties are common."""
    draw = rng.integers(-2, 3, (users + N_ITEMS, 3)).astype(np.float32)
    return FactorModel(draw[:users], draw[users:])


def by_definition(
    models: list[FactorModel], user: int, excluded: set[int], available: list[int], n: int
) -> list[int]:
    scores = sum(m.item_factors @ m.user_factors[user] for m in models)
    left = [item for item in available if item not in excluded]
    return sorted(left, key=lambda item: (-scores[item], item))[:n]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, N_ITEMS + 3),
    available=st.sets(st.integers(0, N_ITEMS - 1)),
    users=st.sets(st.integers(0, 2 * BLOCK + 9), min_size=1, max_size=6),
)
def test_lists_equal_their_definition(
    seed: int, n: int, available: set[int], users: set[int]
) -> None:
    rng = np.random.default_rng(seed)
    models = [model(rng, 2 * BLOCK + 10) for _ in range(2)]
    excluded = [set(rng.integers(0, N_ITEMS, rng.integers(0, N_ITEMS)).tolist()) for _ in users]
    offsets = np.cumsum([0, *map(len, excluded)])
    rows = np.array([item for items in excluded for item in sorted(items)], dtype=np.int64)
    chosen = np.array(sorted(available), dtype=np.int64)
    blocks = top_n(models, np.array(sorted(users)), (offsets, rows), chosen, n)
    lists = [block.item_rows[a:b].tolist() for block in blocks for a, b in pairwise(block.offsets)]
    assert lists == [
        by_definition(models, user, gone, sorted(available), n)
        for user, gone in zip(sorted(users), excluded, strict=True)
    ]


def lists_of(models: list[FactorModel], users: npt.NDArray[np.int64]) -> list[bytes]:
    nothing = np.zeros(len(users) + 1, np.int64), np.empty(0, np.int64)
    items = np.arange(len(models[0].item_factors))
    return [
        block.scores[a:b].tobytes() + block.item_rows[a:b].tobytes()
        for block in top_n(models, users, nothing, items, 10)
        for a, b in pairwise(block.offsets)
    ]


def test_a_users_list_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(1)
    users, items = 3 * BLOCK, 1_000
    draw = rng.normal(size=(users + items, 64)).astype(np.float32)
    models = [FactorModel(draw[:users], draw[users:])]
    together = lists_of(models, np.arange(users))
    every_third = np.arange(1, users, 3)
    assert lists_of(models, every_third) == [together[user] for user in every_third]
