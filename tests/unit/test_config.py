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

PEOPLE: dict[str, Any] = {"table": "p", "columns": {"person_id": "id", "active": "on"}}


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
        ("lists.pool", 99, "pool of 99 items is shorter than the lists of 100"),
        ("lists.steps", ["magic"], r"there is no list step magic, there are .*explore"),
        ("lists.steps", ["explore", "explore"], "each list step once"),
        ("list_steps.magic", {}, "field list_steps.magic"),
        ("list_steps.explore.slots", 17, "between first_place and place 20"),
        ("list_steps.explore.slots", 21, "field list_steps.explore.slots"),
        ("segments.least_users", 0, "field segments.least_users"),
        ("sources.people", PEOPLE, r"so leave sources\.items out"),
        ("sources.items", None, r"configure sources\.items, or sources\.people"),
        ("people.passes", ["pass"], r"configure sources\.people"),
        ("people.wishes.age", {"theirs": "age"}, "name theirs and wanted; theirs and at_least"),
        ("nights.full_every", 0, r"nights\.full_every: .*greater than 0 \(got 0\)"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse_config(changed(path, value), "recsys.toml")


def test_people_are_read_as_users_and_as_items() -> None:
    sources = {"people": PEOPLE, "events": MINIMAL["sources"]["events"]}
    market = MINIMAL | {"sources": sources, "people": {"passes": ["no"], "matches": ["view"]}}
    config = parse_config(market, "recsys.toml")
    read = {name: dict(source.fields()) for name, source in config.sources.configured().items()}
    assert read["users"] == {"user_id": ("id",), "active": ("on",)}
    assert read["items"] == {"item_id": ("id",), "available": ("on",)}
    assert {name: rule.weight for name, rule in config.event_rules().items()} == {
        "view": 1,
        "no": 0,
    }
    assert parse_config(config.model_dump(mode="json"), "again") == config
    for wrong, named in (
        ({"ids": {"user": "text"}}, r"ids\.user \(text\) and ids\.item \(bigint\)"),
        ({"people": {"passes": ["view"]}}, r"leave events\.view out"),
    ):
        with pytest.raises(ConfigError, match=named):
            parse_config(market | wrong, "recsys.toml")


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


def test_a_step_must_suit_the_lists_it_is_used_for() -> None:
    wrong = changed("lists.length", 6) | {"list_steps": {"explore": {"slots": 4, "first_place": 4}}}
    with pytest.raises(ConfigError, match=r"list_steps\.explore: slots .* place 6"):
        parse_config(wrong, "recsys.toml")
    wrong["lists"] |= {"steps": []}
    assert parse_config(wrong, "recsys.toml").lists.steps == ()


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_field_of_an_earlier_version_is_told_its_present_name(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=f"{old}: it is {new} now"):
        parse_config(changed(old, 1), "recsys.toml")
