"""The nightly run on a marketplace whose truth is known."""

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from jobs.lake.partitions import Lake
from jobs.listing import Listing
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import DIRTY, make_market, planted_groups
from jobs.sinks.postgres import lookup, switching
from jobs.stores.models import HOLDOUT_MODEL, TrainingData, histories, read_model, read_policy
from recsys import columns as c
from recsys.arrays import Ragged
from recsys.as_of import AsOf
from recsys.errors import HeldError
from recsys.evaluation.metrics import as_ranked, find_hits, recall
from recsys.generators import als
from recsys.generators.factors import FactorModel
from recsys.schemas import ITEMS, LISTS, QUARANTINE
from recsys.sections.contracts import Contracts
from recsys.sections.gates import Gates
from recsys.sections.ranking import Ranking
from recsys.window import Window
from tests.e2e.conftest import OBSERVED_AT, OPEN_GATES, Pipeline, only

USERS, ITEMS_MADE, DAYS, EVENTS, SEED = 400, 300, 40, 12_000, 7
END = AsOf.parse("2026-01-01")
SPLIT = AsOf.parse("2025-12-23")


@pytest.fixture
def market_run(pipeline: Pipeline) -> Pipeline:
    pipeline.load(make_market(USERS, ITEMS_MADE, DAYS, EVENTS, SEED, END))
    return pipeline


def seen_and_next() -> tuple[dict[Any, set[Any]], dict[Any, frozenset[Any]]]:
    """What each user was known to have touched by the split, and what they first touched after."""
    market = make_market(USERS, ITEMS_MADE, DAYS, EVENTS, SEED, END)
    before, after = defaultdict(set), defaultdict(set)
    for table, time in ((market.events, "ts"), (market.interactions, "created_at")):
        for row in table.select(["user_id", "item_id", time, "received_at"]).to_pylist():
            if None in row.values():
                continue
            if row["received_at"] < SPLIT.instant:
                before[row["user_id"]].add(row["item_id"])
            elif row[time] >= SPLIT.instant:
                after[row["user_id"]].add(row["item_id"])
    fresh = {user: frozenset(items - before[user]) for user, items in after.items()}
    return before, {user: items for user, items in fresh.items() if items}


def recall_at_20(lists: dict[Any, list[Any]], relevant: dict[Any, frozenset[Any]]) -> float:
    """Mean over the users of `relevant`; ids serve as row numbers."""
    ranked = as_ranked(flat([lists.get(user, []) for user in relevant]), 20)
    hits = find_hits(ranked, flat([sorted(items) for items in relevant.values()]))
    return float(recall(hits, 20).mean())


def flat(lists: list[list[Any]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, lists)])
    return Ragged(offsets, np.array([item for items in lists for item in items], np.int64))


