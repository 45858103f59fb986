"""Where a number lies on an axis, and how figures are written."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_ROOM: Final = 0.08
"""Part of the range that is left free above and below."""
_ROUNDING: Final = 1e-9
_LEAST: Final = 1e-6
"""Room in any case, so that no axis is without an extent."""
NONE: Final = "-"
"""A figure that there is none of."""


@dataclass(frozen=True)
class Scale:
    """Straight way from figures to places in a drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def reach(values: Iterable[float], *, from_zero: bool = False) -> tuple[float, float]:
    """Bounds of an axis that shows all values; never the same number twice."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    size, spread = max(abs(low), abs(high)), high - low
    # Numbers that differ by rounding, or are as good as 0, are one number.
    room = max(_ROOM * (spread if spread > _ROUNDING * size else size), _LEAST)
    return (low if from_zero and low == 0.0 else low - room), high + room


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most so many round numbers within bounds, and one more where they are round."""
    raw = (high - low) / most
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(part * magnitude for part in _STEPS if part * magnitude >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def count(value: float | None) -> str:
    """A whole number with thousands marked."""
    return NONE if value is None else f"{value:,.0f}"


def decimal(value: float | None) -> str:
    """A figure of about one: three digits."""
    return NONE if value is None else f"{value:.3f}"


def share(value: float | None) -> str:
    """A share in percent: one digit after the point, three where it is below a hundredth."""
    if value is None:
        return NONE
    if value == 0.0 or abs(value) >= 0.01:
        return f"{value:.1%}"
    return f"{value:.3%}"


def seconds(value: float | None) -> str:
    """A time in milliseconds, from a second on in seconds, then in minutes, then in hours."""
    if value is None:
        return NONE
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short(value: float) -> str:
    """A number on an axis, in as few signs as it takes: 0.25, 12k, 3M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):g}{unit}"
    return f"{value:,.6g}"


def short_share(value: float) -> str:
    """A share on an axis."""
    return f"{100 * value:.3g}%"
