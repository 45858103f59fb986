"""Search for better parameters of the generators."""

from typing import Annotated, Literal

from pydantic import Field

from recsys.as_of import AsOf
from recsys.sections.base import Positive, Section

Minutes = Annotated[Positive, Field(le=600)]


class Tuning(Section):
    """Time to search, and which result nights use."""

    minutes: Minutes = 10.0
    """Minutes that `recsys tune` searches, all generators together."""
    first_minutes: Minutes | None = None
    """Minutes that the first night searches before it fits anything, where the lake has no tuning
    yet. Without it the parameters stay as they are configured."""
    use: Literal["latest", "none"] | AsOf = "latest"
    """The tuning of nights that have not been made yet: the latest before them, none, or that of
    an as-of."""
