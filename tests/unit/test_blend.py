import numpy as np
import pytest

from recsys.models.factors import FactorModel
from recsys.ranking.blend import blended, standardised

RNG = np.random.default_rng(5)
MODEL = FactorModel(
    RNG.normal(size=(6, 3)).astype(np.float32), RNG.normal(2.0, 1.0, (40, 3)).astype(np.float32)
)
AVAILABLE = np.arange(40) % 3 > 0


def scores(model: FactorModel) -> np.ndarray:
    return model.user_factors @ model.item_factors.T


def test_every_user_gets_the_same_scale_over_available_items() -> None:
    found = scores(standardised(MODEL, 0.4, AVAILABLE))[:, AVAILABLE]
    assert found.mean(axis=1) == pytest.approx(np.zeros(6), abs=1e-5)
    assert found.std(axis=1) == pytest.approx(np.full(6, 0.4), rel=1e-4)


def test_the_order_of_items_stays() -> None:
    before, after = scores(MODEL), scores(standardised(MODEL, 1.0, AVAILABLE))
    assert (before.argsort(axis=1) == after.argsort(axis=1)).all()


def test_a_model_without_opinion_is_silent_instead_of_loud() -> None:
    flat = FactorModel(np.eye(2, dtype=np.float32), np.full((5, 2), 3.0, np.float32))
    unknown = FactorModel(np.zeros((2, 2), np.float32), MODEL.item_factors[:5, :2])
    for model in (flat, unknown):
        assert not scores(standardised(model, 1.0, np.ones(5, bool))).any()


def test_models_of_no_weight_take_no_part() -> None:
    parts = blended({"a": MODEL, "b": MODEL}, {"a": 0.0, "b": 1.0}, AVAILABLE)
    assert list(parts) == ["b"]
