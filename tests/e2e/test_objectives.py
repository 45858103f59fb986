"""Nights with objectives: what came of items, the order by it, its reasons, and the frontier."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner
from upath import UPath

from jobs.app.why import ExplainedRun, Pair
from jobs.cli.main import app
from jobs.listing import Listing
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import load_config
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres.reasons import asked_run, kept_reason
from jobs.steps import build_matrix, extract_sources
from jobs.stores.models import TrainingData, read_policy
from jobs.tasks.lists import excluded_of
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import MissingPartitionError
from recsys.ranking.policy import RankingPolicy
from recsys.schemas import RECENT_EVENTS
from recsys.sections.objectives import Objective
from tests.e2e.conftest import Pipeline, environment_of

DAY = AsOf.parse("2026-01-01")
NEXT = DAY + timedelta(days=1)
LENGTH = 20
REPORT = """
INSERT INTO market.interactions (user_id, item_id, kind, value, created_at, received_at)
SELECT user_id, item_id, 'report', NULL, created_at + interval '1 s', received_at + interval '1 s'
FROM market.interactions WHERE kind <> 'report' AND item_id %% 5 = 0 AND created_at < %s
RETURNING 1
"""
"""Whoever likes one of every fifth item reports it."""
MORE = """
[lists]
length = 20
steps = []
[nights]
full_every = 3
[objectives.report]
events = ["report"]
weight = -2.0
[objectives.back]
return_within_days = 7
weight = 0.0
"""


def test_nights_with_objectives(pipeline: Pipeline, tmp_path: Path) -> None:
    """One story, because a night takes long."""
    pipeline.load(make_market(400, 120, 60, 12_000, 5, NEXT))
    pipeline.query(REPORT, (NEXT.instant - timedelta(minutes=1),))
    environment = environment_of(pipeline.settings)
    file = Path(environment["RECSYS_CONFIG"])
    shipped = file.read_text(encoding="utf-8")
    events = shipped.replace("[events]", "[events]\nreport = { weight = 0.0 }")
    file.write_text(f"{events}\n{MORE}", encoding="utf-8")
    configured = Pipeline(pipeline.settings, load_config(file))

    night = configured.run(DAY)
    check_lists(configured, night)
    check_figures(configured)
    check_reasons(configured, night)

    later = configured.run(NEXT)  # on changes alone
    assert read_policy(later.lake, NEXT) == read_policy(night.lake, DAY)
    check_frontier(environment, tmp_path)
    check_that_an_empty_lake_has_the_same(later, tmp_path / "empty")
    check_that_others_are_asked_for(later)
    check_that_the_forgotten_take_their_events_along(configured, environment, later)


def check_lists(pipeline: Pipeline, night: RunArguments) -> None:
    """Lists are as chances order them, and hold less of what is reported than without."""
    policy = read_policy(night.lake, DAY)
    lists = pipeline.lists()
    assert ranked(night, policy) == lists
    without = ranked(night, policy.model_copy(update={"objectives": {}}))
    assert {u: len(listed) for u, listed in lists.items()} == {
        u: len(listed) for u, listed in without.items()
    }
    assert reported_share(lists) < 0.7 * reported_share(without)


def ranked(night: RunArguments, policy: RankingPolicy) -> dict[int, list[int]]:
    """Lists of active users by a policy, in this process."""
    known = TrainingData(night)
    listing = Listing(night, known, policy)
    rows = np.flatnonzero(known.histories[c.ACTIVE].to_numpy())
    excluded = excluded_of(known.histories.combine_chunks().to_batches()[0]).take(rows)
    items = known.items[c.ITEM_ID].to_numpy()
    found = {}
    users = iter(known.histories[c.USER_ID].take(rows).to_pylist())
    for lists in listing.ranker.top_n(rows, excluded, LENGTH):
        for start, end in zip(lists.offsets, lists.offsets[1:], strict=False):
            found[next(users)] = items[lists.item_rows[start:end]].tolist()
    return {user: listed for user, listed in found.items() if listed}


def reported_share(lists: Mapping[int, Sequence[int]]) -> float:
    return float(np.mean([item % 5 == 0 for listed in lists.values() for item in listed]))


def check_figures(pipeline: Pipeline) -> None:
    rows = pipeline.query(
        "SELECT name, label, value FROM recs.run_metric JOIN recs.live USING (run_id) "
        "WHERE name LIKE 'objective_%'"
    )
    found = {(name, label): value for name, label, value in rows}
    assert found["objective_weight", "report"] == -2.0
    assert found["objective_outcomes", "report"] >= 20
    assert found["objective_calibration_error", "report"] < 0.02


def check_reasons(pipeline: Pipeline, night: RunArguments) -> None:
    uri = pipeline.settings.require_postgres()
    run = asked_run(uri, None)
    explained = ExplainedRun(night, run)
    (user, listed), *_ = sorted(pipeline.lists().items())
    for item in listed[:5]:
        kept = kept_reason(uri, str(user), str(item), run.run_id)
        found = explained.answer(Pair(user, item), kept)
        assert found.verdict == "listed"
        assert list(found.chances) == ["like", "report"]
        assert sum(found.chances.values()) == pytest.approx(found.score, abs=1e-6)
        assert found.chances["report"] < 0.0 < found.chances["like"]


def check_frontier(environment: Mapping[str, str], folder: Path) -> None:
    """It reads what the full night left, though the latest was on changes alone."""
    plot, out = folder / "frontier.svg", folder / "frontier.json"
    command = ["frontier", "--plot", str(plot), "--json", str(out)]
    result = CliRunner().invoke(app, command, env=environment)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert "note: " not in result.output
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["as_of"] == str(DAY)
    points = {tuple(p["weights"].values()): p for p in figures["points"]}
    assert points[-2.0, 0.0]["configured"]
    assert not points[0.0, 0.0]["configured"]
    reported = {w: p["figures"]["report"]["value"] for w, p in points.items()}
    assert reported[-2.0, 0.0] < reported[-1.0, 0.0] < reported[0.0, 0.0]
    assert plot.read_text(encoding="utf-8").count('class="two ring"') == 2  # one a chart


def check_that_an_empty_lake_has_the_same(later: RunArguments, lake: Path) -> None:
    """A night on changes keeps the very events that a first one would."""
    kept = later.lake.as_of(RECENT_EVENTS.name, NEXT).read(RECENT_EVENTS, later.config.ids)
    settings = later.settings.model_copy(update={"lake": UPath(lake)})
    first = replace(later, settings=settings, full=True)
    for step in (extract_sources, build_matrix):
        step.main(first)
    again = first.lake.as_of(RECENT_EVENTS.name, NEXT).read(RECENT_EVENTS, later.config.ids)
    assert again.equals(kept)
    types = set(pc.unique(kept[c.EVENT_TYPE]).to_pylist())
    assert types > {"report", "view"}
    oldest = pc.min(kept.filter(pc.equal(kept[c.EVENT_TYPE], "view"))[c.OCCURRED_AT]).as_py()
    assert oldest >= (NEXT - timedelta(days=2 * 14 + 7)).instant


def check_that_others_are_asked_for(later: RunArguments) -> None:
    others = {"buy": Objective(events=("purchase",), weight=1.0)}
    changed = later.config.model_copy(update={"objectives": others})
    with pytest.raises(MissingPartitionError, match=r"for these \[objectives\]; `recsys nightly"):
        TrainingData(replace(later, config=changed)).holdout()


def check_that_the_forgotten_take_their_events_along(
    pipeline: Pipeline, environment: Mapping[str, str], later: RunArguments
) -> None:
    """Rows are numbered around who is gone, and name nobody."""
    user = min(pipeline.lists())
    result = CliRunner().invoke(app, ["forget-user", str(user)], env=environment)
    assert result.exit_code == 0, result.output
    assert not any(later.lake.as_of(RECENT_EVENTS.name, day).exists() for day in (DAY, NEXT))
