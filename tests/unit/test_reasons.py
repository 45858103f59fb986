"""Reasons of lists: what own items add to scores, what is kept of it, and what dropped a pair."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from recsys.arrays import Ragged
from recsys.dataset.changes import IndexAlignment
from recsys.dataset.training import Descriptions, Training
from recsys.generators import als, content, graph, item_item, next_item
from recsys.generators.contract import Model
from recsys.generators.factors import FactorModel
from recsys.generators.neighbours import ItemNeighbours
from recsys.lists.chain import Chain
from recsys.lists.contract import Recipients
from recsys.lists.explaining import Explainer, OwnItem, Stage
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker
from recsys.lists.reasons import FIXED, Reasoner, coded, decoded
from recsys.ranking.blend import Blend, RankFusion, WeightedSum
from recsys.ranking.scoring import Scorer

USERS, ITEMS = 300, 50


def training(
    matrix: sparse.csr_matrix, items: Descriptions | None = None, users: Descriptions | None = None
) -> Training:
    """Of events at one time, and users without a segment."""
    rows, columns = matrix.shape
    ages = np.zeros(matrix.nnz, np.float32)
    described = items or Descriptions.blank(columns), users or Descriptions.blank(rows)
    return Training(matrix, ages, ages, *described, np.full(rows, -1, np.int32))


def tagged(tags: list[list[str]]) -> Descriptions:
    nothing: list[list[str]] = [[] for _ in tags]
    return Descriptions([""] * len(tags), tags, nothing)


def data(users: int = USERS, items: int = ITEMS) -> sparse.csr_matrix:
    return sparse.random(users, items, 0.2, "csr", np.float32, random_state=5)


def hand_made() -> ItemNeighbours:
    """User 0 likes items 0 and 1, user 1 item 2; both of user 0's speak for item 3."""
    history = sparse.csr_matrix(np.array([[1, 2, 0, 0, 0], [0, 0, 1, 0, 0]], np.float32))
    similarity = np.zeros((5, 5), np.float32)
    similarity[0, 3], similarity[1, 3], similarity[1, 4], similarity[2, 4] = 3, 0.5, -1, 2
    return ItemNeighbours(history, sparse.csr_matrix(similarity))


def test_contributions_of_als_are_those_of_the_normal_equations_and_all_of_the_score() -> None:
    config = als.Config(factors=8, regularization=3.0, alpha=5.0)
    model = als.fit(training(data()), config, 1)
    confidence = als._confidence(data(), config)
    vectors = model.item_factors.astype(np.float64)
    for user in range(0, USERS, 7):
        own, parts = model.contributions(user, np.arange(ITEMS))
        c = confidence[user].toarray()[0].astype(np.float64)
        diagonal = np.where(c > 0, c, 1.0)
        weighted = np.linalg.inv(vectors.T @ (diagonal[:, np.newaxis] * vectors) + 3.0 * np.eye(8))
        expected = vectors @ weighted @ (vectors[own] * c[own, np.newaxis]).T
        assert parts == pytest.approx(expected, abs=1e-9)
        assert parts.sum(axis=1) == pytest.approx(model.scores(np.array([user]))[0], abs=1e-4)


def test_contributions_stay_whole_on_a_night_on_changes() -> None:
    before, config = data(), als.Config(factors=8, regularization=3.0)
    model = als.fit(training(before), config, 1)
    now = before.copy()
    now.data *= np.linspace(0.2, 1.0, now.nnz, dtype=np.float32)
    changed = np.arange(USERS) % 3 == 0
    alignment = IndexAlignment(np.arange(USERS), np.append(np.arange(ITEMS), -1), changed)
    wider = sparse.hstack([now, np.ones((USERS, 1), np.float32)], format="csr")
    found = als.updated(model, training(wider), config, alignment)
    for user in range(0, USERS, 7):
        _, parts = found.contributions(user, np.arange(ITEMS + 1))
        assert parts.sum(axis=1) == pytest.approx(found.scores(np.array([user]))[0], abs=1e-4)


