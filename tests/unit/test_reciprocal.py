"""Lists of people for people as a step of a night: pools with pairs in both, then all lists."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import sparse
from scipy.special import logit
from threadpoolctl import threadpool_limits

from recsys.arrays import Ragged
from recsys.dataset.training import Descriptions, Training
from recsys.generators.factors import FactorModel
from recsys.lists.chain import Chain, plan_chain, plan_market_step
from recsys.lists.contract import HeldBack, Recipients, StepContext
from recsys.lists.pools import HeldPools, completed_chunks, ranked_chunks
from recsys.lists.ranker import Ranker
from recsys.lists.registry import ListSteps
from recsys.lists.steps.reciprocal import (
    FIGURES,
    STRANGERS,
    Config,
    Directions,
    apply,
    listed,
    metrics,
)
from recsys.matching.lists import attention_of, inbox_lists
from recsys.matching.pools import PoolChances, PooledMarket, people_of, proposed
from recsys.people.eligibility import Eligibility
from recsys.ranking.policy import RankingPolicy
from recsys.sections.people import Wish
from tests.planted_markets import popular_market

SIDE, DEPTH, LENGTH = 120, 40, 10
PEOPLE = 2 * SIDE
SEGMENTS = {"side=a": 0, "side=b": 1}
DONE = (3, SIDE + 5)
"""A person who has said yes to one of the other side, who has not answered."""


@pytest.fixture(scope="module")
def likes() -> npt.NDArray[np.float64]:
    """(people, people) chances of a yes; 0 within a side."""
    market = popular_market((SIDE, SIDE), 0.5, 4)
    found = np.zeros((PEOPLE, PEOPLE))
    found[market.candidates.lines(), market.candidates.values] = np.clip(market.likes, 0.01, 0.99)
    return found


def two_sides() -> Eligibility:
    """People want the other side. As items they stand in another order than as users."""
    wishes = {"side": Wish(theirs="side", wanted="seeks")}
    sides = ["ab"[person >= SIDE] for person in range(PEOPLE)]
    other = {"a": "b", "b": "a"}
    attributes = [(f"side={side}", f"seeks={other[side]}") for side in sides]
    users = pa.chunked_array([pa.array(range(PEOPLE))])
    items = pa.chunked_array([pa.array((np.arange(PEOPLE) + 7) % PEOPLE)])
    return Eligibility.of(wishes, attributes, users, items)


class Night:
    """A night of a market whose generator knows the order of chances, and says a power of their
    log-odds."""

    def __init__(self, likes: npt.NDArray[np.float64], power: int = 1) -> None:
        people = two_sides()
        history = sparse.lil_matrix((PEOPLE, PEOPLE), dtype=np.float32)
        history[DONE[0], people.items[DONE[1]]] = 1.0
        ones = np.ones(1, np.float32)
        blank = Descriptions.blank(PEOPLE)
        segments = np.repeat([0, 1], SIDE).astype(np.int32)
        matrix = history.tocsr()
        training = Training(matrix, ones, ones, blank, blank, segments, people)
        scores = np.where(likes > 0, logit(np.clip(likes, 0.01, 0.99)), 0.0) ** power
        by_item = scores[:, people.persons].astype(np.float32)
        model = FactorModel(by_item, np.eye(PEOPLE, dtype=np.float32))
        every = np.arange(PEOPLE)
        excluded = Ragged.of_matrix(matrix)
        self.users = Recipients(every, every.astype(np.uint64), excluded)
        policy = RankingPolicy.only("als")
        self.ranker = Ranker.of({"als": model}, policy, every, training, DEPTH)
        self.likes, self.people = likes, people
        self.context = StepContext(
            training, every, {"als": model}, ("reciprocal",), LENGTH, 5, self.held_back, SEGMENTS
        )

    def held_back(self) -> HeldBack:
        """Everybody has looked at the own pool, and says yes by the true chance."""
        chunks = list(ranked_chunks(self.ranker, self.users, DEPTH))
        luck, turned = np.random.default_rng(2), []
        for lists, users in chunks:
            owners = users.rows[lists.items.lines()]
            chances = self.likes[owners, self.people.persons[lists.item_rows]]
            yes = lists.where(luck.random(len(owners)) < chances)
            turned += [yes.items.take(np.array([u])).values for u in range(len(users.rows))]
        lengths = np.array([len(rows) for rows in turned])
        relevant = Ragged.of_lengths(lengths, np.concatenate(turned))
        met = HeldPools(chunks, self.no_steps).joined()[0].items
        nobody = met.where(np.zeros(len(met.values), np.bool_))
        return HeldBack(chunks, HeldPools(chunks, self.no_steps), relevant, met, nobody)

    def pools(self) -> HeldPools:
        first = HeldPools(list(ranked_chunks(self.ranker, self.users, DEPTH)), self.no_steps)
        own = first.joined()[0].items
        asked = proposed(own, people_of(self.context.training), DEPTH, STRANGERS, 5)
        chunks = list(completed_chunks(self.ranker, self.users, DEPTH, asked))
        return HeldPools(chunks, self.no_steps)

    @property
    def no_steps(self) -> Chain:
        return Chain((), np.arange(PEOPLE), LENGTH, self.people)

    def published(self, **changes: Any) -> tuple[npt.NDArray[np.float64], Any]:
        """(people, people) attention that lists of a night give, and the facts."""
        sections = ListSteps.model_validate({"reciprocal": changes})
        pools = self.pools()
        facts: dict[str, Any] = {}

        def find(step: str, _: Chain) -> Any:
            facts.update(plan_market_step(step, pools, self.context, sections))
            return facts

        chain = plan_chain(sections, self.context, find)
        seen = np.zeros((PEOPLE, PEOPLE))
        for lists, users in pools.chunks:
            made = chain.published(lists, users)
            owners = users.rows[made.items.lines()]
            assert (np.diff(made.scores)[owners[1:] == owners[:-1]] <= 0).all()
            seen[owners, self.people.persons[made.item_rows]] = 1 / np.log2(2 + made.places())
        return seen, facts


@pytest.fixture(scope="module")
def night(likes: npt.NDArray[np.float64]) -> Night:
    return Night(likes)


def matches(
    likes: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(people,) expected by the true chances."""
    mutual = likes * seen
    return np.asarray((mutual * mutual.T).sum(axis=1))


