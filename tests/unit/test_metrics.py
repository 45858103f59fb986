"""Metrics against sums done by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import sparse

from recsys.arrays import Ints, Ragged
from recsys.errors import DataError
from recsys.evaluation import metrics
from recsys.evaluation.metrics import (
    Catalogue,
    Hits,
    check_figures,
    evaluate_lists,
    find_hits,
)


def lists(*items: Sequence[int]) -> Ragged:
    rows = [item for one in items for item in one]
    return Ragged(np.cumsum([0, *map(len, items)]), np.array(rows, np.int64))


def ranked(*items: Sequence[int]) -> Ints:
    return metrics.as_ranked(lists(*items), max(map(len, items)))


def hits() -> Hits:
    """Three users: hits at ranks 1 and 3 of three relevant, at rank 2 of one, and none of two."""
    return find_hits(ranked([4, 0, 6, 1], [9, 2], []), lists([4, 6, 7], [2], [0, 1]))


def log(rank: int) -> float:
    """The discount of a rank."""
    return 1 / math.log2(1 + rank)


def test_hits_are_where_relevant_items_stand() -> None:
    assert hits().places.tolist() == [
        [True, False, True, False],
        [False, True, False, False],
        [False] * 4,
    ]
    assert hits().relevant.tolist() == [3, 1, 2]


def test_recall() -> None:
    assert metrics.recall(hits(), 4).tolist() == [2 / 3, 1.0, 0.0]
    assert metrics.recall(hits(), 2).tolist() == [1 / 3, 1.0, 0.0]
    assert metrics.recall(hits(), 1).tolist() == [1 / 3, 0.0, 0.0]


def test_ndcg() -> None:
    assert [log(1), log(2), log(3)] == pytest.approx([1.0, 0.63093, 0.5])
    # (1 + 0.5) / (1 + 0.63093 + 0.5) = 0.70392; 0.63093 / 1
    expected = [1.5 / (1 + log(2) + 0.5), log(2), 0.0]
    assert metrics.ndcg(hits(), 4).tolist() == pytest.approx(expected)
    # At 2 the ideal list of the first user has two hits: 1 / (1 + 0.63093)
    assert metrics.ndcg(hits(), 2).tolist() == pytest.approx([1 / (1 + log(2)), log(2), 0.0])


def test_average_precision() -> None:
    # (1/1 + 2/3) / 3 = 0.5556; (1/2) / 1
    assert metrics.average_precision(hits(), 4).tolist() == pytest.approx([5 / 9, 0.5, 0.0])
    # Two places can hold two of the three: (1/1) / 2
    assert metrics.average_precision(hits(), 2).tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_reciprocal_rank_and_hit() -> None:
    assert metrics.reciprocal_rank(hits(), 4).tolist() == [1.0, 0.5, 0.0]
    assert metrics.reciprocal_rank(hits(), 1).tolist() == [1.0, 0.0, 0.0]
    assert metrics.hit(hits(), 4).tolist() == [1.0, 1.0, 0.0]
    assert metrics.hit(hits(), 1).tolist() == [1.0, 0.0, 0.0]


def test_a_list_shorter_than_k_is_held_against_the_ideal_at_k() -> None:
    short = find_hits(ranked([3]), lists([3, 5]))
    assert metrics.ndcg(short, 20)[0] == pytest.approx(1 / (1 + log(2)))
    assert metrics.average_precision(short, 20)[0] == 0.5


def test_the_neighbours_items_are_nobody_elses() -> None:
    # Keys of user and item must not run into each other, neither at -1 nor at the last item.
    found = find_hits(ranked([9], [0], []), lists([0], [9], [9]))
    assert not found.places.any()


def test_coverage_counts_items_once() -> None:
    assert metrics.coverage(ranked([0, 1, 2], [1]), 12) == 3 / 12
    assert metrics.coverage(ranked([0]), 0) is None


def test_gini_of_exposure() -> None:
    # Item 0 twice on top: exposures 2 and 0 of two items: all to one of two is 1/2.
    assert metrics.exposure_gini(ranked([0], [0]), 2) == pytest.approx(0.5)
    assert metrics.exposure_gini(ranked([0, 1], [1, 0]), 2) == pytest.approx(0.0)
    # 1 and 0.63093: 2 (1 * 0.63093 + 2 * 1) / (2 * 1.63093) - 3/2 = 0.11315
    assert metrics.exposure_gini(ranked([0, 1]), 2) == pytest.approx(0.11315, abs=1e-5)
    assert metrics.exposure_gini(ranked([]), 2) is None


def test_novelty_is_the_mean_of_bits() -> None:
    bits = metrics.self_information(np.array([8, 4, 4, 0]))
    # -log2 of 8/16, 4/16, 4/16; an item without events as if it had one: 1/16
    assert bits.tolist() == [1.0, 2.0, 2.0, 4.0]
    found = metrics.novelty(ranked([0, 1], [3], []), bits)
    assert found[:2].tolist() == [1.5, 4.0]
    assert np.isnan(found[2])


def test_diversity_is_one_less_the_mean_cosine() -> None:
    vectors = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0], [-1.0, 0.0]])
    found = metrics.diversity(ranked([0, 1, 2], [0, 0 + 4], [0, 3], [0], []), vectors)
    # Cosines of 0, 1 and 2: 0, 1/sqrt(2), 1/sqrt(2); of 0 and 4: -1; with zeros: 0
    assert found[:3].tolist() == pytest.approx([1 - math.sqrt(2) / 3, 2.0, 1.0])
    assert np.isnan(found[3:]).all()
    same = metrics.diversity(ranked([0, 1]), np.ones((2, 3), np.float32))
    assert same.tolist() == pytest.approx([0.0])
    assert same[0] >= 0.0


def test_calibration_error() -> None:
    # Items 0 and 1 are of one category each, item 2 half of both, item 3 of none.
    categories = sparse.csr_matrix([[1.0, 0.0], [0.0, 5.0], [2.0, 2.0], [0.0, 0.0]])
    histories = sparse.csr_matrix(
        [
            [3.0, 1.0, 0.0, 9.0],  # p = (3/4, 1/4); item 3 says nothing
            [3.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],  # p = (1/2, 1/2)
            [0.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0, 0.0],
        ]
    )
    shown = ranked([0, 1, 3], [0], [0, 1], [0], [3])
    found = metrics.calibration_error(shown, histories, categories)
    # q = (1/2, 1/2), q~ = (0.4975 + 0.005, ...) with 0.99 and 0.01: (0.5025, 0.4975)
    first = 0.75 * math.log(0.75 / (0.99 * 0.5 + 0.0075))
    first += 0.25 * math.log(0.25 / (0.99 * 0.5 + 0.0025))
    # q = (1, 0): q~ = (0.9975, 0.0025)
    second = 0.75 * math.log(0.75 / 0.9975) + 0.25 * math.log(0.25 / 0.0025)
    assert found[:3].tolist() == pytest.approx([first, second, 0.0])
    assert np.isnan(found[3])
    assert found[4] == pytest.approx(math.log(100))


def test_one_call_gives_all_of_it() -> None:
    categories = sparse.csr_matrix(np.eye(10))
    catalogue = Catalogue(np.arange(10), np.eye(10), categories)
    shown, relevant = ranked([4, 0, 6, 1], [9, 2], []), lists([4, 6, 7], [2], [0, 1])
    histories = sparse.csr_matrix((3, 10))
    found = evaluate_lists(shown, relevant, catalogue, k=2, histories=histories)
    assert list(found.per_user) == [
        "recall",
        "ndcg",
        "average_precision",
        "reciprocal_rank",
        "hit",
        "novelty",
        "diversity",
        "calibration_error",
    ]
    assert found.per_user["recall"].tolist() == [1 / 3, 1.0, 0.0]
    figures = found.summary()
    assert figures["recall"] == pytest.approx(4 / 9)
    assert figures["diversity"] == 1.0  # of the two lists that have two items
    assert figures["calibration_error"] is None
    assert figures["coverage"] == 4 / 10
    second = found.summary(np.array([False, True, False]))
    assert (second["recall"], second["coverage"]) == (1.0, 2 / 10)
    assert found.summary(np.zeros(3, bool))["recall"] is None
    plain = evaluate_lists(shown, relevant, Catalogue(np.arange(10)))
    assert list(plain.per_user)[-1] == "novelty"


@pytest.mark.parametrize(
    ("shown", "relevant", "message"),
    [
        pytest.param(ranked([0]), lists([1], [2]), "1 lists, but", id="other users"),
        pytest.param(ranked([0], [1]), lists([1], []), "leave the others out", id="nothing"),
        pytest.param(np.empty((0, 5), np.int64), lists(), "leave the others out", id="nobody"),
        pytest.param(ranked([1, 2, 1]), lists([1]), "stands twice", id="listed twice"),
        pytest.param(ranked([1]), lists([2, 2]), "stands twice", id="relevant twice"),
        pytest.param(ranked([5]), lists([1]), "row 5 is not in a catalogue of 5", id="unknown"),
    ],
)
def test_what_cannot_be_measured_is_said(shown: Ints, relevant: Ragged, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_lists(shown, relevant, Catalogue(np.ones(5, np.int64)))


def test_a_calibration_error_needs_categories() -> None:
    with pytest.raises(DataError, match="needs categories"):
        evaluate_lists(
            ranked([0]),
            lists([1]),
            Catalogue(np.ones(2, np.int64)),
            histories=sparse.csr_matrix((1, 2)),
        )


def test_no_place_is_no_list() -> None:
    with pytest.raises(ValueError, match="not 0"):
        metrics.ndcg(hits(), 0)


def test_lists_are_cut_and_filled_up() -> None:
    found = metrics.as_ranked(lists([5, 6, 7], [], [8]), 2)
    assert found.tolist() == [[5, 6], [-1, -1], [8, -1]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ndcg", 1.0905),
        ("recall", float("nan")),
        ("hit", -0.1),
        ("novelty", float("inf")),
        ("diversity", 2.1),
    ],
)
def test_a_figure_that_no_list_can_have_is_a_bug(name: str, value: float) -> None:
    with pytest.raises(ArithmeticError, match=f"{name} of a user is {value}, .*: a bug"):
        check_figures({name: np.array([0.5, value])})
    check_figures({"ndcg": np.array([0.0, 1.0]), "novelty": np.array([np.nan, 12.0])})
