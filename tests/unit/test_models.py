"""One suite that every generator passes, and what only one of them promises."""

from typing import Any

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.arrays import Ragged
from recsys.dataset.bands import WARM_FROM
from recsys.dataset.training import Descriptions, Training
from recsys.generators import (
    aging,
    als,
    appeal,
    cold,
    content,
    gram,
    graph,
    item_item,
    loops,
    next_item,
    popularity,
    segment,
    trending,
)
from recsys.generators.als_model import folded_in, normal_matrix
from recsys.generators.block_als import BlockALS
from recsys.generators.contract import Model
from recsys.generators.factors import CHUNK
from recsys.generators.neighbours import strongest
from recsys.generators.registry import GENERATORS

SIZE = 20
SMALL: dict[str, dict[str, Any]] = {
    "als": {
        "factors": 4,
        "alpha": 2.0,
        "regularization": 0.1,
        "iterations": 20,
        "popularity_exponent": 0.0,
    },
    "content": {"dimensions": 2},
    "item_item": {"regularization": 1.0},
}
SAME_FOR_ALL = {"appeal", "popularity", "trending"}


def checkerboard(users: int = SIZE, items: int = SIZE) -> sparse.csr_matrix:
    """Even users like even items, odd users odd ones; nobody but two has touched the last two."""
    cells = (np.add.outer(np.arange(users), np.arange(items)) % 2 == 0).astype(np.float32)
    cells[:, -2:] = 0
    cells[0, -2] = cells[1, -1] = 1
    return sparse.csr_matrix(cells)


def training(
    matrix: sparse.csr_matrix,
    items: Descriptions | None = None,
    users: Descriptions | None = None,
    ages: Any = None,
    segments: Any = None,
) -> Training:
    rows, columns = matrix.shape
    return Training(
        matrix,
        np.zeros(matrix.nnz, np.float32) if ages is None else np.asarray(ages, np.float32),
        np.zeros(matrix.nnz, np.float32) if ages is None else np.asarray(ages, np.float32),
        items or Descriptions.blank(columns),
        users or Descriptions.blank(rows),
        np.full(rows, -1, np.int32) if segments is None else np.asarray(segments, np.int32),
    )


def tagged(tags: list[list[str]]) -> Descriptions:
    nothing: list[list[str]] = [[] for _ in tags]
    return Descriptions([""] * len(tags), tags, nothing)


def colours(items: int = SIZE) -> Descriptions:
    return tagged([["even"] if item % 2 == 0 else ["odd"] for item in range(items)])


def fitted(name: str, data: Training, seed: int = 1) -> Model:
    module = GENERATORS[name]
    return module.fit(data, module.Config.model_validate(SMALL.get(name, {})), seed)


def scores(model: Model, users: int) -> np.ndarray:
    return model.scores(np.arange(users))


@pytest.mark.parametrize("name", sorted(set(GENERATORS) - SAME_FOR_ALL - {"next_item"}))
def test_a_user_gets_the_colour_of_the_board(name: str) -> None:
    segments = np.arange(SIZE) % 2
    found = scores(fitted(name, training(checkerboard(), colours(), segments=segments)), SIZE)
    for user in range(2, SIZE):
        assert found[user, -2:].argmax() == user % 2


