"""Which way to order lists is taken, and that it is measured as lists are measured elsewhere."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys.arrays import Ragged
from recsys.as_of import AsOf
from recsys.dataset.bands import BANDS, bands_of
from recsys.dataset.training import Descriptions, Training
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.generators.factors import FactorModel
from recsys.lists.ranker import Ranker
from recsys.ranking.choice import choose, decide
from recsys.ranking.holdout import HoldoutCandidates
from recsys.ranking.policy import BandPolicy, RankingPolicy, Standing, Way
from recsys.ranking.scoring import Scorer
from recsys.ranking.weights import WeightedSums, learn_weights
from recsys.sections.base import READ_PLACES
from recsys.sections.ranking import Ranking

ITEMS, USERS, GOOD, NOISE = 60, 240, 0, 1
NAMES = ("good", "noise")


def made(seed: int, good: Any = 2.0) -> HoldoutCandidates:
    """Every item is a candidate; the first generator knows what is relevant."""
    rng = np.random.default_rng(seed)
    labels = rng.random((USERS, ITEMS)) < 0.08
    labels[:, 0] |= ~labels.any(axis=1)
    scores = rng.normal(size=(USERS, ITEMS, 2)).astype(np.float32)
    scores[:, :, GOOD] += labels * np.broadcast_to(good, USERS)[:, np.newaxis]
    flat = scores.reshape(-1, 2)
    ranks = (-scores).argsort(axis=1).argsort(axis=1) + 1
    return HoldoutCandidates(
        offsets=np.arange(USERS + 1) * ITEMS,
        columns=np.tile(np.arange(ITEMS), USERS),
        scores=flat.T,
        votes=(1 / (60 + ranks)).reshape(-1, 2).T.astype(np.float32),
        features=flat,
        labels=labels.reshape(-1),
        relevant=labels.sum(axis=1),
        earlier=np.zeros(labels.size, dtype=bool),
        later=labels.sum(axis=1),
    )


def chosen(
    found: HoldoutCandidates, bands: Any = 0, standing: Standing | None = None, **config: Any
) -> RankingPolicy:
    places = np.broadcast_to(bands, len(found)).astype(np.int64)
    return choose(found, places, NAMES, (1.0, 1.0), Ranking(**config), 1, standing)


def used(way: str, weights: tuple[float, float]) -> Standing:
    """A choice of the night before that ordered warm users' lists in one way."""
    ways = {"warm": Way.model_validate({"method": way, "weights": weights})}
    return Standing(as_of=AsOf.parse("2026-01-01"), generators=NAMES, ways=ways)


def test_candidates_are_measured_as_lists_are() -> None:
    found = made(3)
    scores = np.round(found.scores[GOOD], 1)
    by_user = scores.reshape(USERS, ITEMS)
    ranked = np.argsort(-by_user, axis=1, kind="stable")[:, :READ_PLACES]
    rows = np.flatnonzero(found.labels)
    relevant = Ragged.of_lengths(found.relevant, rows % ITEMS)
    assert found.ndcg(scores) == pytest.approx(ndcg(find_hits(ranked, relevant), READ_PLACES))


def test_what_some_users_are_measured_by_is_theirs() -> None:
    found = made(4)
    some = np.array([3, 7, 200])
    scores = found.scores[GOOD]
    part = found.of(some)
    assert part.ndcg(part.scores[GOOD]) == pytest.approx(found.ndcg(scores)[some])


def test_noise_loses_its_weight() -> None:
    order = chosen(made(5), method="sum").orders["warm"]
    assert order.method == "sum"
    assert order.weights[NOISE] < 0.2 * order.weights[GOOD]
    assert order.way == "tuned"
    assert order.validation["tuned"] > 0.95 * order.validation["good"]


@pytest.mark.parametrize("seed", range(4))
def test_weights_stay_where_users_tell_nothing(seed: int) -> None:
    """Neither of two generators knows anything; by chance one is better on these 80 users."""
    found = made(seed, good=0.0).of(np.arange(80))
    start = np.array([1.0, 0.3])
    learnt = learn_weights(WeightedSums.of(found), start)
    assert learnt.all()
    assert np.abs(np.log2(learnt / start)).max() <= 1.0


