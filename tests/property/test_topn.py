"""Lists against the plain definition: sort everything, take the first n."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.arrays import Ragged
from recsys.generators.factors import CHUNK, FactorModel
from recsys.lists.ranker import Ranker, select
from recsys.ranking.blend import WeightedSum
from recsys.ranking.candidates import best_columns, candidates
from recsys.ranking.scoring import Scored, Scorer

N_ITEMS = 23
Scores = npt.NDArray[np.float32]


def whole_numbers(seed: int, lines: int, closed: int, generators: int = 2) -> Scored:
    """Small whole numbers: scores are exact and ties are common."""
    rng = np.random.default_rng(seed)
    scores = [rng.integers(-2, 3, (lines, N_ITEMS)).astype(np.float32) for _ in range(generators)]
    places = rng.integers(0, lines, closed), rng.integers(0, N_ITEMS, closed)
    for part in scores:
        part[places] = -np.inf
    moments = [(np.zeros(lines), np.ones(lines))] * generators
    return Scored(np.arange(lines), scores, moments)


def by_definition(scores: Scores, closed: set[int], n: int) -> list[int]:
    left = [item for item in range(N_ITEMS) if item not in closed]
    return sorted(left, key=lambda item: (-scores[item], item))[:n]


def closed_of(scored: Scored, line: int) -> set[int]:
    return set(np.flatnonzero(scored.scores[0][line] == -np.inf).tolist())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    width=st.integers(1, 300),
    levels=st.sampled_from([2, 30, 10**6]),
)
def test_the_best_columns_are_found_among_many(seed: int, n: int, width: int, levels: int) -> None:
    """Few levels make ties, also at the edge; some columns are closed, in one line almost all."""
    rng = np.random.default_rng(seed)
    totals = rng.integers(0, levels, (5, width)).astype(np.float32)
    totals[rng.random(totals.shape) < 0.2] = -np.inf
    totals[0, n // 2 :] = -np.inf
    found = best_columns(totals, n)
    assert found.shape == (5, min(n, width))
    for line, columns in enumerate(found):
        order = sorted(range(width), key=lambda column: (-totals[line, column], column))
        assert columns.tolist() == order[:n]


def test_a_block_without_lines_has_no_best_columns() -> None:
    assert best_columns(np.empty((0, 300), np.float32), 2).shape == (0, 2)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, N_ITEMS + 3),
    closed=st.integers(0, 80),
    lines=st.integers(1, 7),
    weights=st.sampled_from([(2.0,), (2.0, 1.0)]),
)
def test_lists_equal_their_definition(
    seed: int, n: int, closed: int, lines: int, weights: tuple[float, ...]
) -> None:
    scored = whole_numbers(seed, lines, closed, len(weights))
    available = np.arange(N_ITEMS) * 3 + 1
    found = select(scored, WeightedSum(weights), available, n)
    parts = [weight * part for weight, part in zip(weights, scored.scores, strict=True)]
    total = sum(parts, np.zeros((lines, N_ITEMS), np.float32))
    for line, (start, end) in enumerate(pairwise(found.offsets)):
        wanted = by_definition(total[line], closed_of(scored, line), n)
        assert found.item_rows[start:end].tolist() == available[wanted].tolist()
        assert found.scores[start:end].tolist() == total[line, wanted].tolist()
        shares = np.stack([part[line, wanted] for part in parts])
        assert found.sources[start:end].tolist() == shares.argmax(axis=0).tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    most=st.integers(1, N_ITEMS + 3),
    closed=st.integers(0, 80),
    lines=st.integers(1, 7),
)
def test_candidates_are_the_best_of_each_generator(
    seed: int, most: int, closed: int, lines: int
) -> None:
    scored = whole_numbers(seed, lines, closed)
    found = candidates(scored, most)
    for line in range(lines):
        best = [by_definition(s[line], closed_of(scored, line), most) for s in scored.scores]
        columns = found.columns[found.lines == line].tolist()
        assert columns == sorted(set().union(*best))
        for scores, ranks in zip(scored.scores, found.ranks, strict=True):
            order = sorted(columns, key=lambda item: (-scores[line, item], item))
            expected = [order.index(item) + 1 for item in columns]
            assert ranks[found.lines == line].tolist() == expected


def lists_of(ranker: Ranker, users: npt.NDArray[np.int64]) -> list[bytes]:
    nothing = Ragged.of_lengths(np.zeros(len(users), np.int64), np.empty(0, np.int64))
    return [
        block.scores[a:b].tobytes() + block.item_rows[a:b].tobytes()
        for block in ranker.top_n(users, nothing, 10)
        for a, b in pairwise(block.offsets)
    ]


def test_a_users_list_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(1)
    users, items = 3 * CHUNK, 1_000
    draw = rng.normal(size=(users + items, 64)).astype(np.float32)
    model = FactorModel(draw[:users], draw[users:])
    scorer = Scorer.of({"m": model}, np.arange(items), items)
    ranker = Ranker(scorer, WeightedSum((1.0,)))
    together = lists_of(ranker, np.arange(users))
    every_third = np.arange(1, users, 3)
    assert lists_of(ranker, every_third) == [together[user] for user in every_third]
