"""Types of the ids of users and items."""

from typing import Literal

from recsys.sections.base import Section

IdType = Literal["bigint", "uuid", "text"]


class Ids(Section):
    """The types of user and item ids, in the sources and in the published tables."""

    user: IdType = "bigint"
    """Type of user ids, in the sources and in the published tables."""
    item: IdType = "bigint"
    """Type of item ids."""
