"""Spark's ALS as an engine of the `als` generator, against `implicit`."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy import sparse
from threadpoolctl import threadpool_limits
from upath import UPath

from jobs.fitting import fit_generator
from jobs.run.settings import Settings
from jobs.spark import als as spark_als
from recsys import columns as c
from recsys.dataset.training import Descriptions, Training
from recsys.errors import ConfigError
from recsys.generators import als
from recsys.generators.contract import Model

GROUPS, USERS, ITEMS, PLACES = 6, 360, 240, 20
PLANTED = als.Config(factors=GROUPS, alpha=5.0, regularization=5.0, iterations=20)


@pytest.fixture
def settings(spark: SparkSession, tmp_path: Path) -> Settings:
    del spark  # found by the engine
    return Settings(
        postgres_uri=None,
        mongo_uri=None,
        lake=UPath(tmp_path / "lake"),
        sandbox=tmp_path,
        config=tmp_path,
        submitted=False,
    )


def training(matrix: sparse.csr_matrix) -> Training:
    users, items = matrix.shape
    blank = Descriptions.blank(items), Descriptions.blank(users)
    ages = np.zeros(matrix.nnz, np.float32)
    return Training(matrix, ages, ages, *blank, np.full(users, -1, np.int32))


def planted() -> sparse.csr_matrix:
    """Users of a group like its items fifty times as often; some items are liked far more."""
    rng = np.random.default_rng(5)
    appeal = np.where(
        np.subtract.outer(np.arange(USERS), np.arange(ITEMS)) % GROUPS == 0, 0.3, 0.05
    )
    liked = rng.random((USERS, ITEMS)) < appeal * rng.lognormal(-0.1, 0.4, ITEMS)
    weights = np.where(liked, rng.exponential(1.0, liked.shape) + 0.1, 0.0)
    return sparse.csr_matrix(weights.astype(np.float32))


def lists(model: Model, matrix: sparse.csr_matrix) -> np.ndarray:
    """(users, PLACES) the best items that each user has not touched."""
    blocks = [model.scores(np.arange(start, min(start + 256, USERS))) for start in (0, 256)]
    scores = np.concatenate(blocks)
    scores[matrix.nonzero()] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :PLACES]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Mean share of the items that two lists of a user have in common."""
    shared = [len(np.intersect1d(a, b)) for a, b in zip(one, other, strict=True)]
    return float(np.mean(shared)) / PLACES


def test_a_rating_is_the_confidence_beyond_1_and_never_a_dislike() -> None:
    confidence = sparse.csr_matrix(np.array([[0, 3.5, 0], [0, 0, 0], [1, 0, 2]], np.float32))
    found = spark_als.ratings(confidence)
    assert found[c.USER_ROW].to_pylist() == [0, 2, 2]
    assert found[c.ITEM_ROW].to_pylist() == [1, 0, 2]
    assert found[c.WEIGHTS].to_pylist() == pytest.approx([2.5, 1e-6, 1.0])


def test_lambda_is_divided_by_what_cells_see_on_average() -> None:
    regular = sparse.csr_matrix(np.kron(np.eye(4, dtype=np.float32), np.ones((3, 5), np.float32)))
    assert spark_als.spark_regularization(regular, 6.0) == pytest.approx(6.0 / np.sqrt(5 * 3))
    # Rows of 3 and 1 cells, columns of 2, 1 and 1.
    skewed = sparse.csr_matrix(np.array([[1, 1, 1], [1, 0, 0]], np.float32))
    wanted = 6.0 / np.sqrt((10 / 4) * (6 / 4))
    assert spark_als.spark_regularization(skewed, 6.0) == pytest.approx(wanted)


def test_balancing_changes_no_score() -> None:
    rng = np.random.default_rng(1)
    users, items = (rng.normal(size=(n, 3)).astype(np.float32) for n in (7, 5))
    found = spark_als.balanced(4 * users, items)
    assert found.user_factors @ found.item_factors.T == pytest.approx(4 * users @ items.T, abs=1e-4)
    sizes = [float(np.square(f).sum()) for f in (found.user_factors, found.item_factors)]
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-5)


def test_where_all_rows_are_of_one_length_both_engines_find_the_same_minimum(
    settings: Settings,
) -> None:
    """Every user likes 10 of 20 items, every item is liked by 15 of 30 users."""
    ring = np.subtract.outer(np.arange(30), np.arange(20) * 1.5) % 30 < 15
    confidence = sparse.csr_matrix(ring.astype(np.float32) * 3)
    config = als.Config(factors=3, regularization=2.0, iterations=25)
    with threadpool_limits(1, "blas"):
        ours = als.by_implicit(confidence, config, 1)
    found = spark_als.factorise(settings, confidence, config, 1)
    assert set(np.diff(confidence.indptr)) == {10}
    wanted = ours.user_factors @ ours.item_factors.T
    assert found.user_factors @ found.item_factors.T == pytest.approx(wanted, abs=0.02)
    assert not list(settings.lake.iterdir())


def test_both_engines_recover_what_is_planted_and_agree(settings: Settings) -> None:
    matrix = planted()
    by_spark = PLANTED.model_copy(update={"engine": "spark"})
    one = lists(fit_generator("als", training(matrix.copy()), PLANTED, 1), matrix)
    found = lists(fit_generator("als", training(matrix.copy()), by_spark, 1, settings), matrix)
    own = np.arange(USERS)[:, np.newaxis] % GROUPS
    shares = [float((each[:, :10] % GROUPS == own).mean()) for each in (one, found)]
    assert min(shares) > 0.85
    assert overlap(one, found) > 0.9


def test_nothing_to_learn_from_is_zeros(settings: Settings) -> None:
    empty = sparse.csr_matrix((3, 4), dtype=np.float32)
    by_spark = als.Config(engine="spark")
    model = fit_generator("als", training(empty), by_spark, 1, settings)
    assert not model.scores(np.arange(3)).any()


def test_another_engine_than_implicit_must_be_handed_over() -> None:
    with pytest.raises(ConfigError, match=r"generators\.als\.engine: spark cannot be run here"):
        als.fit(training(planted()), als.Config(engine="spark"), 1)