@pytest.mark.parametrize("name", GENERATORS)
class TestEveryGenerator:
    def data(self) -> Training:
        rng = np.random.default_rng(3)
        matrix = sparse.random(3 * CHUNK, 60, 0.1, "csr", np.float32, rng=rng)
        matrix.sort_indices()
        ages = rng.uniform(0, 90, matrix.nnz)
        return training(matrix, colours(60), ages=ages)

    def test_has_a_float_score_of_every_item(self, name: str) -> None:
        found = fitted(name, self.data()).scores(np.array([0, 5, 6]))
        assert found.shape == (3, 60)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()

    def test_is_the_same_for_the_same_seed_on_any_number_of_threads(self, name: str) -> None:
        first = fitted(name, self.data()).arrays()
        with threadpool_limits(1):
            again = fitted(name, self.data()).arrays()
        assert first.keys() == again.keys()
        for key, array in first.items():
            np.testing.assert_array_equal(array, again[key])

    def test_comes_back_from_its_arrays(self, name: str) -> None:
        model = fitted(name, self.data())
        back = GENERATORS[name].MODEL.from_arrays(model.arrays())
        np.testing.assert_array_equal(scores(back, 9), scores(model, 9))

    def test_scores_some_items_as_it_scores_all(self, name: str) -> None:
        model, some = fitted(name, self.data()), np.array([1, 4, 7, 50])
        part = scores(model.restricted(some), 9)
        assert part == pytest.approx(scores(model, 9)[:, some], rel=1e-5, abs=1e-6)

    def test_scores_some_items_of_each_user_as_it_scores_all(self, name: str) -> None:
        rng, columns = np.random.default_rng(4), np.arange(3, 60)
        model = fitted(name, self.data()).restricted(columns)
        users = np.flatnonzero(rng.random(CHUNK) < 0.5)
        lists = [np.flatnonzero(rng.random(len(columns)) < 0.2) for _ in users]
        asked = Ragged.of_lengths(np.array([len(each) for each in lists]), np.concatenate(lists))
        found = model.scores_of(users, asked)
        whole = model.scores(users)[asked.lines(), asked.values]
        assert found.dtype == np.float32
        assert found == pytest.approx(whole, rel=1e-5, abs=1e-6)

    def test_scores_a_user_alone_as_among_others(self, name: str) -> None:
        model = fitted(name, self.data())
        together = model.scores(np.arange(CHUNK, 2 * CHUNK))
        np.testing.assert_array_equal(model.scores(np.array([CHUNK + 7])), together[7:8])

    def test_fits_where_nobody_has_done_anything(self, name: str) -> None:
        found = scores(fitted(name, training(sparse.csr_matrix((3, 4), dtype=np.float32))), 3)
        assert not found.any()


def test_als_is_implicits_own_with_users_as_its_items_explain_them() -> None:
    weights = sparse.random(60, 40, 0.2, "csr", np.float32, random_state=3)
    confidence = weights.copy()
    confidence.data = (1 + 2.0 / weights.data.mean(dtype="f8") * weights.data.astype("f8")).astype(
        "f4"
    )
    with threadpool_limits(1, "blas"):
        own = AlternatingLeastSquares(
            factors=4, alpha=1.0, regularization=0.1, iterations=20, random_state=7
        )
        own.cg_steps = 2
        own.fit(confidence, show_progress=False)
    model = als.fit(training(weights), als.Config(**SMALL["als"]), seed=7)
    warm = np.diff(weights.indptr) >= WARM_FROM
    assert 0 < warm.sum() < len(warm)
    assert model.item_factors == pytest.approx(own.item_factors, abs=1e-3)
    exact = folded_in(model.item_factors, confidence, normal_matrix(model.item_factors, 0.1))
    assert model.user_factors == pytest.approx(exact, abs=1e-5)
    assert model.user_factors[warm] == pytest.approx(own.user_factors[warm], abs=0.2)


def test_als_moves_rows_as_implicit_does_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(8)
    # Rows without cells, rows that step together, and items with more cells than that has room for.
    cells = rng.random((3000, 12)) < np.where(np.arange(12) < 3, 0.95, 0.2)
    cells[100:110] = False
    confidence = sparse.csr_matrix(np.where(cells, 1 + 4 * rng.random(cells.shape), 0), dtype="f4")
    assert (np.bincount(confidence.indices) > loops._ROOM).sum() == 3

    begun = rng.random((12, 4))

    def fit(kind: type, **more: object) -> AlternatingLeastSquares:
        with threadpool_limits(1, "blas"):
            model = kind(factors=4, alpha=1.0, iterations=6, random_state=7, **more)
            model.item_factors = begun.astype(model.dtype)
            model.fit(confidence, show_progress=False)
        return model

    own = fit(AlternatingLeastSquares, dtype=np.float64)
    one, many = (fit(BlockALS, num_threads=threads) for threads in (1, 3))
    expected = own.user_factors @ own.item_factors.T
    assert one.user_factors @ one.item_factors.T == pytest.approx(expected, abs=0.02)
    assert not one.user_factors[100:110].any()
    np.testing.assert_array_equal(one.item_factors, many.item_factors)
    np.testing.assert_array_equal(one.user_factors, many.user_factors)


