"""Nights that spread exposure: what the targets make of the lists, and what is said of it."""

from collections import Counter
from datetime import timedelta

import numpy as np

from jobs.app.why import ExplainedRun, Pair
from jobs.listing import Listing
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres.reasons import asked_run, kept_reason
from jobs.stores.models import TrainingData, read_policy
from jobs.stores.step_facts import read_facts
from jobs.tasks.lists import excluded_of
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import parse_config
from recsys.generators.contract import Arrays
from recsys.generators.registry import GENERATORS, Generators
from recsys.ids import lasting_keys
from recsys.lists.chain import Chain, plan_market_step
from recsys.lists.contract import Recipients
from recsys.lists.pools import HeldPools, ranked_chunks
from recsys.sections.lists import Lists
from recsys.sections.nights import Nights
from tests.e2e.conftest import OPEN_GATES, Pipeline

DAY = AsOf.parse("2026-01-01")
NEXT = DAY + timedelta(days=1)
LENGTH, CAP = 20, 2.0
TWO = Generators.model_validate(
    {name: {"weight": float(name in ("item_item", "popularity"))} for name in GENERATORS}
)


def test_nights_with_targets_show_more_items_and_say_so(pipeline: Pipeline) -> None:
    """One story, because a night takes long."""
    pipeline.load(make_market(400, 120, 30, 8_000, 5, DAY))
    lists = Lists(length=LENGTH, pool=60, steps=("exposure", "explore"))
    plain = pipeline.config.model_dump()
    plain["list_steps"]["exposure"] |= {"top_share": 0.0, "ndcg_loss": 0.05, "cap": CAP}
    changes = {
        "lists": lists,
        "list_steps": parse_config(plain, "test").list_steps,
        "gates": OPEN_GATES,
        "generators": TWO,
        "nights": Nights(full_every=3),
    }
    arguments = pipeline.run(DAY, **changes)
    facts = read_facts(arguments.lake, "exposure", DAY)
    assert facts["strength"] > 0
    assert facts["top_share_after"] < facts["top_share_before"]
    check_cap(pipeline, int(facts["cap"]))
    check_figures(pipeline, facts)
    check_that_memory_says_the_same(arguments, facts)
    check_reasons(pipeline, arguments)

    later = pipeline.run(NEXT, **changes)
    kept = read_facts(later.lake, "exposure", NEXT)
    assert {name: kept[name] for name in ("strength", "cap")} == {
        name: facts[name] for name in ("strength", "cap")
    }
    assert sorted(kept["prices"])[-50:] == sorted(facts["prices"])[-50:]


def check_cap(pipeline: Pipeline, cap: int) -> None:
    held = Counter(item for listed in pipeline.lists().values() for item in listed)
    places = sum(held.values())
    (available,) = pipeline.query(
        "SELECT value FROM recs.run_metric WHERE name = 'available_items'"
    )
    assert cap == int(CAP * places / available[0])
    assert max(held.values()) == cap


def check_figures(pipeline: Pipeline, facts: Arrays) -> None:
    rows = pipeline.query(
        "SELECT name, label, value FROM recs.run_metric WHERE name LIKE 'exposure_%'"
    )
    found = {(name, label): value for name, label, value in rows}
    assert found["exposure_coverage", "after"] == float(facts["coverage_after"])
    assert found["exposure_strength", None] == float(facts["strength"])
    loss = float(facts["ndcg_loss"] / facts["ndcg_before"])
    assert found["exposure_ndcg_loss", None] == loss


def check_that_memory_says_the_same(arguments: RunArguments, facts: Arrays) -> None:
    """What Spark's tasks added up, file by file, is what one process finds in one go."""
    known = TrainingData(arguments)
    listing = Listing(arguments, known, read_policy(arguments.lake, DAY))
    rows = np.flatnonzero(known.histories[c.ACTIVE].to_numpy())
    excluded = excluded_of(known.histories.combine_chunks().to_batches()[0])
    keys = lasting_keys(known.histories[c.USER_ID].combine_chunks())
    users = Recipients(rows, keys[rows], excluded.take(rows))
    depth = arguments.config.lists.depth
    chunks = list(ranked_chunks(listing.ranker, users, depth))
    pools = HeldPools(chunks, Chain((), known.available, LENGTH))
    again = plan_market_step("exposure", pools, listing.context, arguments.config.list_steps)
    assert again.keys() == facts.keys()
    for name, array in facts.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def check_reasons(pipeline: Pipeline, arguments: RunArguments) -> None:
    uri = pipeline.settings.require_postgres()
    explained = ExplainedRun(arguments, asked_run(uri, None))
    told: set[str] = set()
    items = [item for (item,) in pipeline.query("SELECT item_id FROM market.items")]
    for user, listed in list(pipeline.lists().items())[:2]:
        for item in items[:60]:
            kept = kept_reason(uri, str(user), str(item), 1)
            found = explained.answer(Pair(user, item), kept)
            places = {stage.name: stage.place for stage in found.stages}
            if item in listed:
                assert kept.rank == places["published"] == listed.index(item) + 1
                assert kept.place_before == places["pool"]
            for stage in found.stages:
                told.add(stage.remark.partition(":")[0])
            if found.verdict.startswith("list step exposure") and places["exposure"] is None:
                assert ": left out: on" in found.verdict
    assert {"moved down", "moved up", "left out"} <= told
