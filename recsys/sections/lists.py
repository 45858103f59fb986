"""Published lists."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field
from pydantic import model_validator as validator

from recsys.sections.base import Name, Section

_MOVED: Final = {
    "explore_slots": "steps.explore.slots",
    "explore_from": "steps.explore.first_place",
    "explore_max_users": "steps.explore.max_users",
    "explore_days": "steps.explore.max_age_days",
}


class Lists(Section):
    """What is published."""

    length: Annotated[int, Field(gt=0, le=10_000)] = 100
    """Items a user."""
    pool: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """Items a user that list steps choose from; without it as many as are published."""
    steps: tuple[Name, ...] = ("explore",)
    """What happens to the ranked items before they are published, in this order."""
    fallback_length: Annotated[int, Field(gt=0, le=10_000)] = 200
    """Items of the popular list that answers for users without a list."""
    keep_runs: Annotated[int, Field(gt=0)] = 7
    """Published runs that stay in Postgres, the live one among them."""

    @validator(mode="before")
    @classmethod
    def none_has_moved(cls, values: Any) -> Any:
        moved = [name for name in values if name in _MOVED] if isinstance(values, Mapping) else []
        if moved:
            raise ValueError("; ".join(f"{name} is {_MOVED[name]} now" for name in moved))
        return values

    @validator(mode="after")
    def pool_is_deep_enough(self) -> Self:
        if self.depth < self.length:
            raise ValueError(
                f"a pool of {self.depth} items is shorter than the lists of {self.length}"
            )
        return self

    @property
    def depth(self) -> int:
        """Items that ranking gives each user."""
        return self.length if self.pool is None else self.pool
