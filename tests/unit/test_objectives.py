"""Objectives: what came of items by hand, and a planted trade-off found again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from recsys import columns as c
from recsys.charts.fronts import Spot, front
from recsys.errors import ConfigError
from recsys.events.histories import BLOCK, Evidence, Weighting
from recsys.events.recent import Keeping, recent_events
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker
from recsys.objectives.frontier import Frontier, Point, frontier, grid
from recsys.objectives.learning import Ground, Labelled, with_objectives
from recsys.objectives.outcomes import Events, outcomes, rates
from recsys.people.eligibility import Eligibility
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.stack import seen
from recsys.sections.events import Event
from recsys.sections.ids import Ids
from recsys.sections.objectives import Objective
from tests.planted_objectives import AS_OF, BAIT, ITEMS, REPORTED, PlantedMarket, config, drawn

REPORT = Objective(events=("report",), weight=-1.0)
REPLY = Objective(reply_within_days=3, weight=1.0)
RETURN = Objective(return_within_days=7, weight=1.0)


def at(days: float) -> int:
    """An instant so many days before the as-of."""
    return int((AS_OF - timedelta(0)).instant.timestamp() * 1e6 - days * 86_400e6)


def events(*rows: tuple[int, int, str, float], late: float = 0.0) -> Events:
    """Events of user, item, type and days before the as-of; known so many days later."""
    users, items, types, days = zip(*rows, strict=True)
    times = np.array([at(day) for day in days])
    names = pa.chunked_array([pa.array(types)])
    liked = np.array([name == "like" for name in types])
    known = times + int(late * 86_400e6)
    return Events(np.array(users), np.array(items), names, liked, times, known)


def pairs(*rows: tuple[int, int]) -> list[int]:
    return sorted(user << 32 | item for user, item in rows)


def came(objective: Objective, found: Events, people: Eligibility | None = None) -> dict[str, Any]:
    held = outcomes(objective, found, AS_OF - timedelta(days=14), AS_OF, people)
    return {name: sorted(each.tolist()) for name, each in vars(held).items()}


def test_an_event_of_the_type_in_the_days_held_back_is_a_yes() -> None:
    found = events(
        (1, 5, "like", 3), (1, 5, "report", 2), (2, 5, "report", 20), (3, 6, "report", 14)
    )
    assert came(REPORT, found) == {"yes": pairs((1, 5), (3, 6)), "no": [], "open": []}
    assert came(REPORT, events((2, 5, "report", 15), late=2))["yes"] == pairs((2, 5))


def test_a_return_is_more_than_a_day_and_at_most_so_many_days_later() -> None:
    found = events(
        (1, 5, "like", 10), (1, 6, "view", 9.5), (1, 6, "view", 2.9),  # too early, too late
        (2, 5, "like", 10), (2, 6, "view", 3),  # at the last moment
        (3, 5, "like", 6.9), (3, 5, "view", 1),  # nobody knows yet
        (4, 5, "view", 9), (4, 5, "view", 7),  # not turned to
        (6, 5, "like", 9), (6, 6, "view", 8),  # a day later to the instant
        (5, 5, "like", 12), (5, 5, "like", 10.5),  # the first one counts
    )  # fmt: skip
    yes, no = pairs((2, 5), (5, 5)), pairs((1, 5), (6, 5))
    assert came(RETURN, found) == {"yes": yes, "no": no, "open": pairs((3, 5))}


def test_a_reply_is_of_the_other_and_later() -> None:
    # Item 10 + n is person n, but for item 14, whom no row of a user is of.
    people = Eligibility(
        persons=np.array([4] * 10 + [0, 1, 2, 3, 4]),
        items=np.array([10, 11, 12, 13, -1]),
        kinds=np.zeros(5, np.int64),
        values={},
        numbers={},
    )
    found = events(
        (0, 11, "like", 9), (1, 10, "like", 6),  # at the last moment
        (0, 12, "like", 9), (2, 10, "like", 5),  # too late
        (0, 13, "like", 9), (3, 10, "report", 8),  # no yes
        (2, 11, "like", 9), (1, 12, "like", 10),  # before: that was the first step
        (3, 14, "like", 9),
    )  # fmt: skip
    held = came(REPLY, found, people)
    assert held["yes"] == pairs((0, 11), (1, 12))
    assert held["no"] == pairs((0, 12), (0, 13), (1, 10), (2, 10), (2, 11), (3, 14))


def test_events_are_kept_once_and_as_far_back_as_is_asked() -> None:
    rules = {"like": Event(weight=1.0), "rate": Event(weight=1, use_value=True, min_value=3.0)}
    rules["report"] = Event(weight=0.0)
    rows = [
        (1, 7, 0, 40), (0, 5, 0, 30), (0, 5, 0, 30), (0, 5, 2, 400), (0, 6, 1, 1), (0, 6, BLOCK, 0)
    ]  # fmt: skip
    users, items, kinds, days = (np.array(column) for column in zip(*rows, strict=True))
    times, values = np.array([at(day) for day in days]), np.full(len(rows), np.nan)
    values[4] = 2.0
    evidence = Evidence(users, items, kinds, times, times, values)
    keeping = Keeping.of({"report": REPORT, "back": RETURN}, 14, AS_OF)
    weighting = Weighting(rules, AS_OF, AS_OF - timedelta(days=14))
    kept = recent_events(evidence, 100, keeping, weighting, Ids())
    shown = kept.select([c.USER_ROW, c.ITEM_ROW, c.EVENT_TYPE, c.LIKED]).to_pylist()
    assert [tuple(row.values()) for row in shown] == [
        (100, 5, "like", True),
        (100, 5, "report", False),
        (100, 6, "rate", False),
    ]


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"events": ["buy"]}, r"objectives\.x\.events: there is no event type buy .* like, report"),
        ({"reply_within_days": 3}, "reply_within_days is of a market of people"),
        ({"return_within_days": 14}, "within 14 days cannot be learnt from a holdout of 14"),
        ({"events": ["like"], "return_within_days": 3}, "name one of events, reply_within_days"),
        ({}, "name one of events, reply_within_days"),
        ({"events": ["like"], "weight": float("nan")}, "finite number"),
    ],
)
def test_nonsense_is_one_clear_error(objective: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(x={"weight": 1.0, **objective})


def test_a_name_of_another_figure_is_refused() -> None:
    with pytest.raises(ConfigError, match="like is another figure of lists"):
        config(like={"weight": 1.0, "events": ["like"]})


@pytest.fixture(scope="module")
def market() -> PlantedMarket:
    return PlantedMarket(config(), drawn(1))


@pytest.fixture(scope="module")
def ground(market: PlantedMarket) -> Ground:
    return market.ground


@pytest.fixture(scope="module")
def policy(market: PlantedMarket, ground: Ground) -> RankingPolicy:
    return with_objectives(market.policy, ground, market.config.objectives)


@pytest.fixture(scope="module")
def found(ground: Ground) -> Frontier:
    return frontier(ground, {"report": -1.0}, ITEMS)


def test_chances_are_as_planted_on_users_who_did_not_teach_them(
    ground: Ground, policy: RankingPolicy
) -> None:
    like, report = policy.like, policy.objectives["report"]
    assert like is not None
    assert like.error is not None and like.error < 0.005  # noqa: PT018
    assert report.error is not None and report.error < 0.005  # noqa: PT018
    assert like.chance is not None and report.chance is not None  # noqa: PT018
    bait = np.isin(ground.items, BAIT)
    likes = like.chance.of(ground.of_name("like"))
    reports = report.chance.of(ground.of_name("report"))
    assert reports[bait].mean() / likes[bait].mean() == pytest.approx(REPORTED, abs=0.05)
    assert reports[~bait].mean() < 0.05 * reports[bait].mean()


def test_rates_are_those_known_by_then(market: PlantedMarket) -> None:
    now, then = market.training.rates["report"], market.holdout.training.rates["report"]
    others = np.setdiff1d(np.arange(ITEMS), BAIT)
    for rates_of in (now, then):
        shares = expit(rates_of.items)
        assert shares[BAIT].mean() == pytest.approx(REPORTED, abs=0.05)
        assert shares[others].max() < 0.15
    early, before = Events.of(market.recent), AS_OF - timedelta(days=14)
    early = early.where(early.known < at(14))
    again = rates(market.config.objectives, early, before, 14, market.holdout.training)
    np.testing.assert_array_equal(again["report"].items, then.items)
    np.testing.assert_array_equal(again["report"].users, then.users)
    assert (now.users != then.users).any()


def test_a_like_never_falls_along_the_order_that_stands(ground: Ground) -> None:
    last = Labelled(ground.features[:, 0] < -np.log2(50), np.ones(len(ground.lines), np.bool_))
    upside_down = replace(ground, labels={**ground.labels, "like": last})
    taught = upside_down.learnt("like", np.arange(len(ground.users)))
    assert taught.coefficients[0] > 0.0
    assert taught.coefficients[1] >= 0.0
    assert taught.curve.slope >= 0.0


def test_the_frontier_finds_the_planted_trade_off(found: Frontier) -> None:
    points = sorted(found.points, key=lambda point: -point.weights["report"])
    likes, reports = (
        np.array([point.figures[name].value for point in points]) for name in ("like", "report")
    )
    assert points[0].weights["report"] == 0.0
    assert (np.diff(reports) <= 0).all()
    of_trade = np.array([point.weights["report"] >= -1.0 / REPORTED for point in points])
    assert (np.diff(likes[of_trade]) < 0).all()
    on_front = {found.points[place].weights["report"] for place in found.front}
    assert on_front >= {0.0, -0.5, -1.0, -1.0 / REPORTED}
    assert found.better() is None
    # Once reports outweigh the likes that come with them, bait is gone, and no more is bought.
    last = likes[~of_trade]
    assert reports[~of_trade].max() < 0.05 * reports[0]
    assert np.ptp(last) < 0.1 * likes[0] < likes[of_trade].min() - last.max()
    half = next(n for n, point in enumerate(found.points) if point.weights["report"] == -0.5)
    gained = found.gains(half)
    assert gained["like"].beyond()
    assert -gained["report"].mean > 2 * gained["report"].error


def test_a_point_that_another_beats_in_everything_is_dominated() -> None:
    def point(like: list[float], report: list[float]) -> Point:
        return Point({}, {"like": np.array(like), "report": np.array(report)}, {})

    worst, best = point([0.1, 0.2], [0.5, 0.5]), point([0.2, 0.4], [0.5, 0.3])
    cheap = point([0.0, 0.1], [0.0, 0.0])
    found = Frontier([worst, best, cheap], {"like": 1, "report": -1}, frozenset({1, 2}), 2, {})
    better = found.better()
    assert better is not None
    assert better[0] == 1
    assert {n: round(gain.mean, 3) for n, gain in better[1].items()} == {
        "like": 0.15,
        "report": 0.1,
    }


def test_weights_are_tried_around_the_configured_and_where_both_count_alike() -> None:
    one = grid({"report": -1.0}, {"report": 8.0})
    assert one[0] == {"report": -1.0}
    assert {point["report"] for point in one} == {0, -0.5, -1, -2, -4, -8, -16, -32}
    three = grid({"a": 1.0, "b": 0.0, "c": -1.0}, {"a": 2.0, "b": 2.0, "c": 2.0})
    assert len(three) < 100
    assert three[0] == {"a": 1.0, "b": 0.0, "c": -1.0}
    assert any(all(point.values()) for point in three)


def lists_of(market: PlantedMarket, policy: RankingPolicy, users: np.ndarray) -> RankedLists:
    training, models = market.training, market.models(market.training)
    ranker = Ranker.of(models, policy, market.available, training, 200)
    parts = list(ranker.top_n(users, seen(training, users), 20))
    return RankedLists.joined(parts)


def test_lists_go_by_the_sum_of_chances_whoever_is_ranked_with_them(
    market: PlantedMarket, policy: RankingPolicy
) -> None:
    everybody = np.arange(market.training.history.shape[0])
    whole = lists_of(market, policy, everybody)
    plain = lists_of(market, market.policy, everybody)
    bait = [np.isin(lists.item_rows, BAIT).mean() for lists in (whole, plain)]
    assert 0.3 * bait[1] < bait[0] < 0.95 * bait[1]
    few = lists_of(market, policy, everybody[7:30:4])
    part = whole.of(everybody[7:30:4])
    np.testing.assert_array_equal(few.item_rows, part.item_rows)
    np.testing.assert_array_equal(few.scores, part.scores)
    read = RankingPolicy.model_validate_json(policy.model_dump_json())
    np.testing.assert_array_equal(lists_of(market, read, everybody).scores, whole.scores)


def test_without_weight_lists_are_what_they_are_without_objectives(
    market: PlantedMarket, policy: RankingPolicy
) -> None:
    everybody = np.arange(market.training.history.shape[0])
    weightless = {"report": policy.objectives["report"].model_copy(update={"weight": 0.0})}
    plain = lists_of(market, market.policy, everybody)
    same = lists_of(market, policy.model_copy(update={"objectives": weightless}), everybody)
    for name, array in vars(plain).items():
        np.testing.assert_array_equal(getattr(same, name), array, err_msg=name)
    # A weight that outweighs nothing leaves the order too: likes go by the order that stands.
    hardly = {"report": policy.objectives["report"].model_copy(update={"weight": -1e-12})}
    near = lists_of(market, policy.model_copy(update={"objectives": hardly}), everybody)
    assert (near.item_rows == plain.item_rows).mean() > 0.99


def test_a_ranking_of_objectives_that_are_gone_is_one_clear_error(
    market: PlantedMarket, policy: RankingPolicy
) -> None:
    gone = replace(market.training, rates={})
    models = market.models(gone)
    with pytest.raises(ConfigError, match="learnt with report, of which the configuration says"):
        Ranker.of(models, policy, market.available, gone, 200)


def test_an_objective_that_hardly_came_is_left_out_and_said(
    market: PlantedMarket, policy: RankingPolicy
) -> None:
    ground = market.ground
    label = ground.labels["report"]
    few = label.yes & (np.cumsum(label.yes) <= 15)
    ground.labels["report"] = type(label)(few, label.known)  # type: ignore[index]
    taught = policy.methods
    policy = with_objectives(market.policy, ground, market.config.objectives)
    # What the audit goes by: scores of another scale are not compared.
    assert {*taught.items()} - {*policy.methods.items()} == {("weight of report", "-1")}
    assert policy.objectives["report"].chance is None
    assert "objective report is left out: it came to" in policy.summary()
    everybody = np.arange(5)
    plain, same = (lists_of(market, each, everybody) for each in (market.policy, policy))
    np.testing.assert_array_equal(plain.scores, same.scores)


def test_a_chart_of_a_front_rings_what_is_configured() -> None:
    spots = [
        Spot("a 0", 0.1, 0.5, 0.01, 0.1, on_front=True),
        Spot("a -1", 0.0, 0.4, on_front=True, here=True),
        Spot("a -2", 0.05, 0.4),
    ]
    chart = front(spots, ("a, outcomes a place", "NDCG@20"))
    assert chart.svg.count('class="two ring"') == 1
    assert chart.svg.count('class="one"') == 2
    assert "as configured: 0.4 at 0" in chart.svg
    assert 'class="line"' not in front(spots, ("a", "b"), joined=False).svg
