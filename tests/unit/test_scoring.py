"""Scores on one scale, whatever model they come from."""

import numpy as np
import pytest

from recsys.arrays import Ragged
from recsys.generators.factors import FactorModel
from recsys.lists.ranker import select
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer, Standardised

RNG = np.random.default_rng(5)
MODEL = FactorModel(
    RNG.normal(size=(6, 3)).astype(np.float32), RNG.normal(2.0, 1.0, (40, 3)).astype(np.float32)
)
USERS = np.arange(6)


def test_both_ways_to_standardise_agree() -> None:
    plain = Standardised(MODEL, None)
    for one, other in zip(plain.scores(USERS), Standardised.of(MODEL).scores(USERS), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("standardised", [Standardised.of(MODEL), Standardised(MODEL, None)])
def test_every_user_gets_the_same_scale_and_keeps_the_order(standardised: Standardised) -> None:
    scores, mean, deviation = standardised.scores(USERS)
    raw = MODEL.scores(USERS)
    assert scores.mean(axis=1) == pytest.approx(np.zeros(6), abs=1e-5)
    assert scores.std(axis=1) == pytest.approx(np.ones(6), rel=1e-4)
    assert scores * deviation[:, None] + mean[:, None] == pytest.approx(raw, abs=1e-4)


@pytest.mark.parametrize("known", [True, False])
def test_a_model_without_opinion_is_silent_instead_of_loud(known: bool) -> None:  # noqa: FBT001
    flat = FactorModel(np.eye(2, dtype=np.float32), np.full((5, 2), 3.0, np.float32))
    unknown = FactorModel(np.zeros((2, 2), np.float32), MODEL.item_factors[:5, :2])
    for model in (flat, unknown):
        chosen = Standardised.of(model) if known else Standardised(model, None)
        scores, _, deviation = chosen.scores(np.arange(2))
        assert not scores.any()
        assert not deviation.any()


def test_scores_are_of_the_available_items_and_say_what_is_closed() -> None:
    available = np.array([1, 4, 30])
    scorer = Scorer.of({"m": MODEL}, available, 40)
    excluded = Ragged(np.array([0, 2, 2]), np.array([4, 5]))
    (block,) = scorer.chunks(np.array([2, 5]), excluded)
    raw = MODEL.scores(np.array([2, 5]))[:, available]
    expected = (raw - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True)
    expected[0, 1] = -np.inf
    assert block.scores[0] == pytest.approx(expected, abs=1e-4)


def test_a_generator_without_weight_has_no_say_and_makes_no_warning() -> None:
    items = np.arange(12, dtype=np.float32)[:, np.newaxis]
    everybody = np.ones((2, 1), np.float32)
    models = {"up": FactorModel(everybody, items), "down": FactorModel(everybody, -items)}
    scorer = Scorer.of(models, np.arange(12), 12)
    excluded = Ragged(np.array([0, 3, 3]), np.array([0, 5, 11]))
    with np.errstate(all="raise"):
        (block,) = scorer.chunks(np.arange(2), excluded)
        lists = select(block, WeightedSum((1.0, 0.0)), scorer.available, 12)
    assert lists.item_rows[:3].tolist() == [10, 9, 8]
    assert np.diff(lists.offsets).tolist() == [9, 12]
    assert lists.sources.tolist() == [0] * 21
