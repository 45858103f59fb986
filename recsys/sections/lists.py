"""Published lists."""

from typing import Annotated, Self

from pydantic import Field
from pydantic import model_validator as validator

from recsys.sections.base import READ_PLACES, Positive, Section


class Lists(Section):
    """What is published."""

    length: Annotated[int, Field(gt=0, le=10_000)] = 100
    """Items a user."""
    fallback_length: Annotated[int, Field(gt=0, le=10_000)] = 200
    """Items of the popular list that answers for users without a list."""
    keep_runs: Annotated[int, Field(gt=0)] = 7
    """Published runs that stay in Postgres, the live one among them."""
    explore_slots: Annotated[int, Field(ge=0, le=READ_PLACES)] = 0
    """Places of each list that go to new items."""
    explore_from: Annotated[int, Field(gt=0, le=READ_PLACES)] = 5
    """The first of these places."""
    explore_max_users: Annotated[int, Field(ge=0)] = 3
    """An item that more users have met is not new."""
    explore_days: Positive = 30.0
    """Nor is one whose first event or creation is longer ago, in days."""

    @validator(mode="after")
    def explore_places_fit(self) -> Self:
        last = min(READ_PLACES, self.length)
        if self.explore_slots > max(0, last - self.explore_from + 1):
            raise ValueError(f"explore_slots do not fit between explore_from and place {last}")
        return self

    @property
    def explore_places(self) -> tuple[int, ...]:
        """The places that go to new items, from `explore_from` to place 20, evenly spread."""
        reach = min(READ_PLACES, self.length) - self.explore_from
        steps = max(self.explore_slots - 1, 1)
        return tuple(self.explore_from + n * reach // steps for n in range(self.explore_slots))
