"""Extent of a night: everything anew, or what changed since nights that are kept."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from recsys.as_of import AsOf


class Night(BaseModel):
    """Earlier nights that a night builds on, as the manifests of its partitions record them."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    """Of the configuration, see `Config.lists_fingerprint`."""
    base: AsOf | None = None
    """The full night whose item sides of models and choice are taken over; None: a full night."""
    previous: AsOf | None = None
    """The latest night on that base, or the base itself: who has not changed since keeps its list.
    """

    @model_validator(mode="after")
    def both_or_none(self) -> Self:
        if (self.base is None) != (self.previous is None):
            raise ValueError("base and previous go together")
        return self


def decide(as_of: AsOf, full_every: int, fingerprint: str, earlier: Mapping[AsOf, Night]) -> Night:
    """The night of an instant: full, unless a full one is less than `full_every` days before
    and `full_every` is not 1.

    earlier: nights by instant, of which models, choice and lists are all there. Those of another
    fingerprint and those that are not before the instant do not count.
    """
    same = {
        other: night
        for other, night in earlier.items()
        if other < as_of and night.fingerprint == fingerprint
    }
    recent = timedelta(days=full_every)
    full = [at for at, night in same.items() if night.base is None and as_of - at < recent]
    if not full or full_every == 1:
        return Night(fingerprint=fingerprint)
    base = max(full)
    previous = max(at for at, night in same.items() if base in (at, night.base))
    return Night(fingerprint=fingerprint, base=base, previous=previous)


def night_seed(seed: int, as_of: AsOf) -> int:
    """The seed of one night's draws: the same night draws the same, the next night anew."""
    return seed << 32 | as_of.minute_of_day << 21 | as_of.instant.toordinal()
