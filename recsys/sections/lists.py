"""Published lists."""

from typing import Annotated, Literal, Self

from pydantic import Field
from pydantic import model_validator as validator

from recsys.sections.base import Name, Section


class Lists(Section):
    """Lengths of lists, and runs that are kept."""

    length: Annotated[int, Field(gt=0, le=10_000)] = 100
    """Items a user."""
    pool: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """Items a user that list steps choose from; without it as many as are published."""
    steps: tuple[Name, ...] = ("explore",)
    """What happens to the ranked items before they are published, in this order."""
    fallback_length: Annotated[int, Field(gt=0, le=10_000)] = 200
    """Items of the popular list that answers for users without a list."""
    reasons: Literal["strongest", "off"] = "strongest"
    """Whether why each item is on a list is kept with it: the user's own item that speaks most for
    it, what each generator says, and the place before the list steps."""
    keep_runs: Annotated[int, Field(gt=0)] = 7
    """Published runs that stay in Postgres, the live one among them."""

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