def heard(parts: list[Any], names: tuple[str, ...], **config: Any) -> RankingPolicy:
    """The choice among (generators, p) scores of the same candidates."""
    found, scores = made(5), np.stack(parts).astype(np.float32)
    grid = scores.reshape(len(parts), USERS, ITEMS)
    ranks = (-grid).argsort(axis=2, kind="stable").argsort(axis=2, kind="stable") + 1
    votes = np.where(grid.std(axis=2, keepdims=True) > 0, 1 / (60 + ranks), 0.0)
    whole = replace(
        found,
        scores=scores,
        votes=votes.reshape(scores.shape).astype(np.float32),
        # Score, standardised score and rank of each generator, and one feature of the item.
        features=np.repeat(np.concatenate([scores, scores[:1]]), [3] * len(parts) + [1], axis=0).T,
    )
    places = np.full(USERS, BANDS.index("warm"))
    weights = (1.0,) * len(parts)
    return choose(whole, places, names, weights, Ranking(**config), 1)


def test_what_has_no_opinion_of_its_own_is_left_out() -> None:
    good, noise = made(5).scores
    own = heard([good, noise], ("good", "noise"))
    names = ("silent", "good", "again", "noise")
    choice = heard([np.zeros_like(good), good, 2 * good, noise], names)
    assert choice.left_out == {"silent": "has no opinion on anybody", "again": "repeats good"}
    assert "again is left out: it repeats good" in choice.summary()
    order, alone = choice.orders["warm"], own.orders["warm"]
    assert order.weights == (0.0, alone.weights[0], 0.0, alone.weights[1])
    assert order.validation == alone.validation
    assert (order.way, choice.rankers, own.left_out) == (alone.way, own.rankers, {})


def test_too_few_users_leave_no_generator_out() -> None:
    good, noise = made(5).scores
    names = ("good", "again", "noise")
    assert heard([good, good, noise], names, least_users=USERS + 1).left_out == {}


@pytest.mark.parametrize("method", ["sum", "fusion"])
def test_who_is_left_out_has_no_say_in_lists(method: Any) -> None:
    """Two generators out of three, and lists and sources as if the third were not there."""
    rng = np.random.default_rng(2)
    vectors = [rng.normal(size=(rows, 3)).astype(np.float32) for rows in (4, 30, 30)]
    models = [FactorModel(vectors[0], items) for items in vectors[1:]]
    training = Training(
        sparse.csr_matrix((4, 30), dtype=np.float32),
        np.zeros(0, np.float32),
        np.zeros(0, np.float32),
        Descriptions.blank(30),
        Descriptions.blank(4),
        np.full(4, -1, np.int32),
    )

    def listed(**of: tuple[FactorModel, float]) -> Any:
        weights = tuple(weight for _, weight in of.values())
        order = BandPolicy(method=method, weights=weights, validation={}, users=0, reason="")
        choice = RankingPolicy(
            generators=tuple(of),
            orders=dict.fromkeys(BANDS, order),
            base=weights,
            left_out={"again": "repeats a"} if "again" in of else {},
        )
        kept = {name: model for name, (model, _) in of.items()}
        ranker = Ranker.of(kept, choice, np.arange(30), training, 10)
        nothing = Ragged.of_lengths(np.zeros(4, int), np.arange(0))
        (lists,) = ranker.top_n(np.arange(4), nothing, 8)
        return lists

    a, b = models
    two = listed(a=(a, 1.0), b=(b, 0.5))
    three = listed(a=(a, 1.0), again=(a, 0.0), b=(b, 0.5))
    assert three.item_rows.tolist() == two.item_rows.tolist()
    assert three.scores.tolist() == two.scores.tolist()
    assert three.sources.tolist() == (2 * two.sources).tolist()


def bursts(seed: int) -> HoldoutCandidates:
    """All users turn to one item in the earlier half and to another one in the later half, and
    nothing but the items' features tells which."""
    found = made(seed, good=0.3)
    items = np.eye(ITEMS, dtype=np.float32)[found.columns]
    labels = np.isin(found.columns, (11, 43))
    return replace(
        found,
        features=np.concatenate([found.features, items], axis=1),
        labels=labels,
        relevant=np.full(USERS, 2),
        earlier=found.columns == 11,
        later=np.ones(USERS, np.int64),
    )


def test_a_ranker_that_knows_by_heart_what_had_its_day_is_not_used() -> None:
    timed = bursts(6)
    untimed = replace(timed, earlier=np.zeros_like(timed.labels), later=timed.relevant)
    assert chosen(untimed).orders["warm"].method == "learned"
    order = chosen(timed).orders["warm"]
    assert order.method != "learned"
    assert order.validation["learned"] > 2 * max(
        figure for way, figure in order.validation.items() if way != "learned"
    )


