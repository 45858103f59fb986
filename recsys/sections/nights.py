"""Nights between full ones."""

from recsys.sections.base import Count, Section


class Nights(Section):
    """Extent of nights between full ones."""

    full_every: Count = 1
    """Days from one full night to the next. In between the choice and what models know of items are
    kept, and only users who changed are scored. 1: every night is full, also of several a day, and
    any can be made again by itself."""