def test_lists_of_a_night_bring_people_together(night: Night) -> None:
    seen, facts = night.published()
    alone, _ = night.published(mode="inbox", inbox_by="likes")
    product, _ = night.published(mode="inbox")
    found, one_sided = matches(night.likes, seen), matches(night.likes, alone)
    assert found.sum() > 1.5 * matches(night.likes, product).sum() > 3.0 * one_sided.sum()
    assert (found > 0).all()
    assert (one_sided == 0).mean() > 0.3
    # Estimates by calibrated scores are near the truth.
    reciprocal = dict(zip(FIGURES, facts["reciprocal"].tolist(), strict=True))
    assert reciprocal["matches"] == pytest.approx(found.sum(), rel=0.15)
    assert reciprocal["unmatched"] == 0.0
    assert facts["one_sided"][FIGURES.index("unmatched")] > 0.3
    assert reciprocal["gini_exposure"] < 0.5 * facts["one_sided"][FIGURES.index("gini_exposure")]
    check_sides(facts)


def check_sides(facts: Any) -> None:
    """Each match is of one of either side. What one side gives the other gets; lists are full."""
    rows = metrics(facts)
    of = {(row.name, row.band): row.value for row in rows if row.label == "reciprocal"}
    sides = [of["expected_matches", name] for name in SEGMENTS]
    assert sides == pytest.approx([of["expected_matches", None]] * 2)
    assert [of["unseen_share", name] for name in (None, *SEGMENTS)] == [0.0] * 3
    demand = [of["demand_over_supply", name] for name in SEGMENTS]
    assert demand == pytest.approx([1.0, 1.0], abs=1e-3)
    assert ("demand_over_supply", None) not in of
    alone = {row.band for row in rows if row.label == "one_sided" and row.name == "unseen_share"}
    assert alone == {None, *SEGMENTS}


def test_chances_are_of_whom_people_met(night: Night) -> None:
    """Where everybody met every second of the pool, and the holdout has no yes of the others,
    chances are twice as high as if these were noes."""
    held = night.held_back()
    pools = HeldPools(held.chunks, night.no_steps).joined()[0]
    every_second = pools.where(np.arange(len(pools.item_rows)) % 2 == 0)
    turned = np.isin(every_second.items.pairs(), held.relevant.pairs())
    yeses = every_second.where(turned).items

    def mean_chance(met: Ragged) -> float:
        later = replace(held, met=met, relevant=yeses)
        context = replace(night.context, held_back=lambda: later)
        return float(Directions.of(context).chances(pools.scores).likes.mean())

    assert mean_chance(every_second.items) == pytest.approx(turned.mean(), rel=0.05)
    assert mean_chance(yeses) == pytest.approx(turned.mean() / 2.0, rel=0.05)


