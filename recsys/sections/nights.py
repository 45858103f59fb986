"""Nights: how much of one is made anew, and how old the live one may be."""

from recsys.sections.base import Count, Positive, Section


class Nights(Section):
    """Extent of nights between full ones, and the age that the live run may have."""

    full_every: Count = 1
    """Days from one full night to the next. In between the choice and what models know of items are
    kept, and only users who changed are scored. 1: every night is full, also of several a day, and
    any can be made again by itself."""
    max_age_hours: Positive | None = None
    """Hours since the as-of of the live run after which `recsys doctor` says that nights are
    missing. Without it that is twice the longest pause of the schedule."""
