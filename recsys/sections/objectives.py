"""Objectives: what lists are ordered by besides the next like."""

from typing import Annotated, Final, Self

from pydantic import Field
from pydantic import model_validator as validator

from recsys.sections.base import Count, Name, Section

LIKE: Final = "like"
"""Name of what objectives stand beside."""
TAKEN: Final = (LIKE, "matches", "coverage", "gini")
"""Names of other figures of lists."""


class Objective(Section):
    """Something that may come of an item besides a like, and what it is worth. One outcome each:
    one of some `events`, a reply, or a return."""

    weight: Annotated[float, Field(allow_inf_nan=False)]
    """What the chance of it is worth where the chance of a like is worth 1; below 0 for what is
    unwanted. `recsys frontier` measures what a weight buys."""
    events: tuple[Name, ...] = ()
    """Types of events, one of which the user does to the item."""
    reply_within_days: Count | None = None
    """In a market of people: the other turns to the user within so many days after the user turned
    to them."""
    return_within_days: Annotated[int, Field(ge=2)] | None = None
    """The user does something, with whatever item, more than a day and at most so many days after
    turning to the item."""

    @validator(mode="after")
    def one_outcome(self) -> Self:
        named = (self.events, self.reply_within_days, self.return_within_days)
        if sum(bool(each) for each in named) != 1:
            raise ValueError("name one of events, reply_within_days and return_within_days")
        return self

    @property
    def wait_days(self) -> int:
        """Days after turning to an item until it is known what came of it."""
        return self.reply_within_days or self.return_within_days or 0

    @property
    def outcome(self) -> str:
        """The outcome in words, the same for the same one."""
        if self.events:
            return " or ".join(sorted(self.events))
        if self.reply_within_days:
            return f"reply within {self.reply_within_days} days"
        return f"return within {self.return_within_days} days"
