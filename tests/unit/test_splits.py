"""Splits: what may be learnt from, what must be found, and that nothing is in both."""

import gzip
from itertools import permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from recsys.dataset.bands import bands_of, members_of
from recsys.errors import DataError
from recsys.evaluation.splits import Pairs, at_quantile, given, random_per_user, temporal

SECOND = 1_000_000


def pairs(
    *rows: tuple[int, int], times: list[int] | None = None, weights: list[float] | None = None
) -> Pairs:
    return Pairs(
        np.array([user for user, _ in rows], np.int64),
        np.array([item for _, item in rows], np.int64),
        np.array([1.0] * len(rows) if weights is None else weights, np.float32),
        None if times is None else np.array(times, np.int64),
    )


def listed(found: Pairs) -> list[tuple[int, int]]:
    return list(zip(found.user_rows.tolist(), found.item_rows.tolist(), strict=True))


def made_up(seed: int, n: int = 3_000) -> Pairs:
    """Users of very unequal activity; some pairs come more than once."""
    rng = np.random.default_rng(seed)
    return Pairs(
        np.minimum(rng.geometric(0.03, n), 150),
        rng.integers(0, 200, n),
        rng.random(n).astype(np.float32),
        rng.integers(0, 1_000, n) * SECOND,
    )


def test_a_pair_counts_once_at_its_first_time_with_all_its_weight() -> None:
    twice = pairs((1, 5), (0, 9), (1, 5), times=[30, 20, 10], weights=[0.5, 1.0, 2.0])
    merged = twice.merged()
    assert listed(merged) == [(0, 9), (1, 5)]
    assert merged.times is not None
    assert merged.times.tolist() == [20, 10]
    assert merged.weights.tolist() == [1.0, 2.5]


def test_a_sum_of_weights_is_the_same_in_any_order() -> None:
    # The two smallest count if they meet first, and then tip the sum to the next float32.
    parts = [1.0, 2.0**-24, 2.0**-53, 2.0**-53]
    merged = [pairs(*[(0, 0)] * 4, weights=list(w)).merged() for w in permutations(parts)]
    assert len({pair.weights.item() for pair in merged}) == 1


def test_a_temporal_split_keeps_the_future_out_of_train() -> None:
    events = pairs(
        (0, 1), (0, 2), (0, 1), (1, 1), (1, 3), times=[10, 20, 30, 19, 25], weights=[1, 1, 7, 1, 1]
    )
    train, test = temporal(events, 20)
    assert listed(train) == [(0, 1), (1, 1)]
    assert listed(test) == [(0, 2), (1, 3)]
    assert train.weights.tolist() == [1.0, 1.0]  # not the 7 that came later


def test_what_is_learnt_from_keeps_its_events_for_a_cut_within_it() -> None:
    events = pairs((0, 1), (0, 2), (0, 1), (0, 3), times=[10, 20, 30, 40], weights=[1, 1, 7, 1])
    before = temporal(events, 40).train
    for train in (before, given(before, pairs((0, 3), times=[40])).train):
        inner = temporal(train, 15)
        assert (listed(inner.train), inner.train.weights.tolist()) == ([(0, 1)], [1.0])
        assert listed(inner.test) == [(0, 2)]
    drawn = random_per_user(events, 0.4, 1, 3)
    kept = [row for row in listed(events) if row not in listed(drawn.test)]
    assert listed(drawn.train) == kept


def test_pairs_know_their_last_time() -> None:
    events = pairs((1, 0), (0, 1), (0, 2), (0, 1), times=[5, 30, 20, 10])
    assert events.merged().times.tolist() == [10, 20, 5]  # type: ignore[union-attr]
    assert events.last_times().tolist() == [30, 20, 5]  # type: ignore[union-attr]
    assert pairs((0, 1), (0, 1)).last_times() is None


