"""Extent of a night: everything anew, or what changed since nights that are kept."""

from collections.abc import Mapping
from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Night(BaseModel):
    """Earlier nights that a night builds on, as the manifests of its partitions record them."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    """Of the configuration, see `Config.lists_fingerprint`."""
    base: date | None = None
    """The full night whose item sides of models and choice are taken over; None: a full night."""
    previous: date | None = None
    """The latest night on that base, or the base itself: who has not changed since keeps its list.
    """

    @model_validator(mode="after")
    def both_or_none(self) -> Self:
        if (self.base is None) != (self.previous is None):
            raise ValueError("base and previous go together")
        return self


def decide(as_of: date, full_every: int, fingerprint: str, earlier: Mapping[date, Night]) -> Night:
    """The night of a date: full, unless one that was full is less than `full_every` days before.

    earlier: nights by date, of which models, choice and lists are all there. Those of another
    fingerprint and those that are not before the date do not count.
    """
    same = {
        day: night
        for day, night in earlier.items()
        if day < as_of and night.fingerprint == fingerprint
    }
    full = [
        day for day, night in same.items() if night.base is None and (as_of - day).days < full_every
    ]
    if not full:
        return Night(fingerprint=fingerprint)
    base = max(full)
    previous = max(day for day, night in same.items() if base in (day, night.base))
    return Night(fingerprint=fingerprint, base=base, previous=previous)


def night_seed(seed: int, as_of: date) -> int:
    """The seed of one night's draws: the same night draws the same, the next night anew."""
    return seed << 32 | as_of.toordinal()