def test_folding_in_solves_the_normal_equations() -> None:
    rng = np.random.default_rng(2)
    items = rng.normal(size=(30, 5)).astype(np.float32)
    confidence = sparse.random(8, 30, 0.1, "csr", np.float32, random_state=4)
    confidence.data += 1
    found = folded_in(items, confidence, normal_matrix(items, 0.7))
    for user, c in enumerate(confidence.toarray().astype(np.float64)):
        y, p = items.astype(np.float64), c > 0
        left = y.T @ y + y.T @ np.diag(np.where(p, c - 1, 0)) @ y + 0.7 * np.eye(5)
        assert found[user] == pytest.approx(np.linalg.solve(left, y.T @ c), rel=1e-4, abs=1e-6)


def test_cold_rows_are_placed_where_their_features_put_warm_ones() -> None:
    rng = np.random.default_rng(6)
    features = rng.normal(size=(200, 3)).astype(np.float32)
    truth = features @ rng.normal(size=(3, 4)).astype(np.float32)
    warm = np.arange(200) < 150
    factors = np.where(warm[:, np.newaxis], truth, 0).astype(np.float32)
    found = cold.mapped(features, factors, warm, ~warm)
    assert found[~warm] == pytest.approx(truth[~warm], abs=0.02)
    np.testing.assert_array_equal(found[warm], factors[warm])
    noise = rng.normal(size=(200, 3)).astype(np.float32)
    assert not cold.mapped(noise, factors, warm, ~warm)[~warm].any()


def test_an_item_without_events_gets_the_colour_of_its_description() -> None:
    rng = np.random.default_rng(1)
    users, items = 120, 140
    matrix = (np.add.outer(np.arange(users), np.arange(items)) % 2 == 0) & (
        rng.random((users, items)) < 0.4
    )
    matrix[:, -2:] = False
    data = training(sparse.csr_matrix(matrix.astype(np.float32)), colours(items))
    model = als.fit(data, als.Config(**SMALL["als"]), seed=1)
    found = scores(model, users)[:, -2:]
    assert (found.argmax(axis=1) == np.arange(users) % 2).mean() > 0.95


def test_popularity_is_the_log_of_summed_weights() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 5]], np.float32))
    found = scores(popularity.fit(training(matrix), popularity.Config(), 0), 2)
    assert found == pytest.approx(np.tile(np.log([2.0, 1.0, 8.0]), (2, 1)))


def test_trending_forgets_by_half_lives_and_counts_what_was_liked() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 1], [1, 1]], np.float32))
    matrix.data = np.array([1, 1, 1, 0], np.float32)
    config = trending.Config(half_life_days=2)
    found = scores(trending.fit(training(matrix, ages=[0, 2, 4, 0]), config, 0), 1)
    assert found[0] == pytest.approx(np.log1p([1 + 0.25, 0.5]))


def test_a_segments_share_is_drawn_towards_everybodys() -> None:
    matrix = sparse.csr_matrix(np.array([[3, 0.5], [1, 0], [0, 1], [0, 0]], np.float32))
    data = training(matrix, segments=[0, 0, 1, -1])
    found = scores(segment.fit(data, segment.Config(smoothing=2), 0), 4)
    first = [(2 + 2 * 0.5) / 4, (0.5 + 2 * 0.375) / 4]
    second = [(0 + 2 * 0.5) / 3, (1 + 2 * 0.375) / 3]
    assert found == pytest.approx(np.array([first, first, second, [0, 0]]))