@pytest.mark.parametrize("module", [graph, item_item, next_item])
def test_contributions_of_neighbours_are_the_score(module: object) -> None:
    known = replace(training(data()), last_ages=np.arange(data().nnz, dtype=np.float32))
    model = module.fit(known, module.Config(), 1)  # type: ignore[attr-defined]
    for user in range(0, USERS, 7):
        _, parts = model.contributions(user, np.arange(ITEMS))
        assert parts.sum(axis=1) == pytest.approx(model.scores(np.array([user]))[0], rel=1e-5)


def test_contributions_of_content_are_all_of_the_score_but_for_the_profiles() -> None:
    """Item 0 is red and round, 1 red, 2 round; user 1 has a profile besides."""
    items = tagged([["red", "round"], ["red"], ["round"], ["red", "round"]])
    liked = sparse.csr_matrix(np.array([[2, 1, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0]], np.float32))
    known = training(liked, items, tagged([[], ["round"], ["red"]]))
    model = content.fit(known, content.Config(), 1)
    rest = []
    for user, own in ((0, [0, 1]), (1, [0, 1]), (2, [])):
        found = model.contributions(user, np.arange(4))
        np.testing.assert_array_equal(found.own, own)
        rest.append(model.scores(np.array([user]))[0] - found.parts.sum(axis=1))
    assert rest[0] == pytest.approx(np.zeros(4), abs=1e-6)
    # The profile speaks for what is round, and not for item 1.
    assert rest[1][[0, 2]].min() > 0.1
    assert rest[1][1] == pytest.approx(0, abs=1e-6)
    assert rest[2] == pytest.approx(model.scores(np.array([2]))[0])
    part = model.restricted(np.array([2, 3])).contributions(0, np.array([1]))
    assert part.parts == pytest.approx(model.contributions(0, np.array([3])).parts)


def test_the_strongest_is_that_of_the_contributions_whoever_else_is_asked_for() -> None:
    model = item_item.fit(training(data()), item_item.Config(), 1)
    rng = np.random.default_rng(2)
    lists = Ragged.of_lengths(np.full(USERS, 9), rng.integers(0, ITEMS, 9 * USERS))
    found = model.strongest(np.arange(USERS), lists)
    for user in range(USERS):
        own, parts = model.contributions(user, lists.values[9 * user : 9 * user + 9])
        speaking = parts.max(axis=1, initial=0) > 0
        best = np.where(speaking, own[parts.argmax(axis=1)], -1) if len(own) else np.full(9, -1)
        shares = parts.max(axis=1, initial=0) / np.maximum(parts, 0).sum(axis=1).clip(1e-30)
        np.testing.assert_array_equal(found.own[9 * user : 9 * user + 9], best)
        assert found.shares[9 * user : 9 * user + 9] == pytest.approx(shares, rel=1e-5)
    some = np.array([3, 40, 41, 299])
    for name in (item_item, als):
        asked = name.fit(training(data()), name.Config(), 1)
        alone = asked.strongest(some, lists.take(some))
        together = asked.strongest(np.arange(USERS), lists)
        places = Ragged(lists.offsets, np.arange(9 * USERS)).take(some).values
        np.testing.assert_array_equal(alone.own, together.own[places])
        np.testing.assert_array_equal(alone.shares, together.shares[places])


def test_als_mostly_names_the_item_that_its_contributions_do() -> None:
    model = als.fit(training(data()), als.Config(factors=8, regularization=3.0), 1)
    items = np.tile(np.arange(ITEMS), USERS)
    found = model.strongest(np.arange(USERS), Ragged.of_lengths(np.full(USERS, ITEMS), items))
    same = []
    for user in np.flatnonzero(np.diff(data().indptr)).tolist():
        own, parts = model.contributions(user, np.arange(ITEMS))
        same.append(found.own[user * ITEMS : (user + 1) * ITEMS] == own[parts.argmax(axis=1)])
    assert np.mean(same) > 0.6


def test_codes_hold_small_numbers_finely_and_large_ones_roughly() -> None:
    numbers = np.array([0.0, 1.0, -4.0, 0.25, 500.0, -500.0, -np.inf], np.float32)
    np.testing.assert_array_equal(coded(numbers), [128, 148, 88, 138, 255, 1, 0])
    back = decoded(coded(np.linspace(-40, 40, 5001, dtype=np.float32)))
    wanted = np.linspace(-40, 40, 5001)
    assert np.all(np.abs(back - wanted) <= 0.051 * np.sqrt(np.abs(wanted)) + 0.001)


