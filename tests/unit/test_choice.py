"""Which way to order lists is taken, and that it is measured as lists are measured elsewhere."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys.config import Ranking
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.interactions.training import Descriptions, Training
from recsys.models.factors import FactorModel
from recsys.ranking.bands import BANDS, bands_of
from recsys.ranking.choice import Choice, Order, choose, within_error
from recsys.ranking.examples import PLACES, Examples
from recsys.ranking.scoring import Scorer
from recsys.ranking.stack import Ranker

ITEMS, USERS, GOOD, NOISE = 60, 240, 0, 1
NAMES = ("good", "noise")


def made(seed: int, good: Any = 2.0) -> Examples:
    """Every item is a candidate; the first generator knows what is relevant."""
    rng = np.random.default_rng(seed)
    labels = rng.random((USERS, ITEMS)) < 0.08
    labels[:, 0] |= ~labels.any(axis=1)
    scores = rng.normal(size=(USERS, ITEMS, 2)).astype(np.float32)
    scores[:, :, GOOD] += labels * np.broadcast_to(good, USERS)[:, np.newaxis]
    flat = scores.reshape(-1, 2)
    ranks = (-scores).argsort(axis=1).argsort(axis=1) + 1
    return Examples(
        offsets=np.arange(USERS + 1) * ITEMS,
        columns=np.tile(np.arange(ITEMS), USERS),
        scores=flat,
        fused=(1 / (60 + ranks)).sum(axis=2).reshape(-1).astype(np.float32),
        features=flat,
        labels=labels.reshape(-1),
        relevant=labels.sum(axis=1),
    )


def chosen(found: Examples, bands: Any = 0, **config: Any) -> Choice:
    places = np.broadcast_to(bands, USERS).astype(np.int64)
    return choose(found, places, NAMES, (1.0, 1.0), Ranking(**config), seed=1)


def test_candidates_are_measured_as_lists_are() -> None:
    found = made(3)
    scores = np.round(found.scores[:, GOOD], 1)
    by_user = scores.reshape(USERS, ITEMS)
    ranked = np.argsort(-by_user, axis=1, kind="stable")[:, :PLACES]
    rows = np.flatnonzero(found.labels)
    relevant = np.concatenate([[0], np.cumsum(found.relevant)]), rows % ITEMS
    assert found.ndcg(scores) == pytest.approx(ndcg(find_hits(ranked, relevant), PLACES))


def test_what_some_users_are_measured_by_is_theirs() -> None:
    found = made(4)
    some = np.array([3, 7, 200])
    scores = found.scores[:, GOOD]
    part = found.of(some)
    assert part.ndcg(part.scores[:, GOOD]) == pytest.approx(found.ndcg(scores)[some])


def test_noise_loses_its_weight() -> None:
    order = chosen(made(5), method="sum").orders["warm"]
    assert order.method == "sum"
    assert order.weights[NOISE] < 0.2 * order.weights[GOOD]
    assert order.validation["sum"] > 0.95 * order.validation["good"]


@pytest.mark.parametrize("least", [1, USERS + 1])
def test_nothing_is_published_that_does_worse_than_its_best_part(least: int) -> None:
    order = chosen(made(6), least_users=least).orders["warm"]
    parts = [order.validation[name] for name in (*NAMES, "sum", "fusion")]
    assert order.measured is not None
    assert order.measured >= max(parts)
    assert order.users == USERS
    assert f"{order.measured:.4f}" in order.reason


def test_a_generator_by_itself_has_all_the_weight() -> None:
    order = chosen(made(7), least_users=USERS + 1).orders["warm"]
    assert (order.method, order.weights) == ("single", (1.0, 0.0))


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        pytest.param([0.1, -0.1, 0.3, 0.1], False, id="mean 0.1, error 0.07"),
        pytest.param([0.3, -0.3, 0.3, -0.1], True, id="mean 0.05, error 0.13"),
        pytest.param([-0.1, -0.1, -0.1, -0.1], False, id="not best"),
    ],
)
def test_a_gain_counts_where_it_is_more_than_its_error(
    gains: list[float], *, expected: bool
) -> None:
    plain = np.full(5, 0.5)
    measured = {"sum": plain, "learned": plain + np.array([9.0, *gains]), "fusion": plain - 0.2}
    users = np.arange(1, 5)
    figures = {name: values[users].mean() for name, values in measured.items()}
    assert within_error("learned", figures, measured, users) is expected


def test_with_few_users_nothing_is_learnt() -> None:
    choice = chosen(made(8), least_users=USERS + 1)
    assert choice.rankers == ()
    assert "learned" not in choice.orders["warm"].validation
    assert choice.base == (1.0, 1.0)


def test_each_band_gets_what_did_best_for_it() -> None:
    bands = np.arange(USERS) % 2
    found = made(9, good=np.where(bands == 0, 3.0, -3.0))
    orders = chosen(found, bands, method="best", least_users=USERS + 1).orders
    assert orders["warm"].weights == (1.0, 0.0)
    assert orders["cold"].validation["good"] < orders["cold"].validation["noise"]
    assert orders["unseen"].users == 0
    assert (orders["unseen"].method, orders["unseen"].measured) == ("sum", None)


def test_each_band_is_ordered_in_its_own_way() -> None:
    items = np.arange(12, dtype=np.float32)[:, np.newaxis]
    everybody = np.ones((2, 1), np.float32)
    models = {"up": FactorModel(everybody, items), "down": FactorModel(everybody, -items)}
    touched = sparse.csr_matrix(([1.0] * 7, ([0] * 6 + [1], [1, 2, 3, 4, 5, 6, 3])), (2, 12))
    blank = Descriptions.blank
    training = Training(
        touched, np.zeros(7, np.float32), blank(12), blank(2), np.full(2, -1, np.int32)
    )
    scorer = Scorer.of(models, np.arange(12), 12)
    orders = {
        band: Order(method="single", weights=weights, validation={}, users=0, reason="")
        for band, weights in zip(BANDS, [(1.0, 0.0), (0.0, 1.0), (0.0, 1.0)], strict=True)
    }
    choice = Choice(generators=("up", "down"), orders=orders, base=(1.0, 1.0))
    ranker = Ranker(scorer, choice.blend(scorer, training, 5))
    (lists,) = ranker.top_n(np.arange(2), (np.zeros(3, np.int64), np.empty(0, np.int64)), 2)
    assert lists.item_rows.tolist() == [11, 10, 0, 1]


def test_the_same_seed_chooses_the_same_and_it_survives_being_kept() -> None:
    found = made(10)
    first = chosen(found, method="learned")
    assert first.rankers
    assert chosen(found, method="learned") == first
    assert Choice.model_validate_json(first.model_dump_json()) == first


def test_nothing_is_learnt_where_no_candidate_was_right() -> None:
    found = made(11)
    choice = chosen(replace(found, labels=np.zeros_like(found.labels)))
    assert choice.rankers == ()
    assert Choice.model_validate_json(choice.model_dump_json()) == choice


def test_a_ranker_is_not_asked_where_nothing_tells_users_apart() -> None:
    orders = chosen(made(12), BANDS.index("unseen"), method="learned").orders
    assert "learned" not in orders["unseen"].validation
    assert orders["unseen"].method != "learned"


def test_bands_are_by_items_touched() -> None:
    assert [BANDS[place] for place in bands_of(np.array([0, 1, 4, 5, 90]))] == [
        "unseen",
        "cold",
        "cold",
        "warm",
        "warm",
    ]
