"""Between full nights who changed gets the list of a full run, and nobody else gets another."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from jobs.lake.files import remove
from jobs.listing import Listing
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from jobs.steps import (
    build_matrix,
    choose_ranking,
    extract_sources,
    rank_lists,
    train_generators,
)
from jobs.stores.models import CHOICE, TrainingData, model_partition, read_policy
from jobs.stores.nights import decided, recorded
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.lists.registry import ListSteps
from recsys.nights import Night
from recsys.schemas import HISTORIES, LISTS
from recsys.sections.lists import Lists
from recsys.sections.nights import Nights
from tests.e2e.conftest import OPEN_GATES, Pipeline

FULL = AsOf.parse("2026-01-01")
#: The third is a run within the day of the second.
SECOND, THIRD, FOURTH = (FULL + timedelta(hours=n) for n in (24, 42, 72))
NEW_USER, NEW_ITEM = 1_000_000, 2_000_000
MODELLING = (train_generators, choose_ranking, rank_lists)
NOON = timedelta(hours=12)
Made = dict[Any, dict[str, Any]]


@pytest.fixture
def market(pipeline: Pipeline) -> Pipeline:
    pipeline.load(make_market(120, 150, 30, 4_000, 5, FULL))
    sections = {
        "gates": OPEN_GATES,
        "nights": Nights(full_every=3),
        "lists": Lists(length=10),
        "list_steps": ListSteps.model_validate({"explore": {"slots": 1}}),
    }
    return Pipeline(pipeline.settings, pipeline.config.model_copy(update=sections))


def by_user(lists: pa.Table) -> Made:
    return {row[c.USER_ID]: row for row in lists.to_pylist()}


def made(run: RunArguments) -> Made:
    return by_user(run.lake.as_of(LISTS.name, run.as_of).read(LISTS, run.config.ids))


def made_of_all(run: RunArguments) -> Made:
    """The lists of everybody with the models and the choice of a night."""
    known = TrainingData(run)
    listing = Listing(run, known, read_policy(run.lake, run.as_of))
    maker = listing.lists(listing.pools(known.histories[c.ACTIVE].to_numpy()))
    active = known.histories.filter(known.histories[c.ACTIVE])
    batches = active.combine_chunks().to_batches()
    return by_user(pa.Table.from_batches([part for b in batches for part in maker.lists(b)]))


def act(pipeline: Pipeline, pairs: Iterable[tuple[int, int]], at: datetime) -> None:
    rows = "INSERT INTO market.interactions (user_id, item_id, kind, created_at, received_at)"
    for user, item in pairs:
        pipeline.query(f"{rows} VALUES (%s, %s, 'like', %s, %s) RETURNING 1", (user, item, at, at))


def test_users_who_changed_get_a_full_runs_lists_and_others_keep_theirs(market: Pipeline) -> None:
    """One story, because a night takes long."""
    first = market.run(FULL)
    before, touched = made(first), histories(first)
    regulars = [u for u in before if len(touched[u]) > 10 and len(before[u][c.ITEM_IDS]) == 10]
    gone = before[regulars[0]][c.ITEM_IDS][0]
    lost = {user for user, row in before.items() if gone in row[c.ITEM_IDS]}
    newly, again, blocker, later, *_ = (user for user in regulars if user not in lost)
    noon = FULL.instant + NOON
    item = before[newly][c.ITEM_IDS][2]
    act(market, [(newly, item), (again, touched[again][0]), (NEW_USER, item)], noon)
    act(market, [(NEW_USER, NEW_ITEM)], noon)
    market.query(
        "UPDATE market.items SET available = false WHERE item_id = %s RETURNING 1", (gone,)
    )
    market.query(
        "INSERT INTO market.items VALUES (%s, 'lamp', true, %s) RETURNING 1", (NEW_ITEM, noon)
    )
    market.query(
        "INSERT INTO market.users VALUES (%s, 'x', true, %s) RETURNING 1", (NEW_USER, noon)
    )
    blocked = before[blocker][c.ITEM_IDS][0]
    market.query(
        "INSERT INTO market.blocks VALUES (%s, %s, %s) RETURNING 1", (blocker, blocked, noon)
    )

    second = market.run(SECOND)
    found, everybody = made(second), made_of_all(second)
    changed = {newly, again, blocker, NEW_USER, *lost}
    assert found.keys() == everybody.keys()
    assert {u: found[u] for u in changed} == {u: everybody[u] for u in changed}
    others = found.keys() - changed
    assert {u: found[u] for u in others} == {u: before[u] for u in others}
    assert {u: everybody[u] for u in others} != {u: before[u] for u in others}
    check_manifests(second, base=FULL, previous=FULL, scored=len(changed), kept=len(others))
    assert before[newly] != found[newly]
    assert blocked not in found[blocker][c.ITEM_IDS]
    assert all(gone not in row[c.ITEM_IDS] for row in found.values())

    act(market, [(later, item)], noon + timedelta(days=1))
    third = replace(second, as_of=THIRD)
    for job in (extract_sources, build_matrix, *MODELLING):
        job.main(third)
    check_manifests(third, base=FULL, previous=SECOND, scored=1, kept=len(found) - 1)
    last = made(third)
    assert last[later] == made_of_all(third)[later]
    assert {u: last[u] for u in last if u != later} == {u: found[u] for u in found if u != later}

    for job in MODELLING:
        job.main(second)
    assert made(second) == found
    check_when_a_night_is_full(third)


def histories(run: RunArguments) -> dict[Any, list[Any]]:
    known = TrainingData(run)
    ids = known.items[c.ITEM_ID].to_pylist()
    users = known.histories.select([c.USER_ID, c.ITEM_ROWS]).to_pylist()
    return {row[c.USER_ID]: [ids[place] for place in row[c.ITEM_ROWS]] for row in users}


def check_manifests(
    run: RunArguments, *, base: AsOf, previous: AsOf, scored: int, kept: int
) -> None:
    night = Night(fingerprint=run.config.lists_fingerprint(), base=base, previous=previous)
    names = (*run.config.generators.used(), CHOICE)
    lists = run.lake.as_of(LISTS.name, run.as_of)
    partitions = [lists, *(model_partition(run.lake, name, run.as_of) for name in names)]
    assert [recorded(partition) for partition in partitions] == [night] * len(partitions)
    stats = lists.manifest().stats
    assert (stats["scored"], stats["kept"]) == (scored, kept)


def check_when_a_night_is_full(run: RunArguments) -> None:
    def is_full(changed: RunArguments) -> bool:
        return decided(changed).base is None

    assert not is_full(run)
    assert is_full(replace(run, as_of=FOURTH))
    assert is_full(replace(run, full=True))
    longer = run.config.model_copy(update={"lists": Lists(length=9)})
    assert is_full(replace(run, config=longer))
    often = run.config.model_copy(update={"nights": Nights(full_every=1)})
    assert is_full(replace(run, config=often))
    remove(run.lake.as_of(HISTORIES.name, FULL).path)
    assert is_full(run)