def pools() -> RankedLists:
    """User 0 has items 3, 4 and 2, user 1 items 4 and 0."""
    return RankedLists(
        np.array([0, 3, 5]),
        np.array([3, 4, 2, 4, 0]),
        np.array([3, 2, 1, 2, 1], np.float32),
        np.zeros(5, np.int16),
        np.ones(5, np.float32),
        coded(np.array([[1.0, -np.inf]] * 5, np.float32)),
    )


def two_users() -> Recipients:
    nothing = Ragged.of_lengths(np.zeros(2, np.int64), np.empty(0, np.int64))
    return Recipients(np.arange(2), np.arange(2).astype(np.uint64), nothing)


def test_a_record_says_place_before_own_item_share_and_opinions() -> None:
    nothing = Ragged.of_lengths(np.zeros(2, np.int64), np.empty(0, np.int64))
    reasoner = Reasoner.of({"graph": hand_made(), "other": hand_made()}, nothing)
    # A step has put item 1 at user 0's second place.
    lists = RankedLists(
        np.array([0, 3, 5]),
        np.array([3, 1, 4, 4, 0]),
        np.array([3, 3, 2, 2, 1], np.float32),
        np.zeros(5, np.int16),
        np.ones(5, np.float32),
    )
    found = reasoner.reasons(pools(), lists, two_users())
    np.testing.assert_array_equal(found.offsets, [0, 1, 2])
    np.testing.assert_array_equal(found.own, [0, 2])
    np.testing.assert_array_equal(
        found.records,
        [
            [0, 1, 0, 1, 191, 148, 0],  # 3 of 3 + 0.5 x 2 is of item 0
            [0, 0, 0, 0, 0, 0, 0],
            [0, 2, 0, 0, 0, 148, 0],  # what speaks against an item is no reason
            [0, 1, 0, 1, 255, 148, 0],
            [0, 2, 0, 0, 0, 148, 0],
        ],
    )
    assert found.records.shape[1] == FIXED + 2


def test_what_a_user_has_blocked_is_no_reason() -> None:
    blocked = Ragged.of_lengths(np.array([1, 1]), np.array([0, 0]))
    reasoner = Reasoner.of({"graph": hand_made()}, blocked)
    unsaid = replace(pools(), opinions=None)
    found = reasoner.reasons(unsaid, unsaid, two_users())
    np.testing.assert_array_equal(found.own, [1, 2])


def explainer(length: int = 2, blend: Blend | None = None) -> Explainer:
    models: dict[str, Model] = {
        "graph": hand_made(),
        "flat": FactorModel(np.ones((2, 1), "f4"), np.ones((5, 1), "f4")),
    }
    available = np.array([1, 2, 3, 4])
    ranker = Ranker(Scorer.of(models, available, 5), blend or WeightedSum((1.0, 1.0)))
    return Explainer(models, ranker, Chain((), available, length), depth=3)


def test_each_pair_ends_at_the_stage_that_dropped_it() -> None:
    touched = Ragged.of_lengths(np.array([1]), np.array([0]))
    user = Recipients(np.array([0]), np.array([7], np.uint64), touched)
    listed = explainer().explain(user, 3, 2)
    assert listed.dropped is None
    assert listed.stages == [Stage("ranking", 1), Stage("pool", 1), Stage("published", 1)]
    first, flat = listed.voices
    assert (first.score, first.rank, first.explained) == (4.0, 1, 4.0)
    assert first.own == [OwnItem(0, 3.0), OwnItem(1, 1.0)]
    assert (flat.score, flat.standardised, flat.rank, flat.own) == (1.0, None, None, ())
    assert explainer().explain(user, 4, 2).dropped == "ranking: ranked 4, of which 3 are kept"
    assert explainer().explain(user, 2, 2).dropped == "length: place 3, of which 2 are published"
    assert explainer().explain(user, 0, 2).dropped == "the user must not get it"
    of_one = explainer(blend=RankFusion(1))
    assert of_one.explain(user, 3, 2).dropped is None
    assert of_one.explain(user, 2, 2).dropped == "candidates: no generator proposes it"
