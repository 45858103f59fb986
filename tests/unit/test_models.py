"""Every model against a matrix with a known answer, and ALS against `implicit` itself."""

from collections.abc import Callable

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.config import Als, Content
from recsys.models.als import fit_als
from recsys.models.content import Descriptions, fit_content
from recsys.models.factors import FactorModel
from recsys.models.popularity import fit_popularity

SIZE = 20
SMALL_ALS = Als(factors=4, alpha=2.0, regularization=0.1, iterations=5)


def checkerboard(users: int = SIZE, items: int = SIZE) -> sparse.csr_matrix:
    """Even users like even items, odd users odd ones; nobody has touched the last two."""
    cells = (np.add.outer(np.arange(users), np.arange(items)) % 2 == 0).astype(np.float32)
    cells[:, -2:] = 0
    cells[0, -2] = cells[1, -1] = 1
    return sparse.csr_matrix(cells)


def described(users: int = SIZE, items: int = SIZE) -> tuple[Descriptions, Descriptions]:
    tags = [["even"] if item % 2 == 0 else ["odd"] for item in range(items)]
    empty: list[list[str]] = [[] for _ in range(items)]
    nobody: list[list[str]] = [[] for _ in range(users)]
    return Descriptions([""] * items, tags, empty), Descriptions([""] * users, nobody, nobody)


def content_model() -> FactorModel:
    return fit_content(checkerboard(), *described(), Content(dimensions=2), seed=0)


@pytest.mark.parametrize(
    "fit",
    [lambda: fit_als(checkerboard(), SMALL_ALS, seed=1), content_model],
    ids=["als", "content"],
)
def test_a_user_gets_the_colour_of_the_board(fit: Callable[[], FactorModel]) -> None:
    model = fit()
    scores = model.user_factors @ model.item_factors.T
    for user in range(2, SIZE):
        unseen = {SIZE - 2: scores[user, SIZE - 2], SIZE - 1: scores[user, SIZE - 1]}
        assert max(unseen, key=lambda item: unseen[item]) % 2 == user % 2


def test_als_is_implicits_own() -> None:
    weights = sparse.random(60, 40, 0.2, "csr", np.float32, random_state=3)
    confidence = weights.copy()
    confidence.data = 1 + np.float32(2.0) * confidence.data
    with threadpool_limits(1, "blas"):
        own = AlternatingLeastSquares(
            factors=4, alpha=1.0, regularization=0.1, iterations=5, random_state=7
        )
        own.fit(confidence, show_progress=False)
    model = fit_als(weights, SMALL_ALS, seed=7)
    np.testing.assert_array_equal(model.user_factors, own.user_factors)
    np.testing.assert_array_equal(model.item_factors, own.item_factors)


def test_popularity_is_the_log_of_summed_weights() -> None:
    model = fit_popularity(sparse.csr_matrix([[1.0, 0.0, 2.0], [0.0, 0.0, 5.0]]))
    assert model.item_factors[:, 0] == pytest.approx(np.log([2.0, 1.0, 8.0]))
    assert model.user_factors.tolist() == [[1.0], [1.0]]


def test_a_profile_speaks_for_a_user_without_history() -> None:
    items, users = described()
    weights = checkerboard()
    weights = sparse.vstack([weights[:-1], sparse.csr_matrix((1, SIZE))], "csr")
    tags = [*users.tags[:-1], ["even"]]
    model = fit_content(
        weights, items, Descriptions(users.text, tags, users.attributes), Content(), seed=0
    )
    scores = model.item_factors @ model.user_factors[-1]
    assert scores[::2].min() > 0.9
    assert scores[1::2].max() < 0.1


@pytest.mark.parametrize("items", [1, 3])
def test_content_without_any_description_has_no_opinion(items: int) -> None:
    nothing: list[list[str]] = [[] for _ in range(items)]
    blank = Descriptions([""] * items, nothing, nothing)
    nobody = Descriptions(["", ""], [[], []], [[], []])
    model = fit_content(sparse.csr_matrix((2, items)), blank, nobody, Content(), seed=0)
    assert not model.user_factors.any()
    assert not model.item_factors.any()
