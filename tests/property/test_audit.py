"""The audit against its rules, and `recsys diff` of a pair against its publication."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st
from typer.testing import CliRunner

from jobs.cli import diff
from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.run import settings as environment
from jobs.sinks.postgres.published import run_facts
from recsys.config import Config
from recsys.errors import HeldError
from recsys.evaluation.audit import Outcome, RunFacts, audit
from recsys.sections.gates import Gates
from tests.finished_nights import DAY, FinishedNight, Publisher

DEPTH = 4
NDCG = st.none() | st.floats(0, 1)
LISTS = st.dictionaries(
    st.integers(0, 45), st.lists(st.integers(0, 9), unique=True, max_size=6), max_size=45
)
MANY_LISTS = st.builds(
    lambda n, chance: {user: chance.sample(range(12), chance.randint(1, 6)) for user in range(n)},
    st.integers(30, 45),
    st.randoms(use_true_random=False),
)
NIGHTS = st.builds(
    FinishedNight,
    lists=LISTS | MANY_LISTS,
    as_of=st.integers(0, 9).map(lambda n: DAY + timedelta(hours=6 * n)),
    best=st.floats(-50, 50),
    method=st.sampled_from(["sum", "fusion"]),
    ndcg=NDCG,
    available=st.integers(0, 60),
    members=st.integers(0, 60),
)


def limit(low: float, high: float) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(low, high)


GATES = st.builds(
    Gates,
    depth=st.just(DEPTH),
    min_users_kept=limit(0, 1),
    min_overlap=limit(0, 1),
    min_rbo=limit(0, 1),
    max_churn=limit(0, 1),
    min_coverage=limit(0, 1),
    max_gini=limit(0, 1),
    max_fallback_share=limit(0, 1),
    max_score_drift=limit(0.01, 9),
    min_ndcg=limit(0, 1),
)


def facts(night: FinishedNight, config: Config, run_id: int | None = None) -> RunFacts:
    """What publishing knows of a night from the lake."""
    return RunFacts(
        as_of=night.as_of,
        lists=night.table(config),
        methods=night.policy.methods,
        ndcg=night.policy.measured,
        available_items=night.available,
        active_users=night.members,
        run_id=run_id,
    )


def read_back(found: RunFacts) -> RunFacts:
    """The same as a database gives it: rows in another order, cut lists, figures from JSON."""
    rows = [
        {name: v[:DEPTH] if isinstance(v, list) else v for name, v in row.items()}
        for row in found.lists.to_pylist()
    ]
    Random(1).shuffle(rows)  # noqa: S311 - any order
    kept = json.loads(json.dumps([dict(found.methods), found.ndcg]))
    lists = type(found.lists).from_pylist(rows, schema=found.lists.schema)
    return replace(found, lists=lists, methods=kept[0], ndcg=kept[1])


@trials(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.none() | NIGHTS,
    after=NIGHTS,
    gates=GATES,
    promote=st.sampled_from([None, True, False]),
)
def test_the_outcome_follows_from_gates_dates_and_what_was_asked(
    config: Config,
    before: FinishedNight | None,
    after: FinishedNight,
    gates: Gates,
    promote: bool | None,  # noqa: FBT001
) -> None:
    live = None if before is None else facts(before, config, 1)
    found = audit(facts(after, config), live, gates, promote=promote)
    older = before is not None and after.as_of < before.as_of and promote is None
    assert found.older is older
    history = older or promote is False
    expected = Outcome.HELD if found.violations else Outcome.LIVE
    assert found.outcome is (Outcome.HISTORY if history else expected)
    assert (found.live_run, found.ndcg) == (None if before is None else 1, after.policy.measured)
    for violation in found.violations:
        below = violation.gate.startswith("min_")
        assert violation.figure < violation.limit if below else violation.figure > violation.limit
    if before is None or before.method != after.method:
        assert found.figures.score_drift is None


@trials(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=NIGHTS, after=NIGHTS, gates=GATES)
def test_a_pair_read_back_is_judged_alike_to_the_last_digit(
    config: Config, before: FinishedNight, after: FinishedNight, gates: Gates
) -> None:
    live, new = facts(before, config, 1), facts(after, config)
    assert audit(read_back(new), read_back(live), gates) == audit(new, live, gates)


def test_drift_counts_where_the_methods_are_the_same(config: Config) -> None:
    lists = {user: [1, 2, 3, 4] for user in range(40)}
    before, after = FinishedNight(lists), FinishedNight(lists, best=99.0)
    told = [
        audit(facts(night, config), facts(before, config, 1), Gates())
        for night in (after, replace(after, method="fusion"))
    ]
    assert [verdict.outcome for verdict in told] == [Outcome.HELD, Outcome.LIVE]
    assert [v.gate for v in told[0].violations] == ["max_score_drift"]


@pytest.fixture
def shown(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int, int, Gates], dict[str, Any]]:
    """What `recsys diff` prints of two runs as JSON."""
    uri = publisher.settings.require_postgres()
    monkeypatch.setenv(environment.POSTGRES_URI, uri.get_secret_value())
    monkeypatch.setenv(environment.LAKE, str(publisher.settings.lake))

    def show(before: int, after: int, gates: Gates) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            changed = publisher.config.model_copy(update={"gates": gates})
            patch.setattr(diff, "load_config", lambda: changed)
            done = CliRunner().invoke(app, ["diff", str(before), str(after), "--json"])
        assert done.exit_code == 0, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return show


@trials(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=NIGHTS, after=NIGHTS, gates=GATES)
def test_diff_says_of_a_pair_what_publishing_said(
    publisher: Publisher,
    shown: Callable[[int, int, Gates], dict[str, Any]],
    before: FinishedNight,
    after: FinishedNight,
    gates: Gates,
) -> None:
    open_gates = Gates.model_validate(dict.fromkeys(Gates.limits()) | {"depth": DEPTH})
    publisher.publish(before, promote=True, gates=open_gates)
    with suppress(HeldError):
        publisher.publish(after, gates=gates)
    (new, status, live, kept), (old, *_) = published(publisher)
    uri, ids = publisher.settings.require_postgres(), publisher.config.ids
    again = audit(run_facts(uri, new, ids, DEPTH), run_facts(uri, old, ids, DEPTH), gates)
    assert kept == again.as_dict()
    assert (status, live) == STATES[again.outcome]
    told = shown(old, new, gates)
    assert {name: told[name] for name in kept} == kept


STATES = {
    Outcome.LIVE: ("published", True),
    Outcome.HELD: ("held", False),
    Outcome.HISTORY: ("published", False),
}


def published(publisher: Publisher) -> list[tuple[Any, ...]]:
    """Number, status, whether it is live, and audit of the two newest runs."""
    query = """SELECT r.run_id, r.status, l.run_id IS NOT NULL, r.audit
        FROM recs.run AS r LEFT JOIN recs.live AS l USING (run_id) ORDER BY run_id DESC LIMIT 2"""
    uri = publisher.settings.require_postgres()
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()