def test_the_quantile_is_one_of_all_events() -> None:
    events = pairs(*((user, user) for user in range(10)), times=list(range(10, 110, 10)))
    train, test = at_quantile(events, 0.8)  # 0.8 * (10 - 1) = 7.2: between 80 and 90
    assert (train.users().tolist(), test.users().tolist()) == ([*range(8)], [8, 9])
    train, _ = at_quantile(events.take(np.arange(6)), 0.6)  # 0.6 * (6 - 1) = 3: at 40
    assert train.users().tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_no_split_leaks(seed: int) -> None:
    events = made_up(seed)
    at = 800 * SECOND
    assert events.times is not None
    planted = pairs((500, 1), (500, 2), (500, 1), times=[at - 1, at, at + 1])
    together = Pairs(
        np.concatenate([events.user_rows, planted.user_rows]),
        np.concatenate([events.item_rows, planted.item_rows]),
        np.concatenate([events.weights, planted.weights]),
        np.concatenate([events.times, np.array([at - 1, at, at + 1])]),
    )
    train, test = temporal(together, at)
    assert train.times is not None
    assert test.times is not None
    assert train.times.max() == at - 1
    assert test.times.min() == at
    assert (500, 1) in listed(train)
    assert (500, 2) in listed(test)
    for split in ((train, test), random_per_user(events, 0.2, seed, 5), given(train, together)):
        first, second = (listed(part.merged()) for part in split)
        assert not set(first) & set(second)
        assert len(first) == len(set(first))
        assert len(second) == len(set(second))
    assert set(listed(train)) | set(listed(test)) == set(listed(together))


def shuffled(events: Pairs, rng: np.random.Generator) -> Pairs:
    return events.take(rng.permutation(len(events)))


def test_the_order_of_rows_makes_no_difference() -> None:
    events = made_up(4)
    other = shuffled(events, np.random.default_rng(1))
    for one, two in (
        (at_quantile(events), at_quantile(other)),
        (random_per_user(events, 0.2, 7, 5), random_per_user(other, 0.2, 7, 5)),
    ):
        for left, right in zip(*(map(Pairs.merged, split) for split in (one, two)), strict=True):
            assert listed(left) == listed(right)
            np.testing.assert_array_equal(left.weights, right.weights)
            np.testing.assert_array_equal(left.times, right.times)


def test_a_random_split_holds_out_its_share_of_each_user() -> None:
    sizes = [4, 5, 8, 10, 100]
    events = pairs(*((user, item) for user, size in enumerate(sizes) for item in range(size)))
    train, test = random_per_user(events, 0.2, 1, least=5)
    # 0.2 * 5 = 1, 0.2 * 8 = 1.6 -> 2, 0.2 * 10 = 2, 0.2 * 100 = 20; four items are too few.
    assert np.bincount(test.user_rows, minlength=5).tolist() == [0, 1, 2, 2, 20]
    assert len(train) + len(test) == sum(sizes)
    assert listed(random_per_user(events, 0.2, 1, least=5).test) == listed(test)
    assert listed(random_per_user(events, 0.2, 2, least=5).test) != listed(test)


def test_a_random_split_always_leaves_something_on_both_sides() -> None:
    events = pairs((0, 1), (0, 2))
    for share in (0.01, 0.99):
        train, test = random_per_user(events, share, 1, least=2)
        assert (len(train), len(test)) == (1, 1)


def test_every_item_is_as_likely_to_be_held_out() -> None:
    events = pairs(*((user, item) for user in range(4_000) for item in range(5)))
    _, test = random_per_user(events, 0.2, 3, least=5)
    held = np.bincount(test.item_rows, minlength=5)
    assert held.sum() == 4_000
    assert np.abs(held - 800).max() < 4 * np.sqrt(4_000 * 0.2 * 0.8)


