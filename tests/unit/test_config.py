from typing import Any

import pytest

from recsys.config import MOVED, parse_config
from recsys.errors import ConfigError
from recsys.generators.registry import GENERATORS

MINIMAL: dict[str, Any] = {
    "sources": {
        "items": {"table": "i", "columns": {"item_id": "id"}},
        "events": {
            "collection": "e",
            "columns": {
                "user_id": "u",
                "item_id": "i",
                "event_type": "t",
                "occurred_at": "at",
            },
        },
    },
    "events": {"view": {"weight": 1}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """MINIMAL with the value at a dotted path replaced."""
    first, _, rest = path.partition(".")

    def put(tree: dict[str, Any], name: str, rest: str) -> dict[str, Any]:
        if not rest:
            return tree | {name: value}
        head, _, tail = rest.partition(".")
        return tree | {name: put(tree.get(name, {}), head, tail)}

    return put(MINIMAL, first, rest)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("events.view.weight", -1, "field events.view.weight"),
        ("events.view.weight", float("nan"), "field events.view.weight"),
        ("events.view.half_life_days", 0, "field events.view.half_life_days"),
        ("events.view.colour", "red", "field events.view.colour"),
        ("ids.user", "serial", "field ids.user"),
        ("sources.items.columns.item_id", "", "field sources.items.columns.item_id"),
        ("sources.items.collection", "both", "table or a MongoDB collection"),
        ("generators.als.factors", "many", "field generators.als.factors"),
        ("generators.als.engine", "gpu", r"als\.engine: .*'implicit' or 'spark' \(got 'gpu'\)"),
        ("generators.magic", {}, "field generators.magic"),
        ("generators", {name: {"weight": 0} for name in GENERATORS}, "weight above 0"),
        ("lists.length", 0, "got 0"),
        ("lists", {"explore_slots": 17}, "between explore_from and place 20"),
        ("lists", {"explore_slots": 4, "explore_from": 4, "length": 6}, "and place 6"),
        ("segments.least_users", 0, "field segments.least_users"),
        ("nights.full_every", 0, r"nights\.full_every: .*greater than 0 \(got 0\)"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse_config(changed(path, value), "recsys.toml")


def test_the_fingerprint_tells_configurations_apart_and_ignores_order() -> None:
    same = parse_config(dict(reversed(MINIMAL.items())), "x").fingerprint()
    assert parse_config(MINIMAL, "x").fingerprint() == same
    assert parse_config(changed("generators.als.factors", 8), "x").fingerprint() != same


def test_only_a_changed_mapping_makes_old_reads_useless() -> None:
    def mapping(path: str, value: object) -> str:
        return parse_config(changed(path, value), "x").source_fingerprint("events")

    before = parse_config(MINIMAL, "x").source_fingerprint("events")
    assert mapping("events.view.weight", 2) == before
    assert mapping("sources.events.columns.user_id", "who") != before
    assert mapping("ids.item", "text") != before


@pytest.mark.parametrize(
    ("lists", "places"),
    [
        ({}, ()),
        ({"explore_slots": 1}, (5,)),
        ({"explore_slots": 2}, (5, 20)),
        ({"explore_slots": 3, "explore_from": 4}, (4, 12, 20)),
        ({"explore_slots": 16}, tuple(range(5, 21))),
        ({"explore_slots": 2, "explore_from": 1, "length": 10}, (1, 10)),
        ({"length": 3}, ()),
    ],
)
def test_explore_places_are_spread_evenly(lists: dict[str, int], places: tuple[int, ...]) -> None:
    assert parse_config(changed("lists", lists), "x").lists.explore_places == places


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_field_of_an_earlier_version_is_told_its_present_name(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=f"{old}: it is {new} now"):
        parse_config(changed(old, 1), "recsys.toml")
