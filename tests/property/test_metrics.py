"""Metrics of any lists: against trec_eval's own, and what must hold whatever the lists are."""

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.arrays import Floats, Ints, Ragged
from recsys.evaluation import metrics
from recsys.evaluation.metrics import ACCURACY, Catalogue, as_ranked, evaluate_lists, find_hits

ITEMS = 12
Users = list[tuple[list[int], list[int]]]

ROWS = st.integers(0, ITEMS - 1)
#: Each user's list and relevant items.
USERS: st.SearchStrategy[Users] = st.lists(
    st.tuples(
        st.lists(ROWS, unique=True, max_size=8),
        st.lists(ROWS, unique=True, min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)
CUTS = st.integers(1, 9)


def lists(items: list[list[int]]) -> Ragged:
    rows = np.array([item for one in items for item in one], np.int64)
    return Ragged(np.cumsum([0, *map(len, items)]), rows)


def measured(users: Users, k: int) -> dict[str, Floats]:
    ranked = as_ranked(lists([listed for listed, _ in users]), 8)
    hits = find_hits(ranked, lists([wanted for _, wanted in users]))
    return {metric.__name__: metric(hits, k) for metric in ACCURACY}


def by_trec_eval(users: Users, k: int) -> dict[str, list[float]]:
    """The same by trec_eval, whose average precision is divided by all relevant items."""
    wanted = {str(u): {str(i): 1 for i in items} for u, (_, items) in enumerate(users)}
    run = {
        str(u): {str(item): float(-place) for place, item in enumerate(listed[:k])}
        for u, (listed, _) in enumerate(users)
    }
    cuts = {f"{name}.{k}" for name in ("recall", "ndcg_cut", "map_cut", "success")}
    found = pytrec_eval.RelevanceEvaluator(wanted, cuts | {"recip_rank"}).evaluate(run)
    names = {
        "recall": f"recall_{k}",
        "ndcg": f"ndcg_cut_{k}",
        "average_precision": f"map_cut_{k}",
        "reciprocal_rank": "recip_rank",
        "hit": f"success_{k}",
    }
    figures = {
        name: [found.get(u, {}).get(theirs, 0.0) for u in wanted] for name, theirs in names.items()
    }
    counts = [len(items) for _, items in users]
    figures["average_precision"] = [
        value * count / min(k, count)
        for value, count in zip(figures["average_precision"], counts, strict=True)
    ]
    return figures


@settings(max_examples=60, deadline=None)
@given(users=USERS, k=CUTS)
def test_metrics_are_trec_evals(users: Users, k: int) -> None:
    theirs = by_trec_eval(users, k)
    for name, values in measured(users, k).items():
        assert values.tolist() == pytest.approx(theirs[name]), name


def test_metrics_are_trec_evals_on_many_users() -> None:
    rng = np.random.default_rng(11)
    users = [
        (
            rng.permutation(300)[: rng.integers(0, 31)].tolist(),
            rng.permutation(300)[: rng.integers(1, 60)].tolist(),
        )
        for _ in range(500)
    ]
    ranked = as_ranked(lists([listed for listed, _ in users]), 30)
    hits = find_hits(ranked, lists([wanted for _, wanted in users]))
    theirs = by_trec_eval(users, 20)
    for metric in ACCURACY:
        assert metric(hits, 20).tolist() == pytest.approx(theirs[metric.__name__])
    assert metrics.hit(hits, 20).mean() > 0.5


@settings(max_examples=100, deadline=None)
@given(users=USERS, k=CUTS)
def test_metrics_lie_between_0_and_1(users: Users, k: int) -> None:
    for values in measured(users, k).values():
        assert values.shape == (len(users),)
        assert values.min() >= 0.0
        assert values.max() <= 1.0


@settings(max_examples=60, deadline=None)
@given(users=USERS, k=CUTS, data=st.data())
def test_users_do_not_matter_to_each_other(users: Users, k: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(users))))
    before, after = measured(users, k), measured([users[u] for u in order], k)
    for name, values in before.items():
        assert values[order].tolist() == after[name].tolist()


@settings(max_examples=60, deadline=None)
@given(wanted=st.lists(ROWS, unique=True, min_size=1, max_size=8), k=CUTS)
def test_a_perfect_list_has_1(wanted: list[int], k: int) -> None:
    figures = measured([(wanted, wanted)], k)
    assert figures.pop("recall")[0] == min(k, len(wanted)) / len(wanted)
    assert {name: values[0] for name, values in figures.items()} == pytest.approx(
        dict.fromkeys(figures, 1.0)
    )


@settings(max_examples=100, deadline=None)
@given(users=USERS, k=CUTS, data=st.data())
def test_one_hit_more_never_hurts(users: Users, k: int, data: st.DataObject) -> None:
    """An item that is not relevant gives its place to a relevant one that was not listed."""
    listed, wanted = users[0]
    missed = [item for item in wanted if item not in listed]
    wrong = [place for place, item in enumerate(listed) if item not in wanted]
    if not missed or not wrong:
        return
    place, item = data.draw(st.sampled_from(wrong)), data.draw(st.sampled_from(missed))
    better = [*listed[:place], item, *listed[place + 1 :]]
    before, after = measured([(listed, wanted)], k), measured([(better, wanted)], k)
    for name, values in after.items():
        assert values[0] >= before[name][0] - 1e-12, name
    if place < k:
        for name in ("recall", "ndcg", "average_precision"):
            assert after[name][0] > before[name][0], name


@settings(max_examples=60, deadline=None)
@given(users=USERS, k=CUTS, seed=st.integers(0, 99))
def test_diversity_is_its_definition(users: Users, k: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(ITEMS, 3))
    vectors[0] = 0.0
    lengths = np.linalg.norm(vectors, axis=1)
    ranked = as_ranked(lists([listed for listed, _ in users]), k)
    found = metrics.diversity(ranked, vectors)
    for value, (listed, _) in zip(found, users, strict=True):
        items = listed[:k]
        cosines = [
            vectors[a] @ vectors[b] / (lengths[a] * lengths[b]) if a and b else 0.0
            for i, a in enumerate(items)
            for b in items[:i]
        ]
        expected = 1 - np.mean(cosines) if cosines else np.nan
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(users=USERS, k=CUTS)
def test_segments_of_users_add_up(users: Users, k: int) -> None:
    ranked: Ints = as_ranked(lists([listed for listed, _ in users]), 8)
    wanted = lists([items for _, items in users])
    found = evaluate_lists(ranked, wanted, Catalogue(np.ones(ITEMS, np.int64)), k=k)
    half = np.arange(len(users)) % 2 == 0
    parts = [(found.summary(mask), int(mask.sum())) for mask in (half, ~half)]
    together = sum((part["recall"] or 0.0) * size for part, size in parts) / len(users)
    assert found.summary()["recall"] == pytest.approx(together)
    shown = found.summary()["coverage"]
    assert shown is not None
    assert shown >= max(part["coverage"] or 0.0 for part, _ in parts)