def test_what_users_did_fades_by_half_lives_and_ends_with_the_window() -> None:
    cells = np.array([1, 2, 4, 0], np.float32), [0, 1, 2, 0], [0, 3, 4]
    ages = np.array([0, 10, 40, 20])
    data = training(sparse.csr_matrix(cells, shape=(2, 3)), ages=ages)

    def left(**config: Any) -> np.ndarray:
        return aging.fading(data, aging.Aging(**config))

    assert left(half_life_days="never").tolist() == [1, 1, 1, 1]
    assert left(half_life_days=10).tolist() == [1, 0.5, 0.0625, 0.25]
    # Half the median age of what was liked: what was only seen does not count.
    assert left() == pytest.approx(0.5 ** (ages / 5))
    short = left(half_life_days="never", window_days=20)
    assert short.tolist() == [1, 1, 0, 1]
    assert aging.faded(data, short).toarray().tolist() == [[1, 1, 0], [0, 0, 0]]
    assert aging.faded(data, short).nnz == 2


@pytest.mark.parametrize("name", ["als", "content", "graph", "item_item", "popularity"])
def test_without_times_nothing_fades(name: str) -> None:
    rng = np.random.default_rng(5)
    matrix = sparse.random(40, 30, 0.2, "csr", np.float32, rng=rng)
    data, module = training(matrix, colours(30)), GENERATORS[name]
    models = [
        module.fit(
            data, module.Config.model_validate({**SMALL.get(name, {}), "half_life_days": h}), 1
        )
        for h in ("auto", "never", 3.0)
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(scores(model, 40), scores(models[0], 40))


@pytest.mark.parametrize("name", ["graph", "item_item"])
def test_recent_company_counts_for_more(name: str) -> None:
    """Item 0 went with item 1 a year ago and goes with item 2 now."""
    old, new = np.tile([1, 1, 0, 0], (20, 1)), np.tile([1, 0, 1, 0], (20, 1))
    cells = np.vstack([old, new, [[1, 0, 0, 1]] * 2]).astype(np.float32)
    matrix = sparse.csr_matrix(cells)
    ages = np.repeat([365.0, 1.0, 1.0], [40, 40, 4])
    module = GENERATORS[name]

    def gap(half_life: object) -> float:
        config = {**SMALL.get(name, {}), "half_life_days": half_life}
        found = module.fit(training(matrix, ages=ages), module.Config.model_validate(config), 1)
        last = scores(found, 42)[-1]
        return float(last[2] - last[1])

    assert gap(90) > 0.01
    assert abs(gap("never")) < 0.01


@pytest.mark.parametrize("dense", [3000, 1])
def test_sums_of_products_are_the_same_whole_or_in_parts(
    dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram, "DENSE", dense)
    rng = np.random.default_rng(4)
    cells = sparse.random(50, 1300, 0.05, "csr", np.float32, rng=rng)
    sums, x = gram.Gram.of(cells), cells.toarray()
    some, scale = np.array([7, 3, 1200, 1025]), rng.random(1300).astype("f4")
    for items, found in zip((some, some[1:]), sums.among((some, some[1:])), strict=True):
        assert found == pytest.approx(x[:, items].T @ x[:, items], rel=1e-5)
    expected = (scale[:, np.newaxis] * (x.T @ x) * scale[::-1]) ** 2
    np.fill_diagonal(expected, 0)
    edge = np.maximum(-np.sort(-expected, axis=1)[:, [6]], 1e-30)
    expected = np.where(expected >= edge * (1 - 1e-5), expected, 0)
    nearest = sums.nearest(7, scale, scale[::-1], 2.0).toarray()
    np.testing.assert_allclose(nearest, expected, rtol=1e-4, atol=1e-12)


def test_graph_is_two_steps_with_discounted_degrees() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 1], [3, 0, 0]], np.float32))
    config = graph.Config(from_exponent=0.5, to_exponent=0.3, user_exponent=0.4, power=1.2)
    found = scores(graph.fit(training(matrix), config, 0), 3)
    r = (matrix.toarray() > 0).astype(float)
    users, items = r.sum(axis=1), r.sum(axis=0)
    similarity = np.diag(items**-0.5) @ r.T @ np.diag(users**-0.4) @ r @ np.diag(items**-0.3)
    similarity **= 1.2
    np.fill_diagonal(similarity, 0)
    assert found == pytest.approx(np.log2(1 + matrix.toarray()) @ similarity, rel=1e-5)


