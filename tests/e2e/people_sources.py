"""The configuration of a made-up market of people, and profiles as its sources hold them."""

from collections.abc import Mapping
from typing import Any

from bson import Int64

from recsys.config import Config
from recsys.sections.people import People
from tests.wishes import Profile

_SOURCES = {
    "people": {
        "table": "market.users",
        "columns": {"person_id": "user_id", "active": "active", "title": "name"},
    },
    "people_profiles": {
        "collection": "user_profiles",
        "columns": {"person_id": "user_id", "attributes": ["attributes"]},
    },
}


def of_people(config: Config, wishes: Mapping[str, Mapping[str, str]], **changes: Any) -> Config:
    """A configuration for people by the sources of another. changes: other sections."""
    known = config.model_dump(mode="json")
    events = ("interactions", "events", "blocks")
    sources = {name: known["sources"][name] for name in events} | _SOURCES
    sections = {"passes": ["pass"], "matches": ["match"], "wishes": wishes}
    made = {
        "sources": type(config.sources).model_validate(sources),
        "people": People.model_validate(sections),
    }
    return config.model_copy(update=made | changes)


def document(person: int, profile: Profile) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, values in profile.items():
        *above, name = path.split(".")
        place = nested.setdefault(above[0], {}) if above else nested
        place[name] = list(values)
    return {"user_id": Int64(person), "text": "", "tags": [], "attributes": nested}
