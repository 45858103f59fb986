"""Frame of every chart: its size, axes, and marks that tell their figures when pointed at.

A mark has a text that a style sheet shows while the pointer is over it; the drawing itself needs no
script. Colours are classes: `one`, `two` for series, `axis`, `grid`, `faint`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree as ET

from recsys.charts.scales import Scale, short, ticks

WIDTH: Final = 360
HEIGHT: Final = 210
_TOP: Final = 26
"""Where the plot begins: above it stands what a mark tells."""
_BOTTOM: Final = 34
_RIGHT: Final = 10
_TELLS: Final = 12.0
_GLYPH: Final = 6.2
"""Width of a letter of a label."""


@dataclass(frozen=True)
class Chart:
    """A drawing, and its figures as a table."""

    svg: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Axis:
    """A vertical axis: its bounds, and how its numbers are written."""

    bounds: tuple[float, float]
    written: Callable[[float], str] = short


@dataclass(frozen=True)
class Frame:
    """A drawing with a plot in it."""

    left: float
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    height: float = HEIGHT
    svg: ET.Element = field(default_factory=lambda: ET.Element("svg"))

    def __post_init__(self) -> None:
        attributes = {"viewBox": f"0 0 {WIDTH} {self.height:g}", "role": "img"}
        self.svg.attrib.update({"xmlns": "http://www.w3.org/2000/svg", **attributes})

    @classmethod
    def beside(cls, axis: Axis) -> tuple["Frame", Scale]:
        """A frame with a vertical axis, and the scale of that."""
        marks = ticks(*axis.bounds)
        widest = max(len(axis.written(value)) for value in marks)
        frame = cls(left=14 + widest * _GLYPH)
        scale = Scale(*axis.bounds, frame.bottom, frame.top)
        for value in marks:
            frame.line(frame.left, scale(value), frame.right, scale(value), "grid")
            frame.text(frame.left - 6, scale(value) + 4, axis.written(value), "axis", "end")
        return frame, scale

    def along(self, bounds: tuple[float, float], written: Callable[[float], str]) -> Scale:
        """Labels a horizontal axis and gives its scale."""
        scale = Scale(*bounds, self.left, self.right)
        for value in ticks(*bounds):
            place = min(scale(value), self.right - 8)
            self.text(place, self.bottom + 14, written(value), "axis", "middle")
        return scale

    def names(self, text: str) -> None:
        """Says what the horizontal axis is of."""
        self.text((self.left + self.right) / 2, self.height - 4, text, "axis", "middle")

    def ends(self, first: str, last: str) -> None:
        """Labels the first and the last place of a horizontal axis."""
        self.text(self.left, self.bottom + 14, first, "axis", "start")
        if last != first:
            self.text(self.right, self.bottom + 14, last, "axis", "end")

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        _add(self.svg, "line", css, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(
        self, points: Sequence[tuple[float, float]], css: str, *, closed: bool = False
    ) -> None:
        text = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points) + ("Z" if closed else "")
        _add(self.svg, "path", css, d=text)

    def box(self, x: float, y: float, width: float, height: float, css: str) -> None:
        _add(self.svg, "rect", css, x=x, y=y, width=max(width, 0), height=max(height, 0))

    def dot(self, x: float, y: float, css: str, radius: float = 3.0) -> None:
        _add(self.svg, "circle", css, cx=x, cy=y, r=radius)

    def text(self, x: float, y: float, text: str, css: str, anchor: str) -> None:
        added = _add(self.svg, "text", css, x=x, y=y)
        added.set("text-anchor", anchor)
        added.text = text

    def tells(self, text: str) -> None:
        """What stands above the plot while no mark is pointed at."""
        self.text(self.right, _TELLS, text, "now", "end")

    def mark(
        self, area: tuple[float, float, float, float], text: str, guide: float | None = None
    ) -> None:
        """An area (x, y, width, height) that tells something. guide: where a line through it is."""
        x, y, width, height = area
        group = ET.SubElement(self.svg, "g", {"class": "mark"})
        kind = "hit row" if guide is None else "hit"
        _add(group, "rect", kind, x=x, y=y, width=width, height=height)
        if guide is not None:
            _add(group, "line", "guide", x1=guide, y1=y, x2=guide, y2=y + height)
        told = _add(group, "text", "told", x=self.right, y=_TELLS)
        told.set("text-anchor", "end")
        told.text = text

    def columns(self, places: Sequence[float], texts: Sequence[str]) -> None:
        """A mark over the whole height for each place, ascending, half-way to its neighbours."""
        between = [(left + right) / 2 for left, right in pairwise(places)]
        bounds = pairwise([self.left, *between, self.right])
        for place, (left, right), text in zip(places, bounds, texts, strict=True):
            area = (left, self.top, right - left, self.bottom - self.top)
            self.mark(area, text, place)

    def drawn(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Chart:
        """The drawing as text, with its table."""
        text = ET.tostring(self.svg, encoding="unicode")
        return Chart(text, tuple(head), tuple(map(tuple, rows)))


def _add(parent: ET.Element, tag: str, css: str, **places: object) -> ET.Element:
    written = {
        name: f"{value:.1f}" if isinstance(value, float) else str(value)
        for name, value in places.items()
    }
    return ET.SubElement(parent, tag, {"class": css, **written})