def test_what_is_clearly_better_is_used() -> None:
    order = chosen(made(6), method="best").orders["warm"]
    assert order.measured is not None
    assert order.measured > order.validation["sum"] + 0.02
    assert order.measured >= max(order.validation.values()) - 0.01
    assert order.users == USERS
    assert f"{order.measured:.4f}" in order.reason
    assert f"of {USERS} users" in order.reason
    assert "standard error" in order.reason


def test_a_handful_of_users_changes_nothing() -> None:
    few = made(7).of(np.arange(6))
    order = chosen(few).orders["warm"]
    assert max(order.validation, key=order.validation.__getitem__) != "sum"
    assert (order.method, order.weights, order.way) == ("sum", (1.0, 1.0), "sum")
    assert "too few users" in order.reason
    assert "of 6 users" in order.reason


def test_one_user_has_no_standard_error() -> None:
    order = chosen(made(7).of(np.arange(1))).orders["warm"]
    assert (order.users, order.errors) == (1, {})
    assert order.validation.keys() > {"sum"}


def nearly_equal() -> HoldoutCandidates:
    """394 users for whom one generator by itself is better than the sum by a hair: by chance."""
    rng = np.random.default_rng(16)
    parts = [made(seed, good=0.35) for seed in range(2)]
    noise = rng.normal(size=(2 * USERS * ITEMS, 1)).astype(np.float32)
    scores = np.concatenate([part.features for part in parts])
    scores = scores[:, [GOOD]] + np.array([0.0, 0.3], np.float32) * noise
    labels = np.concatenate([part.labels for part in parts])
    whole = HoldoutCandidates(
        offsets=np.arange(2 * USERS + 1) * ITEMS,
        columns=np.tile(np.arange(ITEMS), 2 * USERS),
        scores=scores.T,
        votes=scores.T,
        features=scores,
        labels=labels,
        relevant=np.concatenate([part.relevant for part in parts]),
        earlier=np.zeros(labels.size, dtype=bool),
        later=np.concatenate([part.later for part in parts]),
    )
    return whole.of(np.arange(394))


def test_a_gain_within_its_error_changes_nothing_from_night_to_night() -> None:
    found = nearly_equal()
    first = chosen(found).orders["warm"]
    assert first.validation["good"] - first.validation["sum"] == pytest.approx(0.0020, abs=2e-4)
    then = chosen(found, standing=used("single", (1.0, 0.0))).orders["warm"]
    assert (first.method, first.way, first.users) == ("sum", "sum", 394)
    assert (then.method, then.way, then.users) == ("single", "good", 394)
    assert "sum stays" in first.reason
    assert "good stays" in then.reason


def test_weights_of_the_night_before_stay_until_others_are_clearly_better() -> None:
    found = made(14)
    kept = chosen(found, standing=used("sum", (1.0, 0.015)), method="sum").orders["warm"]
    assert (kept.way, kept.weights) == ("kept", (1.0, 0.015))
    worse = chosen(found, standing=used("sum", (0.3, 1.0)), method="sum").orders["warm"]
    assert worse.way != "kept"
    assert worse.weights[NOISE] < worse.weights[GOOD]


def test_what_it_was_compared_with_is_kept_with_a_choice() -> None:
    first = chosen(made(10), standing=used("sum", (1.0, 0.5)), method="sum")
    again = RankingPolicy.model_validate_json(first.model_dump_json())
    assert again.standing == used("sum", (1.0, 0.5))
    assert chosen(made(10), standing=again.standing, method="sum") == first
    stands = first.stands(AsOf.parse("2026-01-02"))
    assert stands.ways["warm"].weights == first.orders["warm"].weights


def values(*gains: float) -> Any:
    return np.full(len(gains), 0.5) + gains


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        pytest.param([0.1, 0.0, 0.2, 0.1], "single", id="mean 0.1, error 0.04"),
        pytest.param([0.1, -0.1, 0.3, 0.1], "sum", id="mean 0.1, error 0.08"),
        pytest.param([-0.1, -0.1, -0.1, -0.1], "sum", id="worse"),
        pytest.param([0.1, 0.1, 0.1, 0.1], "single", id="the same gain for everybody"),
        pytest.param([0.0, 0.0, 0.0, 0.0], "sum", id="equal"),
    ],
)
def test_a_gain_counts_where_it_is_more_than_two_errors(gains: list[float], expected: str) -> None:
    measured = {"sum": values(0, 0, 0, 0), "single": values(*gains)}
    assert decide(measured, "sum", enough=True)[0] == expected
    assert decide(measured, "sum", enough=False)[0] == "sum"


