"""A tuning is used by the next night alone, or refused with the figures; made again, a night is the
same."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.lake.facts import MadeFacts, TuningFacts
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.market import Market
from jobs.sandbox.seed import make_market
from jobs.steps import build_matrix, check_sources, extract_sources, train_generators
from jobs.stores.models import model_partition
from jobs.stores.tunings import night_tuning, read_sections, tuning_partition
from jobs.tuning.kept import tune_as_of
from jobs.tuning.tuner import Budget
from recsys.as_of import AsOf
from recsys.generators.registry import GENERATORS, Generators
from recsys.sections.lists import Lists
from recsys.sections.nights import Nights
from recsys.sections.ranking import Ranking
from recsys.sections.tuning import Tuning
from tests.e2e.conftest import OBSERVED_AT, OPEN_GATES, Pipeline

FIRST = AsOf.parse("2026-01-01")
SECOND = FIRST + timedelta(days=1)
FEW = Budget(trials=4)
BOTH = Generators.model_validate({n: {"weight": float(n in {"als", "graph"})} for n in GENERATORS})


def seeded() -> Market:
    return make_market(400, 200, 30, 12_000, 5, FIRST)


def poisoned(market: Market) -> Market:
    """The market of which the last two weeks make no sense.

    One draw in six would be taken by chance: that is how often noise gains a standard error.
    """
    rng, items = np.random.default_rng(4), market.items["item_id"].to_numpy()

    def spoilt(table: pa.Table, time: str) -> pa.Table:
        late = pc.greater(table[time], pa.scalar((FIRST - timedelta(days=14)).instant))
        drawn = pa.array(rng.choice(items, len(table)), table["item_id"].type)
        mixed = pc.if_else(pc.fill_null(late, False), drawn, table["item_id"])
        return table.set_column(table.column_names.index("item_id"), "item_id", mixed)

    interactions = spoilt(market.interactions, "created_at")
    return replace(market, interactions=interactions, events=spoilt(market.events, "ts"))


def with_sections(pipeline: Pipeline, **sections: object) -> Pipeline:
    config = pipeline.config.model_copy(update={"generators": BOTH, "lists": Lists(length=10)})
    return Pipeline(pipeline.settings, config.model_copy(update=sections))


def hashes(pipeline: Pipeline) -> list[str]:
    return [row[0] for row in pipeline.query("SELECT list_hash FROM recs.run ORDER BY run_id")]


def test_the_next_night_uses_what_was_found(pipeline: Pipeline) -> None:
    """One story, because a night takes long."""
    ranking = Ranking(method="sum")
    market = with_sections(pipeline, gates=OPEN_GATES, nights=Nights(full_every=7), ranking=ranking)
    market.load(seeded())
    first = market.run(FIRST)

    found = {each.name: each for each in tune_as_of(first, FEW, lambda _: None)}
    assert found["als"].taken
    text = tuning_partition(first.lake, FIRST).files()[0].path.read_text(encoding="utf-8")
    assert found["als"].outcome in text

    second = market.run(SECOND)
    used = dict(read_sections(night_tuning(second.lake, SECOND)))
    assert used["als"] == found["als"].setting
    stats = market.query("SELECT stats -> 'tuning' FROM recs.run ORDER BY run_id")
    assert [row[0]["as_of"] for row in stats] == [None, str(FIRST)]
    assert stats[1][0]["generators"] == used
    vectors = model_partition(second.lake, "als", SECOND).arrays()["item_factors"]
    assert vectors.shape[1] == used["als"]["factors"]
    night = MadeFacts.of(model_partition(second.lake, "als", SECOND)).night
    assert night is not None
    assert night.base is None, "another tuning makes a full night"

    market.run(FIRST)
    assert hashes(market)[2] == hashes(market)[0]
    assert night_tuning(first.lake, FIRST).manifest().rows == 0


def matrix(pipeline: Pipeline, at: AsOf) -> RunArguments:
    arguments = RunArguments(at, pipeline.config, pipeline.settings, OBSERVED_AT)
    for step in (extract_sources, check_sources, build_matrix):
        step.main(arguments)
    return arguments


def test_what_a_poisoned_fortnight_says_is_refused(pipeline: Pipeline) -> None:
    market = with_sections(pipeline)
    market.load(poisoned(seeded()))
    arguments = matrix(market, FIRST)
    found = tune_as_of(arguments, FEW, lambda _: None)
    facts = TuningFacts.of(tuning_partition(arguments.lake, FIRST))
    assert facts.taken == ()
    assert facts.outcomes == {each.name: each.outcome for each in found}
    assert all("kept as it was: NDCG@20 0.0" in each.outcome for each in found)
    assert not read_sections(tuning_partition(arguments.lake, FIRST))


@pytest.mark.parametrize("full", [False, True])
def test_a_first_night_tunes_if_it_is_told_to_and_a_backfilled_one_does_not(
    pipeline: Pipeline,
    full: bool,  # noqa: FBT001
) -> None:
    market = with_sections(pipeline, tuning=Tuning(first_minutes=0.1))
    market.load(seeded())
    arguments = replace(matrix(market, FIRST), full=full)
    train_generators.main(arguments)
    assert tuning_partition(arguments.lake, FIRST).exists() is not full
    used = read_sections(night_tuning(arguments.lake, FIRST))
    assert used == ({} if full else read_sections(tuning_partition(arguments.lake, FIRST)))
