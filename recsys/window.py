"""Half-open windows `[start, end)` of time, in UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Self

from recsys.as_of import AsOf

#: Earlier than any event: the start of a window without a start.
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
#: Later than any row: the end of a window without an end.
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """The half-open interval `[start, end)` of aware UTC instants."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"window is empty: {self.start} .. {self.end}")

    @classmethod
    def before(cls, as_of: AsOf) -> Self:
        """Everything that happened before an instant."""
        return cls(BEGINNING, as_of.instant)

    @classmethod
    def since(cls, as_of: AsOf) -> Self:
        """Everything from an instant on."""
        return cls(as_of.instant, END_OF_TIME)

    @classmethod
    def day_from(cls, as_of: AsOf) -> Self:
        """The 24 hours from an instant on."""
        return cls(as_of.instant, as_of.instant + timedelta(days=1))

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def endless(self) -> bool:
        """True if the window has no end."""
        return self.end == END_OF_TIME

    @property
    def unbounded(self) -> bool:
        """True if the window reaches back to the beginning."""
        return self.start == BEGINNING

    def cut(self, at: datetime) -> list["Window"]:
        """The window, in two where an instant lies inside it."""
        if not self.start < at < self.end:
            return [self]
        return [Window(self.start, at), Window(at, self.end)]

    def overlaps(self, other: "Window") -> bool:
        """True if an instant lies in both."""
        return self.start < other.end and other.start < self.end

    def slices(self, parts: int) -> list["Window"]:
        """The window cut into at most `parts` pieces of about equal length, in order."""
        seconds = int((self.end - self.start).total_seconds())
        cuts = sorted({seconds * i // parts for i in range(1, parts)} - {0})
        bounds = [self.start, *(self.start + timedelta(seconds=c) for c in cuts), self.end]
        return [Window(a, b) for a, b in pairwise(bounds)]


def missing(wanted: Window, covered: list[Window]) -> list[Window]:
    """The parts of `wanted` that no window of `covered` holds, in order."""
    gaps, start = [], wanted.start
    for window in sorted(covered):
        if window.end <= start or window.start >= wanted.end:
            continue
        if window.start > start:
            gaps.append(Window(start, window.start))
        start = max(start, window.end)
    if start < wanted.end:
        gaps.append(Window(start, wanted.end))
    return gaps


def by_day(windows: Sequence[Window], end: datetime) -> list[list[Window]]:
    """Windows in order, up to an instant, in groups that each last a day or longer.

    They are brought together from the last one back; what is left of less than a day at the
    beginning is in no group. Whole days stay by themselves.
    """
    groups: list[list[Window]] = []
    group, length = list[Window](), timedelta()
    for window in reversed(windows):
        group.insert(0, window)
        length += min(window.end, end) - window.start
        if length >= timedelta(days=1):
            groups.insert(0, group)
            group, length = [], timedelta()
    return groups