def test_rankers_must_also_gain_over_what_costs_less() -> None:
    plain, single = values(0, 0, 0, 0), values(0.2, 0.2, 0.2, 0.2)
    near = {"sum": plain, "single": single, "learned": single + values(0.1, -0.1, 0.1, -0.09) - 0.5}
    assert decide(near, "sum", enough=True)[0] == "single"
    assert decide(near, "learned", enough=True)[0] == "learned"
    clear = near | {"learned": single + 0.1}
    assert decide(clear, "sum", enough=True)[0] == "learned"


def test_with_few_users_nothing_is_learnt() -> None:
    choice = chosen(made(8), least_users=USERS + 1)
    assert choice.rankers == ()
    assert "learned" not in choice.orders["warm"].validation
    assert choice.base == (1.0, 1.0)


def test_each_band_gets_what_did_best_for_it() -> None:
    bands = np.arange(USERS) % 2
    found = made(9, good=np.where(bands == 0, 3.0, -3.0))
    orders = chosen(found, bands, method="sum").orders
    assert orders["warm"].weights[NOISE] < 0.2 * orders["warm"].weights[GOOD]
    assert orders["cold"].weights[GOOD] < 0.2 * orders["cold"].weights[NOISE]
    assert orders["cold"].validation["good"] < orders["cold"].validation["noise"]
    assert orders["unseen"].users == 0
    assert (orders["unseen"].method, orders["unseen"].measured) == ("sum", None)


def test_each_band_is_ordered_in_its_own_way() -> None:
    items = np.arange(12, dtype=np.float32)[:, np.newaxis]
    everybody = np.ones((2, 1), np.float32)
    models = {"up": FactorModel(everybody, items), "down": FactorModel(everybody, -items)}
    touched = sparse.csr_matrix(([1.0] * 7, ([0] * 6 + [1], [1, 2, 3, 4, 5, 6, 3])), (2, 12))
    blank = Descriptions.blank
    ages, nowhere = np.zeros(7, np.float32), np.full(2, -1, np.int32)
    training = Training(touched, ages, ages, blank(12), blank(2), nowhere)
    scorer = Scorer.of(models, np.arange(12), 12)
    orders = {
        band: BandPolicy(method="single", weights=weights, validation={}, users=0, reason="")
        for band, weights in zip(BANDS, [(1.0, 0.0), (0.0, 1.0), (0.0, 1.0)], strict=True)
    }
    choice = RankingPolicy(generators=("up", "down"), orders=orders, base=(1.0, 1.0))
    ranker = Ranker(scorer, choice.blend(scorer, training, 5))
    (lists,) = ranker.top_n(np.arange(2), Ragged.of_lengths(np.zeros(2, int), np.arange(0)), 2)
    assert lists.item_rows.tolist() == [11, 10, 0, 1]


def test_the_same_seed_chooses_the_same_and_it_survives_being_kept() -> None:
    found = made(10)
    first = chosen(found, method="learned")
    assert first.rankers
    assert chosen(found, method="learned") == first
    assert RankingPolicy.model_validate_json(first.model_dump_json()) == first


def test_nothing_is_learnt_where_no_candidate_was_right() -> None:
    found = made(11)
    choice = chosen(replace(found, labels=np.zeros_like(found.labels)))
    assert choice.rankers == ()
    assert RankingPolicy.model_validate_json(choice.model_dump_json()) == choice


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


def test_the_later_half_has_what_was_still_to_be_turned_to() -> None:
    found = made(13)
    grid = found.labels.reshape(USERS, ITEMS)
    earlier = grid & (np.cumsum(grid, axis=1) == 1)
    later = grid.sum(axis=1) - earlier.sum(axis=1)
    timed = replace(found, earlier=earlier.reshape(-1), later=later)
    users, half = timed.later_half()
    assert users.tolist() == np.flatnonzero(later).tolist()
    assert np.diff(half.offsets).tolist() == [ITEMS - 1] * len(users)
    # The plain way: the same lists without the items that were turned to before.
    scores = np.where(timed.earlier, -9.0, np.round(found.scores[GOOD], 1))
    ranked = np.argsort(-scores.reshape(USERS, ITEMS), axis=1, kind="stable")[users, :READ_PLACES]
    wanted = (grid & ~earlier)[users]
    relevant = Ragged.of_lengths(wanted.sum(axis=1), np.nonzero(wanted)[1])
    figures = half.ndcg(np.round(half.scores[GOOD], 1))
    assert figures == pytest.approx(ndcg(find_hits(ranked, relevant), READ_PLACES))
