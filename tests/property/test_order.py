"""The best candidates of each person, against a sort of each person's alone."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.arrays import Ragged
from recsys.matching.order import Order


@given(
    lengths=st.lists(st.integers(0, 40), max_size=12),
    most=st.integers(1, 45),
    seed=st.integers(0, 99),
)
def test_order_is_that_of_score_then_place(lengths: list[int], most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    candidates = Ragged.of_lengths(np.array(lengths, np.int64), np.zeros(sum(lengths), np.int64))
    scores = rng.choice([0.0, 1e-30, 0.25, 0.5, 3.0], sum(lengths))
    rows = np.flatnonzero(rng.random(len(lengths)) < 0.7)
    found = Order.of(candidates, rows).best(scores, most)
    for row, (start, end) in enumerate(pairwise(found.offsets)):
        a, b = candidates.offsets[row : row + 2]
        wanted = np.lexsort((np.arange(a, b), -scores[a:b]))[:most] + a
        assert found.values[start:end].tolist() == (wanted.tolist() if row in rows else [])
