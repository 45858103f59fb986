"""Pools completed pair by pair are those that ranking everything gives."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from recsys.arrays import Ragged
from recsys.generators.contract import Model
from recsys.generators.factors import CHUNK, FactorModel
from recsys.generators.neighbours import ItemNeighbours
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker
from recsys.lists.reasons import coded
from recsys.ranking.blend import Blend, ByBand, RankFusion, WeightedSum
from recsys.ranking.features import OF_GENERATOR, OF_ITEM, OF_USER, ItemUserFeatures
from recsys.ranking.scoring import Scorer
from recsys.ranking.weighing import OF_ORDER, Chance, Curve, OutcomeFeatures, Weighed, of_likes

USERS, ITEMS, DEPTH, CANDIDATES = CHUNK, 400, 10, 12
ROWS = np.arange(0, USERS, 3)
BLENDS: dict[str, Blend] = {
    "sum": WeightedSum((1.0, 0.0, 0.4)),
    "fusion": RankFusion(CANDIDATES),
    "by band": ByBand((WeightedSum((0.5, 1.0, 0.2)), RankFusion(CANDIDATES)), np.arange(USERS) % 2),
}


def ranker_of(blend: Blend, *, objectives: bool = False) -> Ranker:
    """Two generators of neighbours that differ in their scale, one of vectors, a hole in items."""
    rng = np.random.default_rng(5)
    history = sparse.random(USERS, ITEMS, 0.03, "csr", np.float32, rng=rng)
    beside = sparse.random(ITEMS, ITEMS, 0.2, "csr", np.float32, rng=rng)
    vectors = rng.normal(size=(USERS + ITEMS, 6)).astype(np.float32)
    models: dict[str, Model] = {
        "near": ItemNeighbours(history, beside * 7),
        "far": ItemNeighbours(history, beside.T.tocsr()),
        "vectors": FactorModel(vectors[:USERS], vectors[USERS:]),
    }
    available = np.delete(np.arange(ITEMS), np.arange(40, 60))
    # Of five generators there are those of these places.
    ranker = Ranker(Scorer.of(models, available, ITEMS), blend, np.array([0, 2, 4]), 5)
    return replace(ranker, blend=weighed(ranker, rng)) if objectives else ranker


def weighed(ranker: Ranker, rng: np.random.Generator) -> Weighed:
    """The ranker's blend with an objective, by chances that features decide at random."""
    facts = ItemUserFeatures(
        rng.normal(size=(ITEMS, len(OF_ITEM))).astype(np.float32),
        rng.normal(size=(USERS, len(OF_USER))).astype(np.float32),
    )
    rates = rng.normal(size=(ITEMS + USERS, 1)).astype(np.float32)
    features = OutcomeFeatures(facts, rates[:ITEMS], rates[ITEMS:])
    width = len(OF_ORDER) + 3 * len(OF_GENERATOR) + len(OF_ITEM) + len(OF_USER) + 2

    def chance(count: int) -> Chance:
        return Chance(
            coefficients=tuple(rng.normal(size=count).tolist()),
            bounds=((-3.0, 3.0),) * count,
            intercept=0.0,
            curve=Curve(slope=1.0, intercept=0.0),
        )

    like, reply = chance(len(of_likes(width, 1))), chance(width)
    parts = {"reply": (-0.5, reply)}
    return Weighed(ranker.blend, like, parts, CANDIDATES, ranker.scorer, features)


def some(share: float, seed: int) -> Ragged:
    rng = np.random.default_rng(seed)
    return Ragged.of_matrix(sparse.random(len(ROWS), ITEMS, share, "csr", rng=rng).sorted_indices())


def expected(ranker: Ranker, excluded: Ragged, asked: Ragged) -> RankedLists:
    """Lists cut out of the scores of everything."""
    (scored,) = ranker.scorer.chunks(ROWS, excluded)
    totals = ranker.blend.totals(scored)
    lists = []
    for line in range(len(ROWS)):
        order = np.lexsort((np.arange(totals.shape[1]), -totals[line]))
        best = order[totals[line, order] > -np.inf][:DEPTH]
        values = totals[line].copy()
        wanted = ranker.scorer.columns[asked.take(np.array([line])).values]
        wanted = wanted[wanted >= 0]
        wanted = wanted[scored.scores[0][line, wanted] > -np.inf]
        unscored = wanted[np.isneginf(values[wanted])]
        values[unscored] = values[best[-1]]
        chosen = np.union1d(best, wanted)
        lists.append(chosen[np.lexsort((chosen, -values[chosen]))])
        totals = totals.copy()
        totals[line] = values
    lengths = np.array([len(each) for each in lists])
    columns, lines = np.concatenate(lists), np.repeat(np.arange(len(lists)), lengths)
    at = np.zeros((len(lists), int(lengths.max())), np.int64)
    places = np.concatenate([np.arange(length) for length in lengths])
    at[lines, places] = columns
    shares = ranker.blend.shares(scored, at)[:, lines, places]
    said = np.zeros((len(columns), 5), np.uint8)
    said[:, [0, 2, 4]] = coded(shares.T)
    return RankedLists(
        np.concatenate([[0], np.cumsum(lengths)]),
        ranker.scorer.available[columns],
        totals[lines, columns],
        np.array([0, 2, 4], np.int16)[shares.argmax(axis=0)],
        np.ones(len(columns), np.float32),
        said,
    )


@pytest.mark.parametrize("objectives", [False, True], ids=["likes", "objectives"])
@pytest.mark.parametrize("way", BLENDS)
def test_completed_pools_are_those_of_ranking_everything(way: str, *, objectives: bool) -> None:
    ranker = ranker_of(BLENDS[way], objectives=objectives)
    excluded, asked = some(0.1, 1), some(0.2, 2)
    (deep,) = ranker.top_n(ROWS, excluded, DEPTH, to_complete=True)
    found = ranker.completed(deep, ROWS, excluded, DEPTH, asked)
    wanted = expected(ranker, excluded, asked)
    assert len(found.item_rows) > 1.5 * DEPTH * len(ROWS)
    np.testing.assert_array_equal(found.offsets, wanted.offsets)
    np.testing.assert_array_equal(found.item_rows, wanted.item_rows)
    np.testing.assert_array_equal(found.sources, wanted.sources)
    # Lowered by a thousand, scores of those who are not first lose digits.
    assert found.scores == pytest.approx(wanted.scores, rel=1e-5, abs=1e-4 if objectives else 1e-6)
    assert found.opinions is not None
    assert wanted.opinions is not None
    np.testing.assert_allclose(found.opinions.astype(int), wanted.opinions.astype(int), atol=1)


def test_a_pool_completed_alone_is_as_among_others() -> None:
    ranker, excluded, asked = ranker_of(BLENDS["by band"]), some(0.1, 1), some(0.1, 2)
    (deep,) = ranker.top_n(ROWS, excluded, DEPTH, to_complete=True)
    together = ranker.completed(deep, ROWS, excluded, DEPTH, asked)
    moments = deep.moments
    assert moments is not None
    for line in (0, 7, 50):
        one = np.array([line])
        own = replace(deep.of(one), moments=moments[one])
        alone = ranker.completed(own, ROWS[one], excluded.take(one), DEPTH, asked.take(one))
        wanted = together.of(one)
        np.testing.assert_array_equal(alone.item_rows, wanted.item_rows)
        np.testing.assert_array_equal(alone.scores, wanted.scores)
