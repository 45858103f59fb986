"""Lists of groups of users."""

from typing import Annotated

from pydantic import Field

from recsys.sections.base import Name, Section


class Segments(Section):
    """Lists for groups of users, for members of the group without a list of their own."""

    attribute: Name | None = None
    """Path of the user profile's attribute that names the group; without it there are none."""
    least_users: Annotated[int, Field(gt=0)] = 10
    """A group of fewer users gets no list, and no figures in a market of people."""
