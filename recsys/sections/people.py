"""Markets of people: which events end a pair, and who may be shown to whom."""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import model_validator as validator

from recsys.sections.base import Name, Section

_KINDS: Final = (
    {"theirs", "wanted"},
    {"theirs", "at_least"},
    {"theirs", "at_most"},
    {"theirs", "at_least", "at_most"},
    {"shared"},
    {"latitude", "longitude", "within_km"},
)


class Wish(Section):
    """A hard wish, which must hold both ways for two people to be shown to each other: `theirs` is
    among the values `wanted`, or from `at_least` to `at_most`; both have a value `shared`; or they
    are `within_km` of each other. Each field is the path of an attribute of people's profiles."""

    theirs: Name | None = None
    """Attribute of the other."""
    wanted: Name | None = None
    """Own attribute: the values of `theirs` that one accepts."""
    at_least: Name | None = None
    """Own attribute: the least number of `theirs` that one accepts."""
    at_most: Name | None = None
    """Own attribute: the greatest number of `theirs` that one accepts."""
    shared: Name | None = None
    """Attribute of both, one of whose values they must have in common."""
    latitude: Name | None = None
    """Attribute of both: degrees north."""
    longitude: Name | None = None
    """Attribute of both: degrees east."""
    within_km: Name | None = None
    """Own attribute: the greatest distance that one accepts, in km."""

    @validator(mode="after")
    def one_kind(self) -> Self:
        if self.model_dump(exclude_none=True).keys() not in _KINDS:
            raise ValueError(
                "name theirs and wanted; theirs and at_least, at_most or both; shared; or "
                "latitude, longitude and within_km"
            )
        return self


class People(Section):
    """Pairs of a market of people that must not be shown; there `sources.people` is configured."""

    passes: tuple[Name, ...] = ()
    """Types of events by which one passes the other by: neither is shown to the other again. They
    say nothing good, so they have no weight under `[events]`."""
    matches: tuple[Name, ...] = ()
    """Types of events by which two are matched: neither is shown to the other again. One that is
    not under `[events]` weighs nothing."""
    wishes: Mapping[Name, Wish] = {}
    """Hard wishes, `[people.wishes.<name>]` each ([people](people.md#hard-wishes))."""
