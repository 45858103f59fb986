from dataclasses import fields, replace
from typing import Any

import pytest

from recsys.evaluation.audit import violations
from recsys.evaluation.diff import Comparison
from recsys.sections.gates import Gates

GOOD = Comparison(
    users_before=100,
    users_after=101,
    users_lost=1,
    users_new=2,
    users_kept=0.99,
    overlap=0.7,
    rbo=0.6,
    churn=0.5,
    depth=20,
    coverage=0.3,
    gini=0.8,
    empty_share=0.01,
    short_share=0.02,
    fallback_share=0.1,
    score_drift=-0.2,
)
LIMITS = {
    "min_users_kept": 0.9,
    "min_overlap": 0.5,
    "min_rbo": 0.5,
    "max_churn": 0.6,
    "min_coverage": 0.2,
    "max_gini": 0.9,
    "max_fallback_share": 0.2,
    "max_score_drift": 1.0,
    "min_ndcg": 0.05,
    "min_expected_matches": 100.0,
    "max_unmatched_share": 0.1,
    "max_gini_matches": 0.5,
    "max_gini_people_exposure": 0.4,
    "max_top_1_percent_of_people": 0.05,
    "max_unseen_share": 0.01,
    "max_envied_others": 0.5,
    "min_nash_welfare": 0.2,
    "max_demand_over_supply": 1.5,
    "max_calibration_error": 0.05,
}
ALL = Gates.model_validate(LIMITS)
BAD = [
    ("min_users_kept", "users_kept", 0.89),
    ("min_overlap", "overlap", 0.49),
    ("min_rbo", "rbo", 0.49),
    ("max_churn", "churn", 0.61),
    ("min_coverage", "coverage", 0.19),
    ("max_gini", "gini", 0.91),
    ("max_fallback_share", "fallback_share", 0.21),
    ("max_score_drift", "score_drift", -1.01),
]
#: What passes, and what does not.
MARKET_FIGURES = {
    "expected_matches": (120.0, 99.0),
    "unmatched_share": (0.02, 0.11),
    "gini_matches": (0.3, 0.51),
    "gini_people_exposure": (0.2, 0.41),
    "top_1_percent_of_people": (0.02, 0.06),
    "unseen_share": (0.0, 0.02),
    "envied_others": (0.1, 0.6),
    "nash_welfare": (0.3, 0.1),
    "demand_over_supply": (1.2, 1.6),
    "calibration_error": (0.02, 0.06),
}
MARKET = {figure: good for figure, (good, _) in MARKET_FIGURES.items()}
BAD_MARKET = {figure: bad for figure, (_, bad) in MARKET_FIGURES.items()}


def changed(**figures: Any) -> Comparison:
    return replace(GOOD, **figures)


def test_a_good_run_passes_every_gate() -> None:
    assert set(Gates.limits()) == set(LIMITS)
    assert violations(GOOD, ALL, ndcg=0.1) == ()


@pytest.mark.parametrize(("gate", "figure", "value"), BAD, ids=[gate for gate, *_ in BAD])
def test_a_bad_figure_is_caught_by_its_own_gate(gate: str, figure: str, value: float) -> None:
    (found,) = violations(changed(**{figure: value}), ALL, ndcg=0.1)
    assert (found.gate, found.figure, found.limit) == (gate, abs(value), LIMITS[gate])
    assert f"gates.{gate} = " in str(found)


def test_every_limit_is_tried() -> None:
    limited = {gate for gate, *_ in BAD} | {"min_ndcg"}
    assert limited | {f"{_side(figure)}_{figure}" for figure in MARKET} == set(Gates.limits())


def _side(figure: str) -> str:
    return "min" if figure in ("expected_matches", "nash_welfare") else "max"


@pytest.mark.parametrize("figure", MARKET)
def test_a_market_of_people_has_gates_of_its_own(figure: str) -> None:
    assert violations(GOOD, ALL, market=MARKET) == ()
    (found,) = violations(GOOD, ALL, market=MARKET | {figure: BAD_MARKET[figure]})
    assert found.gate == f"{_side(figure)}_{figure}"


def test_low_ndcg_is_caught_where_it_is_measured() -> None:
    (found,) = violations(GOOD, ALL, ndcg=0.04)
    assert str(found) == "0.04 is below gates.min_ndcg = 0.05"
    assert violations(GOOD, ALL) == ()


def test_a_figure_at_its_limit_passes() -> None:
    at = {figure: LIMITS[gate] for gate, figure, _ in BAD}
    assert violations(changed(**at), ALL, ndcg=LIMITS["min_ndcg"]) == ()


def test_a_figure_that_is_no_number_does_not_pass() -> None:
    (found,) = violations(changed(score_drift=float("nan")), ALL)
    assert found.gate == "max_score_drift"


def test_every_violation_is_named_in_order() -> None:
    worst = {figure: value for _, figure, value in BAD}
    found = violations(changed(**worst), ALL, ndcg=0.0, market=BAD_MARKET)
    assert [violation.gate for violation in found] == list(Gates.limits())


def test_a_first_run_passes_the_gates_against_the_live_run() -> None:
    change = ("users_kept", "overlap", "rbo", "churn", "score_drift")
    assert violations(changed(**dict.fromkeys(change)), ALL) == ()


def test_gates_without_limit_let_everything_pass() -> None:
    worst = {figure: value for _, figure, value in BAD}
    off = Gates.model_validate(dict.fromkeys(LIMITS))
    assert violations(changed(**worst), off) == ()


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param({}, id="a night like others"),
        pytest.param({"overlap": 1.0, "rbo": 1.0, "churn": 0.0, "score_drift": 0.0}, id="a rerun"),
        pytest.param({"churn": 0.95, "gini": 0.99, "coverage": 0.001}, id="a large catalogue"),
        pytest.param({"fallback_share": 0.9, "empty_share": 0.3}, id="many new members"),
    ],
)
def test_defaults_do_not_hold_back(figures: dict[str, float]) -> None:
    assert violations(changed(**figures), Gates()) == ()


@pytest.mark.parametrize(
    ("gate", "figures"),
    [
        pytest.param("min_users_kept", {"users_kept": 0.5}, id="half of the users gone"),
        pytest.param("min_overlap", {"overlap": 0.02}, id="ids mixed up"),
        pytest.param("max_fallback_share", {"fallback_share": 1.0}, id="lists for nobody"),
        pytest.param("max_score_drift", {"score_drift": 8.0}, id="scores of another scale"),
    ],
)
def test_defaults_hold_back_what_is_broken(gate: str, figures: dict[str, float]) -> None:
    assert [v.gate for v in violations(changed(**figures), Gates())] == [gate]


def test_every_figure_but_counts_and_shortness_has_a_gate() -> None:
    counts = {"users_before", "users_after", "users_lost", "users_new", "depth"}
    counts |= {"empty_share", "short_share"}  # rows that a contract looks at
    gated = {figure for _, figure, _ in BAD}
    assert {field.name for field in fields(Comparison)} == counts | gated
