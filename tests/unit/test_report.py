"""What is told of models: by segment, with intervals, against the best."""

import json

import numpy as np
import pytest

from recsys.arrays import Ints, Ragged
from recsys.dataset.bands import bands_of, members_of
from recsys.errors import DataError
from recsys.evaluation.metrics import Catalogue, Evaluation, evaluate_lists, of_new_items
from recsys.evaluation.report import clear_best, compare_models, make_report

USERS, ITEMS = 300, 50
RNG = np.random.default_rng(1)
WANTED = RNG.integers(0, ITEMS, USERS)
TOUCHED = np.arange(USERS) % 10


def evaluation(share: float, seed: int, wanted: Ints = WANTED, k: int = 5) -> Evaluation:
    """A model that finds the one relevant item of about this share of the users, on top."""
    rng = np.random.default_rng(seed)
    ranked = (wanted[:, np.newaxis] + np.arange(1, 6)) % ITEMS
    found = rng.random(len(wanted)) < share
    ranked[found, 0] = wanted[found]
    offsets = np.arange(len(wanted) + 1)
    return evaluate_lists(ranked, Ragged(offsets, wanted), Catalogue(np.ones(ITEMS, np.int64)), k=k)


def test_users_are_warm_from_five_items_on() -> None:
    masks = members_of(bands_of(np.array([0, 1, 4, 5, 90])))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == {
        "warm": [3, 4],
        "cold": [1, 2],
        "unseen": [0],
    }


def test_a_report_tells_all_users_and_each_segment() -> None:
    found = evaluation(0.5, 1)
    report = make_report("als", "planted", found, members_of(bands_of(TOUCHED)), seed=3)
    assert list(report.segments) == ["all", "warm", "cold", "unseen"]
    assert [figures.users for figures in report.segments.values()] == [300, 150, 120, 30]
    warm = report.segments["warm"].means["recall"]
    assert warm is not None
    assert warm.estimate == pytest.approx(found.per_user["recall"][TOUCHED >= 5].mean())
    assert warm.low < warm.estimate < warm.high
    everybody, unseen = (report.segments[name].coverage for name in ("all", "unseen"))
    assert everybody == found.summary()["coverage"]
    assert unseen is not None
    assert everybody is not None
    assert 0 < unseen < everybody


def test_a_report_is_ready_for_json() -> None:
    nobody = {"nobody": np.zeros(USERS, bool)}
    report = make_report("als", "planted", evaluation(0.5, 1), nobody, seed=3)
    told = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert told == report.as_dict()
    assert (told["model"], told["split"], told["k"], told["items"]) == ("als", "planted", 5, ITEMS)
    # Each of 50 items was touched once: log2 50 = 5.64385618...
    bits = 5.643856
    assert told["segments"]["all"]["novelty"] == {"estimate": bits, "low": bits, "high": bits}
    assert told["segments"]["nobody"] == {
        "users": 0,
        "recall": None,
        "ndcg": None,
        "average_precision": None,
        "reciprocal_rank": None,
        "hit": None,
        "novelty": None,
        "coverage": 0.0,
        "gini": None,
        "top_share": None,
        "reach": None,
    }
    assert told["new_items"] is None


def test_models_are_held_against_the_best() -> None:
    models = {
        "weak": evaluation(0.1, 1),
        "strong": evaluation(0.6, 2),
        "near": evaluation(0.57, 3),
    }
    found = compare_models(models, seed=4)
    assert found.best == "strong"
    assert list(found.means) == ["strong", "near", "weak"]
    assert list(found.against_best) == ["near", "weak"]
    weak, near = found.against_best["weak"], found.against_best["near"]
    assert weak.difference.high < 0
    assert weak.ratio is not None
    assert weak.ratio.high < 1
    assert found.adjusted["weak"] == pytest.approx(2 * weak.p_value)
    assert weak.p_value < 0.01
    assert near.p_value > 0.05
    told = found.as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["against_best"]["weak"]["adjusted_p"] == round(2 * weak.p_value, 6)
    assert compare_models(models, seed=4, metric="recall").metric == "recall"


def test_only_like_is_compared_with_like() -> None:
    one = evaluation(0.5, 1)
    for other in (evaluation(0.5, 1, WANTED[::-1]), evaluation(0.5, 1, k=4)):
        with pytest.raises(DataError, match="a and b differ"):
            compare_models({"a": one, "b": other}, seed=1)
    with pytest.raises(DataError, match="not by novelty"):
        compare_models({"a": one}, seed=1, metric="novelty")
    with pytest.raises(DataError, match="no model"):
        compare_models({}, seed=1)
    assert compare_models({"a": one}, seed=1).against_best == {}


def test_one_is_clearly_best_that_is_ahead_of_each_other_beyond_the_error() -> None:
    weak, strong, near = evaluation(0.1, 1), evaluation(0.6, 2), evaluation(0.57, 3)
    assert clear_best({"weak": weak, "strong": strong}) == "strong"
    assert clear_best({"weak": weak, "strong": strong, "near": near}) is None
    assert clear_best({"strong": strong, "same": strong}) is None
    assert clear_best({"strong": strong}) is None
    one = np.arange(USERS) == 0
    assert clear_best({"weak": weak, "strong": strong}, one) is None


def test_reach_and_what_is_found_of_new_items() -> None:
    """Users 0 and 1 want items 0 and 3, 1 and 4; user 2 wants item 2. Items 3 and 4 are new."""
    catalogue = Catalogue(np.array([5, 5, 5, 0, 0]))
    relevant = Ragged.of_lengths(np.array([2, 2, 1]), np.array([0, 3, 1, 4, 2]))
    ranked = np.array([[0, 3], [1, 2], [0, 1]])
    reached = np.array([True, True, True, False, False])
    found = evaluate_lists(ranked, relevant, catalogue, k=2, reached=reached)
    new = of_new_items(found, catalogue)
    assert new is not None
    bands = {"first": np.array([True, False, False]), "last": np.array([False, False, True])}
    told = make_report("als", "planted", found, bands, 1, new).as_dict()
    assert told["segments"]["all"]["reach"] == 0.6
    assert told["segments"]["first"]["reach"] == 1.0
    assert told["segments"]["last"]["reach"] == 0.0
    assert told["new_items"]["users"] == 2
    assert told["new_items"]["recall"]["estimate"] == 0.5
    # User 0 has the one new item at rank 2, user 1 not at all.
    assert told["new_items"]["ndcg"]["estimate"] == pytest.approx(0.5 / np.log2(3), abs=1e-6)
    assert told["new_items"]["reach"] == 0.5
    old = Catalogue(np.ones(5, np.int64))
    assert of_new_items(found, old) is None
