"""Limits of the data contracts."""

from typing import Annotated

from pydantic import Field

from recsys.sections.base import Positive, Section, Share


class Contracts(Section):
    """Limits of the data contracts; shares are of the rows of one table."""

    trailing_runs: Annotated[int, Field(gt=0)] = 14
    """Earlier runs that size and event mix are compared with, and days before, in events."""
    needed_runs: Annotated[int, Field(gt=0)] = 5
    """With fewer earlier runs nothing is compared, and old events are only warned of."""
    min_volume: Share = 0.2
    """Events of a day, as a share of the trailing median."""
    max_volume: Annotated[float, Field(ge=1)] = 5.0
    """More events of a day, as a multiple of the trailing median, are warned of."""
    min_size: Share = 0.8
    """Rows of a table that is read or made whole, as a share of the trailing median."""
    max_size: Annotated[float, Field(ge=1)] = 2.0
    """More rows, as a multiple of the trailing median, are warned of."""
    max_lost_blocks: Share = 0.01
    """Blocks of the run before that are gone a day, of users and items that are still there; more
    stop the run, unless they are a handful."""
    max_age_days: Positive = 7.0
    """Age of the newest event at the as-of."""
    max_rejected: Share = 0.1
    """Rows that go to quarantine, for each kind of cause."""
    max_unknown_users: Share = 0.5
    """Events whose user is not among the members."""
    max_unknown_items: Share = 0.5
    """Events whose item is not in the catalogue."""
    max_duplicates: Share = 0.1
    """Rows that repeat another one's key; more are warned of."""
    max_mix_shift: Share = 0.3
    """Events that would have to change their type to get the usual mix; more are warned of."""
    max_odd: Share = 0.01
    """Implausible times and negative values; more are warned of."""
    max_blank_profiles: Share = 0.5
    """Profile documents without text, tags and attributes; more are warned of."""
    max_empty_lists: Share = 0.05
    """Users who have seen, blocked or may not be shown everything."""
