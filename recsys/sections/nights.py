"""Nights between full ones."""

from typing import Annotated

from pydantic import Field

from recsys.sections.base import Count, Section


class Nights(Section):
    """Extent of nights between full ones."""

    full_every: Count = 1
    """Days from one full night to the next. In between the choice and what models know of items are
    kept, and only users who changed are scored. 1: every night is full, also of several a day, and
    any can be made again by itself."""
    warm_iterations: Annotated[int, Field(ge=0)] = 0
    """Passes of ALS, by `implicit`, on a full night that goes on from the latest earlier run's item
    vectors. 0 starts every fit anew, so that a date does not depend on what was run before."""
