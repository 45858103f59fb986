"""Worth of events, and the window of time that a run looks at."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from recsys import window
from recsys.as_of import AsOf
from recsys.sections.base import NonNegative, Positive, Section


class Event(Section):
    """Worth of one event of a type as evidence of interest."""

    weight: NonNegative
    """What one event is worth."""
    half_life_days: Positive | None = None
    """Days after which it counts half; without it the event never fades."""
    use_value: bool = False
    """Multiply the weight by the event's value (a rating, a quantity)."""
    min_value: float | None = None
    """Events of a lower value count as seen, not as liked."""


class Lookback(Section):
    """Span of time that a run looks at."""

    lookback_days: Annotated[int, Field(gt=0)] | None = None
    """Events older than this before the as-of are ignored; without it none is."""
    settle_hours: Annotated[int, Field(ge=0)] = 24
    """Hours after a window of arrival until all its events can be seen; until then each run reads
    it again."""

    def before(self, as_of: AsOf) -> window.Window:
        """The window of events that a run looks at."""
        end = as_of.instant
        if self.lookback_days is None:
            return window.Window(window.BEGINNING, end)
        return window.Window(end - timedelta(days=self.lookback_days), end)