def test_answers_have_chances_of_their_own(night: Night) -> None:
    """Where every second person of a pool had turned to the user, who answered half of those whom
    they would have liked, answers are half as likely as likes; the run says how near both are."""
    held = night.held_back()
    pools = HeldPools(held.chunks, night.no_steps).joined()[0]
    asked = pools.where(np.arange(len(pools.item_rows)) % 2 == 0).items
    liked = np.isin(pools.items.pairs(), held.relevant.pairs())
    refused = np.isin(pools.items.pairs(), asked.pairs())
    refused &= np.random.default_rng(1).random(len(liked)) < 0.5
    later = replace(held, asked=asked, relevant=pools.where(liked & ~refused).items)
    found = Directions.of(replace(night.context, held_back=lambda: later))
    likes, answers = found.chances(pools.scores)
    assert likes.mean() == pytest.approx(liked.mean(), rel=0.05)
    assert answers.mean() == pytest.approx(liked.mean() / 2.0, rel=0.05)
    assert (found.errors() < 0.03).all()
    of_likes, of_answers = Directions.of(night.context).errors()
    assert of_likes < 0.03
    assert np.isnan(of_answers)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one thread")
def test_chances_do_not_depend_on_threads(night: Night) -> None:
    """BLAS shares out sums of more than some ten thousand numbers."""
    held = night.held_back()
    many = replace(night.context, held_back=lambda: repeated(held, 20))
    scores = night.pools().joined()[0].scores
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(Directions.of(many).chances(scores).likes)
    np.testing.assert_array_equal(found[0], found[1])


def repeated(held: HeldBack, times: int) -> HeldBack:
    """As if so many more people had done the same, with other scores."""
    chunks = []
    for number in range(times):
        chunks += [
            (replace(lists, scores=lists.scores * np.float32(1 + number / times)), users)
            for lists, users in held.chunks
        ]
    users = np.tile(np.arange(len(held.met.lengths)), times)
    more = {name: getattr(held, name).take(users) for name in ("relevant", "met", "asked")}
    return replace(held, chunks=chunks, **more)


def test_products_of_calibrated_scores_beat_those_of_raw_ones(
    likes: npt.NDArray[np.float64],
) -> None:
    """80 matches against 67 where raw scores, moved into [0, 1], are multiplied."""
    night = Night(likes, power=3)
    calibrated, _ = night.published(mode="inbox")
    lists, users = night.pools().joined()
    low, high = lists.scores.min(), lists.scores.max()
    raw = ((lists.scores - low) / (high - low)).astype(np.float64)
    people, said = people_of(night.context.training), night.context.training.liked() > 0
    market = PooledMarket.of(
        lists.items, PoolChances(raw, raw), people, said.tocsr(), users.keys, either_first=False
    )
    made = market.listed(inbox_lists(market.market, LENGTH, "product"))
    seen = np.zeros((PEOPLE, PEOPLE))
    listed = night.people.persons[lists.item_rows[made.values]]
    seen[made.lines(), listed] = attention_of(made)
    assert matches(likes, calibrated).sum() > 1.1 * matches(likes, seen).sum()


def test_nobody_meets_the_own_side_and_an_answer_is_waited_for(night: Night) -> None:
    """Who has said yes is at the top of the other's list, and does not see the other again."""
    seen, _ = night.published()
    assert not seen[:SIDE, :SIDE].any()
    assert not seen[SIDE:, SIDE:].any()
    asking, asked = DONE
    assert seen[asking, asked] == 0.0
    assert (seen[asked] > seen[asked, asking]).sum() <= 2
    assert seen[asked, asking] > 0.0


def test_who_has_no_pool_has_no_list_and_is_no_candidate(night: Night) -> None:
    """Neither who is inactive, and has no row among the pools, nor who must not see anybody."""
    pools = night.pools()
    (lists, users), *others = pools.chunks
    gone, blocked = 0, 5
    kept = lists.where(lists.items.lines() != blocked).of(np.arange(1, len(users.rows)))
    left = replace(pools, chunks=[(kept, users.of(np.arange(1, len(users.rows)))), *others])
    facts = plan_market_step("reciprocal", left, night.context, ListSteps())
    for user in (gone, blocked):
        assert not len(listed(np.array([user]), facts).values)
        assert night.people.items[user] not in facts["items"]
    nothing = lists.where(np.zeros(len(lists.item_rows), np.bool_))
    assert not len(apply(nothing, users, facts, Config()).item_rows)


def test_an_inbox_is_never_fuller_than_its_capacity(night: Night) -> None:
    seen, _ = night.published(mode="inbox", capacity=12)
    assert (seen > 0).sum(axis=0).max() <= 12
    free, _ = night.published(mode="inbox")
    assert (free > 0).sum(axis=0).max() > 12


def test_the_step_wants_a_market_of_people(night: Night) -> None:
    alone = replace(night.context, training=replace(night.context.training, people=None))
    with pytest.raises(TypeError, match="market of people"):
        plan_market_step("reciprocal", night.pools(), alone, ListSteps())
    assert Config().mode == "simultaneous"