def test_a_night_end_to_end(market_run: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """A few runs, looked at from all sides: a run takes long, and its results are many."""
    market_run.run(SPLIT, contracts=Contracts())
    blended = market_run.lists()
    check_nothing_unwanted_is_listed(market_run, blended)
    check_matrix_and_models_agree(market_run)
    check_one_process_makes_the_same_lists(market_run)

    run = market_run.query("SELECT list_hash, users FROM recs.run ORDER BY run_id DESC LIMIT 1")
    market_run.run(SPLIT, contracts=Contracts())
    assert market_run.lists() == blended
    again = market_run.query("SELECT list_hash, users FROM recs.run ORDER BY run_id DESC LIMIT 1")
    assert again == run

    with pytest.raises(HeldError, match=r"is below gates\.min_overlap = 0\.9"):
        market_run.run(SPLIT, generators=only("popularity"), gates=Gates(min_overlap=0.9))
    assert market_run.lists() == blended
    newest = lookup.runs(market_run.settings.require_postgres(), 1)[0]
    assert newest.status == "held"
    switching.release(market_run.settings.require_postgres(), newest.run_id, "baseline")
    popular = market_run.lists()
    _, relevant = seen_and_next()
    wanted = {user: items for user, items in relevant.items() if user in blended}
    ours, baseline = (recall_at_20(lists, wanted) for lists in (blended, popular))
    with capsys.disabled():
        ratio = ours / baseline
        print(  # noqa: T201
            f"\nplanted groups, {len(wanted)} users, seed {SEED}: recall@20 blend {ours:.3f}, "
            f"popularity {baseline:.3f}, ratio {ratio:.1f}"
        )
    assert ours >= 3 * baseline

    drift_alone = OPEN_GATES.model_copy(update={"max_score_drift": Gates().max_score_drift})
    market_run.run(END, gates=drift_alone, ranking=Ranking(method="fusion"))
    audit = market_run.query(
        "SELECT audit -> 'figures' -> 'score_drift' FROM recs.run ORDER BY run_id DESC LIMIT 1"
    )
    assert audit == [(None,)]
    everything = planted_groups(USERS, ITEMS_MADE, SEED).blocks_everything
    assert market_run.lists()[everything] == []
    assert market_run.query("SELECT count(*) FROM recs.top_n(%s, 20)", (everything,)) == [(0,)]
    check_only_the_new_days_were_read(market_run)
    check_rejects_are_kept(market_run)
    check_a_fit_goes_on_from_the_one_without_the_last_days(market_run)


def check_a_fit_goes_on_from_the_one_without_the_last_days(pipeline: Pipeline) -> None:
    arguments = RunArguments(END, pipeline.config, pipeline.settings, OBSERVED_AT)
    config, training = pipeline.config, TrainingData(arguments).training
    section = config.generators.used()["als"]
    earlier = read_model(arguments.lake, "als", END, HOLDOUT_MODEL)
    assert isinstance(earlier, FactorModel)
    assert isinstance(section, als.Config)
    expected = als.refit(training, section, config.seed, earlier).arrays()
    anew = als.fit(training, section, config.seed).arrays()
    kept = read_model(arguments.lake, "als", END).arrays()
    assert np.array_equal(kept["item_factors"], expected["item_factors"])
    assert not np.array_equal(kept["item_factors"], anew["item_factors"])


def check_nothing_unwanted_is_listed(pipeline: Pipeline, lists: dict[Any, list[Any]]) -> None:
    seen, _ = seen_and_next()
    blocked = defaultdict(set)
    known = "SELECT user_id, item_id FROM market.blocks WHERE created_at < %s"
    for user, item in pipeline.query(known, (SPLIT.instant,)):
        blocked[user].add(item)
    gone = {i for (i,) in pipeline.query("SELECT item_id FROM market.items WHERE NOT available")}
    active = {u for (u,) in pipeline.query("SELECT user_id FROM market.users WHERE active")}
    assert set(lists) <= active
    assert {user for user, items in seen.items() if items and user in active} <= set(lists)
    for user, items in lists.items():
        assert len(items) == len(set(items))
        assert not set(items) & (seen[user] | blocked[user] | gone)
    assert pipeline.query("SELECT count(*) FROM recs.top_n(-1, 20)") == [(20,)]


def check_only_the_new_days_were_read(pipeline: Pipeline) -> None:
    place = f"raw/events/mapping={pipeline.config.source_fingerprint('events')[:12]}"
    assert _lake(pipeline).windows(place) == [
        Window.before(SPLIT),
        Window(SPLIT.instant, END.instant),
    ]


def check_rejects_are_kept(pipeline: Pipeline) -> None:
    read = _lake(pipeline).as_of(QUARANTINE.name, END).read(QUARANTINE, pipeline.config.ids)
    reasons = read[c.REJECT_REASON].to_pylist()
    assert len(reasons) == sum(DIRTY.values())
    assert all(read[c.SOURCE_ROW].to_pylist())
    ((stats,),) = pipeline.query("SELECT stats FROM recs.run ORDER BY run_id DESC LIMIT 1")
    assert sum(stats["rejected"].values()) == len(reasons)
    events = stats["read"]["events"] + stats["read"]["interactions"]
    assert stats["matrix"]["events"] + len(reasons) == events


def check_one_process_makes_the_same_lists(pipeline: Pipeline) -> None:
    """In another cut than Spark's tasks, on one thread."""
    run = RunArguments(SPLIT, pipeline.config, pipeline.settings, OBSERVED_AT)
    known = TrainingData(run)
    listing = Listing(run, known, read_policy(run.lake, SPLIT))
    maker = listing.lists(listing.pools(known.histories[c.ACTIVE].to_numpy()))
    active = known.histories.filter(known.histories[c.ACTIVE])
    batches = active.combine_chunks().to_batches(max_chunksize=70)
    with threadpool_limits(1):
        made = pa.Table.from_batches([part for b in batches for part in maker.lists(b)])
    wanted = _lake(pipeline).as_of(LISTS.name, SPLIT).read(LISTS, pipeline.config.ids)
    assert made.sort_by(c.USER_ID).equals(wanted.sort_by(c.USER_ID))


def check_matrix_and_models_agree(pipeline: Pipeline) -> None:
    lake, ids = _lake(pipeline), pipeline.config.ids
    users = histories(lake, SPLIT, ids)
    assert users[c.USER_ROW].to_pylist() == list(range(users.num_rows))
    assert users[c.USER_ID].to_pylist() == sorted(users[c.USER_ID].to_pylist())
    items = lake.as_of(ITEMS.name, SPLIT).read(ITEMS, ids)
    for name in pipeline.config.generators.used():
        scores = read_model(lake, name, SPLIT).scores(np.array([users.num_rows - 1]))
        assert scores.shape == (1, items.num_rows)
        assert np.isfinite(scores).all()


def _lake(pipeline: Pipeline) -> Lake:
    return Lake(pipeline.settings.lake)