def test_a_given_split_drops_what_train_knows() -> None:
    train, test = given(pairs((0, 1), (1, 2)), pairs((0, 1), (0, 2), (1, 1), (1, 1)))
    assert listed(train) == [(0, 1), (1, 2)]
    assert listed(test) == [(0, 2), (1, 1)]
    assert len(given(pairs(), pairs((3, 3))).test) == 1


def test_a_given_split_takes_no_pair_for_another() -> None:
    one, other = pairs((1, 2)), pairs((0, 5))  # in tables of 3 and of 6 items both are cell 5
    assert listed(given(one, other).test) == [(0, 5)]
    assert listed(given(other, one).test) == [(1, 2)]


def test_items_by_user_come_in_the_order_asked_for() -> None:
    offsets, rows = pairs((7, 3), (2, 9), (7, 1), (7, 3)).item_lists(np.array([7, 5, 2]))
    assert (offsets.tolist(), rows.tolist()) == ([0, 2, 2, 3], [1, 3, 9])


def test_a_matrix_holds_summed_weights() -> None:
    cells = pairs((0, 1), (1, 0), (0, 1), (1, 2), weights=[0.5, 2.0, 1.0, 0.0]).matrix(2, 3)
    assert cells.toarray().tolist() == [[0.0, 1.5, 0.0], [2.0, 0.0, 0.0]]
    assert cells.nnz == 2
    assert cells.dtype == np.float32


def test_what_cannot_be_split_is_said() -> None:
    with pytest.raises(DataError, match="needs times"):
        at_quantile(pairs((0, 1)))
    with pytest.raises(DataError, match="data set is empty"):
        at_quantile(pairs(times=[]))
    with pytest.raises(DataError, match=r"differ in length: \[1, 2\]"):
        pairs((0, 1), times=[1, 2])
    with pytest.raises(ValueError, match="least >= 2"):
        random_per_user(pairs((0, 1)), 0.2, 1, least=1)


def numbered(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(column.combine_chunks().dictionary_encode().indices, np.int64)


def test_deskdrop_has_the_sizes_of_its_protocol(shared_data: Path) -> None:
    """Counted once by hand, with sets of (person, article) before and from 2016-10-10 17:51:28."""
    with gzip.open(shared_data / "deskdrop" / "users_interactions.csv.gz") as file:
        events = pc.read_csv(file)
    times = events["timestamp"].to_numpy() * SECOND
    people, articles = numbered(events["personId"]), numbered(events["contentId"])
    split = at_quantile(Pairs(people, articles, np.ones(len(times), np.float32), times))
    assert (len(split.train.merged()), len(split.test)) == (31_476, 9_234)
    users = split.test.users()
    touched = np.diff(split.train.item_lists(users)[0])
    sizes = {name: int(mask.sum()) for name, mask in members_of(bands_of(touched)).items()}
    assert (len(users), sizes) == (1_294, {"warm": 792, "cold": 332, "unseen": 170})


def test_what_was_not_liked_is_in_no_test_part() -> None:
    learnt = pairs((0, 1), (1, 1))
    wanted = pairs((0, 2), (0, 3), (1, 2), weights=[1.0, 0.0, 0.5])
    assert listed(given(learnt, wanted).test) == [(0, 2), (1, 2)]
    rows = [(0, item) for item in range(50)]
    drawn = random_per_user(pairs(*rows, weights=[float(i % 2) for i in range(50)]), 0.5, 1, 5)
    assert len(drawn.test)
    assert all(item % 2 for _, item in listed(drawn.test))
    assert not set(listed(drawn.train)) & set(listed(drawn.test))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 2e9])
def test_weights_are_evidence(weight: float) -> None:
    with pytest.raises(DataError, match="weights of pairs lie between 0 and 1e\\+09"):
        pairs((0, 1), weights=[weight])


def test_sums_of_weights_stay_finite() -> None:
    many = pairs(*[(0, 1)] * 3, weights=[1e9] * 3).merged()
    assert many.weights.tolist() == [1e9]
