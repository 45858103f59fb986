"""Inputs that break pipelines: each works, or ends with its own clear error."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from bson import Int64, ObjectId

from jobs.stores.models import TrainingData
from recsys.errors import ContractError, NoEventsError, RecsysError
from recsys.nested import MOST_LEVELS
from recsys.window import BEGINNING
from tests.e2e.conftest import OPEN_GATES, Pipeline
from tests.e2e.inputs import DAY, USUAL, Inputs, at, fill, stray

LOWEST, HIGHEST = -(2**63), 2**63 - 1


WORKS: Mapping[str, tuple[Inputs, Callable[[dict[Any, list[Any]]], bool]]] = {
    "as usual": (USUAL, lambda lists: set(lists[1]) == {12, 13}),
    "one user": (replace(USUAL, users=[1]), lambda lists: list(lists) == [1]),
    "one item": (
        replace(USUAL, items=[10], events=[(1, 10, "view", None, 1.0)], interactions=[]),
        lambda lists: lists[1] == [],
    ),
    "all events the same": (
        replace(USUAL, events=[(1, 10, "view", None, 1.0)] * 500, interactions=[]),
        lambda lists: set(lists[1]) == {11, 12, 13},
    ),
    "ids at the edges": (
        replace(
            USUAL,
            users=[LOWEST, HIGHEST, 0],
            items=[LOWEST, HIGHEST, -1],
            events=[(LOWEST, HIGHEST, "view", None, 1.0), (HIGHEST, LOWEST, "view", None, 1.0)],
            interactions=[],
            profiles=[],
        ),
        lambda lists: set(lists[LOWEST]) == {LOWEST, -1} and set(lists[HIGHEST]) == {HIGHEST, -1},
    ),
    "emoji and a megabyte of text": (
        replace(
            USUAL,
            profiles=[
                {
                    "item_id": Int64(10),
                    "title": "🎈" * 1000,
                    "text": "слово " * 200_000,
                    "tags": ["\u202e", "", "\t"],
                    "attributes": {"": {"a.b": [[], {}, None]}},
                },
            ],
        ),
        lambda lists: set(lists[1]) == {12, 13},
    ),
    "weights that are no numbers": (
        replace(
            USUAL,
            interactions=[(1, 12, "rating", value, 1.0) for value in (float("nan"), float("inf"))],
        ),
        lambda lists: set(lists[1]) == {11, 12, 13},
    ),
    "clocks that are ahead or stand still": (
        replace(
            USUAL,
            stray=[stray(item_id=Int64(12), ts=at(-500)), stray(item_id=Int64(13), ts=BEGINNING)],
        ),
        lambda lists: set(lists[2]) == {10, 12},
    ),
    "ids of many types in MongoDB": (
        replace(
            USUAL,
            stray=[
                stray(item_id=12),
                stray(item_id=13.0),
                stray(item_id="10"),
                stray(item_id=10.5),
                stray(item_id=ObjectId()),
                stray(item_id=[10]),
                stray(item_id={"id": 10}),
                stray(item_id=True),
                stray(item_id="ten"),
            ],
        ),
        lambda lists: lists[2] == [],
    ),
    "fields that nobody announced": (
        replace(
            USUAL, stray=[stray(device={"os": {"name": "x"}}, item_id=Int64(12), tags=[1, "a"])]
        ),
        lambda lists: set(lists[2]) == {10, 13},
    ),
    "items that are in no catalogue": (
        replace(USUAL, events=[(1, 999, "view", None, 1.0), (2, 10, "view", None, 1.0)]),
        lambda lists: not any(999 in listed for listed in lists.values()),
    ),
    "blocks of everything": (
        replace(USUAL, blocks=[(1, i) for i in (10, 11, 12, 13, 999)]),
        lambda lists: lists[1] == [] and lists[2] != [],
    ),
    "a day without events": (
        replace(USUAL, events=[(1, 10, "view", None, 30.0)], interactions=[]),
        lambda lists: set(lists[1]) == {11, 12, 13},
    ),
    "weights beyond all measure": (
        replace(USUAL, interactions=[(1, 12, "pair", 1e300, 1.0), (1, 13, "pair", -1e300, 1.0)]),
        lambda lists: set(lists[1]) == {11, 12},
    ),
}
FAILS: Mapping[str, tuple[Inputs, type[RecsysError], str]] = {
    "nothing is available": (
        replace(USUAL, available=False),
        ContractError,
        "available items is 0, allowed is at least 1",
    ),
    "a catalogue without items": (
        replace(USUAL, items=[], profiles=[]),
        ContractError,
        "available items is 0, allowed is at least 1",
    ),
    "empty tables": (
        Inputs([], [], [], [], profiles=[]),
        NoEventsError,
        "no usable event before 2026-01-10",
    ),
    "events of unknown types only": (
        replace(USUAL, events=[(1, 10, "stare", None, 1.0)], interactions=[]),
        NoEventsError,
        "look into the quarantine",
    ),
    "events of nobody": (
        replace(USUAL, events=[], interactions=[], stray=[stray(user_id="nobody")]),
        NoEventsError,
        "look into the quarantine",
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_it_works(pipeline: Pipeline, name: str) -> None:
    inputs, holds = WORKS[name]
    fill(pipeline, inputs)
    pipeline.run(DAY, gates=OPEN_GATES)
    assert holds(pipeline.lists()), pipeline.lists()


def test_a_profile_that_cannot_be_used_is_quarantined_and_nothing_of_it_is_learnt(
    pipeline: Pipeline,
) -> None:
    deep: Any = 1
    for _ in range(MOST_LEVELS + 1):
        deep = {"a": deep}
    odd = [{"title": "lost"}, {"item_id": Int64(11), "title": "odd", "attributes": deep}]
    fill(pipeline, replace(USUAL, stray_profiles=odd))
    arguments = pipeline.run(DAY, gates=OPEN_GATES)
    assert pipeline.query("SELECT item_id, reject_reason FROM recs.quarantine ORDER BY 1") == [
        ("11", f"attributes nests more than {MOST_LEVELS} levels deep"),
        (None, "item_id is null"),
    ]
    texts = TrainingData(arguments).training.items.text
    assert [text.strip() for text in texts] == ["a\nb", "", "", ""]


@pytest.mark.parametrize("name", FAILS)
def test_it_ends_with_its_error(pipeline: Pipeline, name: str) -> None:
    inputs, kind, message = FAILS[name]
    fill(pipeline, inputs)
    with pytest.raises(kind, match=message):
        pipeline.run(DAY)
    assert pipeline.query("SELECT * FROM recs.live") == []