def test_only_the_strongest_neighbours_stay() -> None:
    matrix = sparse.csr_matrix(np.array([[0, 3, 1, 3], [0, 0, 0, 2]], np.float32))
    assert strongest(matrix, 1).toarray().tolist() == [[0, 3, 0, 0], [0, 0, 0, 2]]
    assert strongest(matrix, 2).toarray().tolist() == [[0, 3, 0, 3], [0, 0, 0, 2]]


def test_als_goes_on_from_earlier_item_vectors() -> None:
    """Two passes from where many have led stay there; two passes from nowhere do not get there."""
    confidence = sparse.random(60, 30, 0.2, "csr", np.float32, random_state=4)
    confidence.data = 1.0 + 5.0 * confidence.data
    config = als.Config(factors=4, iterations=200)
    led = als.by_implicit(confidence, config, 1)
    few = config.model_copy(update={"iterations": 2})
    start = led.item_factors.copy()
    start[3] = 0.0
    on = als.by_implicit(confidence, few, 2, start)
    anew = als.by_implicit(confidence, few, 2)
    wanted = scores(led, 60)
    assert np.abs(scores(on, 60) - wanted).mean() < 0.05 * np.abs(scores(anew, 60) - wanted).mean()
    assert not start[3].any()


def test_item_item_is_ease_in_closed_form() -> None:
    matrix = sparse.random(50, 8, 0.4, "csr", np.float32, random_state=3)
    config = item_item.Config(regularization=3.0, user_exponent=0.4, to_exponent=0.1)
    found = scores(item_item.fit(training(matrix), config, 0), 50)
    x = (matrix.toarray() > 0).astype(float)
    sizes = np.maximum(x.sum(axis=1), 1)
    discounts = sizes**-0.4 * x.sum() / (x.sum(axis=1) * sizes**-0.4).sum()
    gram = x.T @ np.diag(discounts) @ x
    inverse = np.linalg.inv(gram + 3.0 * np.eye(8))
    weights = (np.eye(8) - inverse / np.diag(inverse)) * np.diag(gram) ** -0.1
    np.fill_diagonal(weights, 0)
    assert found == pytest.approx(x @ weights, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("neighbourhood", [7, 3])
@pytest.mark.parametrize("dense", [100, 1])
def test_item_item_solves_many_items_one_by_one(
    neighbourhood: int, dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EASE is a ridge regression of each item on all others: with all of them near, the same."""
    matrix = sparse.random(50, 8, 0.4, "csr", np.float32, random_state=3)
    monkeypatch.setattr(gram, "DENSE", dense)
    config = {"regularization": 3.0, "neighbourhood": neighbourhood}
    whole = item_item.fit(training(matrix), item_item.Config(**config), 0)
    found = item_item.fit(training(matrix), item_item.Config(max_items=7, **config), 0)
    weights = found.similarity.toarray()
    if neighbourhood == 7:
        assert weights == pytest.approx(whole.similarity.toarray(), rel=1e-4, abs=1e-5)
    assert (weights != 0).sum(axis=0).tolist() == [neighbourhood] * 8
    assert not weights.diagonal().any()


def test_items_that_nobody_liked_have_no_weights() -> None:
    matrix = sparse.random(50, 8, 0.4, "csr", np.float32, random_state=3)
    matrix = sparse.hstack([sparse.csr_matrix((50, 1), dtype=np.float32), matrix], "csr")
    for most in (100, 5):
        found = item_item.fit(training(matrix), item_item.Config(max_items=most), 0)
        assert not scores(found, 50)[:, 0].any()
        assert scores(found, 50)[:, 1:].any()


def test_appeal_is_the_share_of_meetings_with_a_yes() -> None:
    """Of four meetings one is a yes with item 0, three with item 1; one of one with item 2; item 3
    nobody has met. The share of all, 5 of 9, is worth three meetings."""
    cells = [(0, 0, 2.0), (1, 0, 0.0), (2, 0, 0.0), (3, 0, 0.0)]
    cells += [(0, 1, 1.0), (1, 1, 5.0), (2, 1, 1.0), (3, 1, 0.0), (4, 2, 1.0)]
    users, items, weights = zip(*cells, strict=True)
    matrix = sparse.csr_matrix((np.array(weights, np.float32), (users, items)), shape=(5, 4))
    found = scores(appeal.fit(training(matrix), appeal.Config(smoothing=3.0), 0), 5)
    p = 5 / 9
    wanted = [(1 + 3 * p) / 7, (3 + 3 * p) / 7, (1 + 3 * p) / 4, p]
    assert found == pytest.approx(np.tile(wanted, (5, 1)))


def test_next_item_counts_what_follows() -> None:
    """Two users touched 0, then 1, then 2; a third touched 0 and 3 at one time."""
    matrix = sparse.csr_matrix(np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 0, 0, 1]], np.float32))
    data = training(matrix, ages=[9, 5, 1, 9, 5, 1, 4, 4])
    config = next_item.Config(
        half_life_days="never", distance=2, recency=3, smoothing=1, to_exponent=0.5
    )
    found = scores(next_item.fit(data, config, 0), 3)
    far = np.exp(-1 / 2)
    rules = np.zeros((4, 4))
    rules[0, 1], rules[0, 2] = 2 / (2 + 2 * far + 1), 2 * far / (2 + 2 * far + 1)
    rules[1, 2] = 2 / (2 + 1)
    rules[:, 1] /= 2**0.5
    rules[:, 2] /= (2 + 2 * far) ** 0.5
    last = np.exp([-2 / 3, -1 / 3, 0, 0])
    assert found[0] == pytest.approx(last @ rules)
    assert not scores(next_item.fit(training(matrix), config, 0), 3).any()


def test_next_item_finds_the_way_that_users_walk() -> None:
    """Users walk along a ring of items; company alone cannot tell before from after."""
    rng, items, users = np.random.default_rng(9), 40, 300
    steps = rng.integers(0, items, users)[:, np.newaxis] + np.arange(5)
    cells = np.lexsort((steps.ravel() % items, np.repeat(np.arange(users), 5)))
    ages = np.tile(np.arange(5, 0, -1.0), users)[cells]
    rows = np.repeat(np.arange(users), 5)[cells], (steps.ravel() % items)[cells]
    matrix = sparse.csr_matrix((np.ones(5 * users, np.float32), rows), shape=(users, items))
    data = training(matrix, ages=ages)

    def share_right(name: str) -> float:
        found = scores(fitted(name, data), users)
        found[matrix.toarray() > 0] = -np.inf
        return float((found.argmax(axis=1) == (steps[:, -1] + 1) % items).mean())

    assert share_right("next_item") == 1.0
    assert share_right("graph") < 0.8


def test_a_profile_speaks_for_a_user_without_history() -> None:
    weights = sparse.vstack([checkerboard()[:-1], sparse.csr_matrix((1, SIZE))], "csr")
    users = tagged([[]] * (SIZE - 1) + [["even"]])
    model = content.fit(training(weights, colours(), users), content.Config(), seed=0)
    found = scores(model, SIZE)[-1]
    assert found[::2].min() > 0.9
    assert found[1::2].max() < 0.1


@pytest.mark.parametrize("items", [1, 3])
def test_content_without_any_description_has_no_opinion(items: int) -> None:
    matrix = sparse.csr_matrix((2, items), dtype=np.float32)
    model = content.fit(training(matrix), content.Config(), seed=0)
    assert not scores(model, 2).any()
