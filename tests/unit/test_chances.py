"""Chances of a yes: calibration on known answers, effects, first messages, realised matches."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import Floats, Mask, Ragged
from recsys.evaluation.splits import Pairs
from recsys.matching.calibration import Calibrated, calibration_error
from recsys.matching.effects import Effects, Traits
from recsys.matching.health import Outcome
from recsys.matching.lists import inbox_lists
from recsys.matching.market import Market
from recsys.matching.messages import Contacts
from recsys.matching.realised import Realised
from tests.planted_markets import popular_market

DAY = 86_400_000_000


def test_the_error_of_a_known_case() -> None:
    """Two bins of two: .15 foretold and a half came, .85 and one of one each."""
    chances, outcomes = np.array([0.9, 0.1, 0.8, 0.2]), np.array([1, 0, 1, 1], bool)
    assert calibration_error(chances, outcomes, bins=2) == pytest.approx((0.35 + 0.15) / 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_products_of_calibrated_scores_find_more_matches_than_of_raw_ones(seed: int) -> None:
    """Chances that were bent each way by another power, so that order within a direction is kept.
    Half of the pairs have outcomes to calibrate on; the error is that on the others."""
    rng = np.random.default_rng(100 + seed)
    market = popular_market((200, 200), 0.5, seed)
    lines, turns = market.candidates.lines(), market.turns
    raw = np.where(turns[lines] == 0, market.likes**0.25, market.likes**4)
    said = rng.random(len(raw)) < market.likes
    chances = np.empty(len(raw))
    for turn in (0, 1):
        own = np.flatnonzero(turns[lines] == turn)
        learnt, others = own[::2], own[1::2]
        found = Calibrated.fit(raw[learnt], said[learnt], seed)
        assert found.kind == "isotonic"
        chances[own] = found.calibration.chances(raw[own])
        assert calibration_error(raw[others], said[others]) > 0.3
        assert calibration_error(chances[others], said[others]) <= 0.02
        assert np.array_equal(np.argsort(chances[own]), np.argsort(raw[own]))
        assert chances[own].min() > 0.0
    matches = [
        float(Outcome(market, inbox_lists(_with(market, each), 20, "product")).matches().sum() / 2)
        for each in (raw, chances, market.likes)
    ]
    assert matches[1] > 1.25 * matches[0]
    assert matches[1] == pytest.approx(matches[2], rel=0.02)


def test_a_logistic_distortion_is_undone_by_platt() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=4_000)
    said = rng.random(4_000) < 1 / (1 + np.exp(1.0 - 2.0 * scores))
    assert Calibrated.fit(scores, said, 0).kind == "Platt"


def _with(market: Market, likes: Floats) -> Market:
    return replace(market, likes=likes)


def test_effects_allow_for_whom_a_person_met() -> None:
    """A and B each hear yes from half of those they met; but A met who says no to others, and B
    who says yes. Someone new is judged by its attribute."""
    rows = [
        (decider, decided, said)
        for n in range(20)
        for decider, decided, said in (
            (4 + n, 0, n % 2 == 0),
            (24 + n, 1, n % 2 == 0),
            *((4 + n, other, False) for other in (2, 3)),
            *((24 + n, other, True) for other in (2, 3)),
        )
    ]
    deciders, decided, said = (np.array(column) for column in zip(*rows, strict=True))
    new = 44
    attributes = [["liked=yes"] if n in (0, new) else [] for n in range(46)]
    effects = Effects.fit(Traits.of(attributes), deciders, decided, said, 1.0)
    a, b, liked, other = effects.logits(np.full(4, 4), np.array([0, 1, new, 45])).tolist()
    assert a > b + 0.5
    assert liked > other


def test_first_messages_and_their_answers() -> None:
    """0 writes to 1, who answers after 2 days; 2 writes to 0 twice and is answered too late; 1's
    own first message is an answer, and answered by 0's next; 3 and 4 write at once."""
    messages = [(0, 1, 0), (1, 0, 2), (0, 1, 3), (2, 0, 1), (2, 0, 2), (0, 2, 9), (3, 4, 5)]
    messages += [(4, 3, 5)]
    one, other, days = (np.array(column) for column in zip(*messages, strict=True))
    pairs = Pairs(one, other, np.ones(len(one), np.float32), days * DAY)
    for order in (np.arange(len(one)), np.arange(len(one))[::-1]):
        found = Contacts.of(pairs.take(order), days=7)
        answered = {
            (i, j): bool(a) for i, j, a in zip(found.one, found.other, found.answered, strict=True)
        }
        assert answered == {
            (0, 1): True,
            (0, 2): False,
            (1, 0): True,
            (2, 0): False,
            (3, 4): False,
            (4, 3): False,
        }
    assert Contacts.of(pairs, days=8).answered.sum() == 3


def test_answers_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(4)
    rows, times = rng.integers(0, 12, (400, 2)), rng.integers(0, 60, 400) * DAY
    pairs = Pairs(rows[:, 0], rows[:, 1], np.ones(400, np.float32), times)
    found = Contacts.of(pairs, days=5)
    for one, other, time, answered in zip(
        found.one, found.other, found.times, found.answered, strict=True
    ):
        there = (rows == (one, other)).all(axis=1)
        back = times[(rows == (other, one)).all(axis=1)]
        assert time == times[there].min()
        assert answered == bool(((back > time) & (back <= time + 5 * DAY)).any())


def test_a_match_takes_a_yes_of_both_and_a_place_on_both_lists() -> None:
    """A and B list X; X lists A alone, Y nobody. A and X, B and X said yes to each other."""
    market = Market.two_sided(np.ones((2, 2)), np.ones((2, 2)))
    both = _places(market, {(0, 2), (1, 2)})
    lists = Ragged.of_lengths(np.array([1, 1, 1, 0]), np.array([0, 2, 4]))
    seen = Realised.of(market, lists, both, found=True)
    assert seen.matches.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert seen.rate[:3].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(seen.rate[3])
    assert seen.exposure.tolist() == [1.0, 0.0, 2.0, 0.0]
    inbox = Realised.of(market, lists, both, found=False)
    assert inbox.matches.tolist() == [1.0, 1.0, 1.0, 0.0]


def _places(market: Market, pairs: set[tuple[int, int]]) -> Floats:
    ends = zip(market.candidates.lines().tolist(), market.candidates.values.tolist(), strict=True)
    said: Mask = np.array([(min(pair), max(pair)) in pairs for pair in ends])
    return said.astype(np.float64)
