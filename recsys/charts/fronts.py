"""Charts of what is given up for what: points, the front of the best ones, and where one stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from recsys.charts.drawing import WIDTH, Axis, Chart, Frame
from recsys.charts.scales import reach, short

_HIT: Final = 6.0
"""Reach of the pointer around a point."""
_STYLE: Final = (
    "text { font: 11.5px system-ui, sans-serif; fill: #56616d }"
    " .label, .now { fill: #1a2027; font-weight: 600 }"
    " .told { visibility: hidden; font-weight: 600; fill: #0072b2 } .hit { fill: transparent }"
    " .grid { stroke: #e8ecf0 } .line { fill: none; stroke: #0072b2; stroke-width: 2 }"
    " .bar { stroke: #cfd6dd } .one { fill: #0072b2 } .faint { fill: #9aa5b1 }"
    " .two.ring { fill: none; stroke: #c24f00; stroke-width: 2.5 }"
    " .two.line { stroke: #c24f00 }"
    " .mark:hover .told { visibility: visible } svg:has(.mark:hover) .now,"
    " svg:has(.mark:hover) .label { visibility: hidden }"
)
"""The report's colours, for a drawing by itself."""
_MARGIN: Final = 16.0


@dataclass(frozen=True)
class Spot:
    """A point of a chart."""

    label: str
    x: float
    y: float
    x_error: float = 0.0
    """Half the length of the bar along x; likewise below."""
    y_error: float = 0.0
    on_front: bool = False
    here: bool = False
    """Whether it is where one stands."""


def front(spots: Sequence[Spot], named: tuple[str, str], *, joined: bool = True) -> Chart:
    """Points with their intervals, those of the front joined by a line, a ring where one stands.

    spots: at least one. named: what x and y are of. joined: not, where the front is of more than
    these two.
    """
    x_bounds = reach([s.x + side * s.x_error for s in spots for side in (-1, 1)])
    y_bounds = reach([s.y + side * s.y_error for s in spots for side in (-1, 1)])
    frame, up = Frame.beside(Axis(y_bounds, short))
    along = frame.along(x_bounds, short)
    frame.names(named[0])
    frame.text(frame.left, frame.top - 8, named[1], "label", "start")
    for spot in spots:
        x, y = along(spot.x), up(spot.y)
        left, right = along(spot.x - spot.x_error), along(spot.x + spot.x_error)
        frame.line(left, y, right, y, "bar")
        frame.line(x, up(spot.y - spot.y_error), x, up(spot.y + spot.y_error), "bar")
    if joined:
        best = sorted((s for s in spots if s.on_front), key=lambda s: (s.x, s.y))
        frame.path([(along(s.x), up(s.y)) for s in best], "line")
    for spot in sorted(spots, key=lambda s: s.on_front):
        frame.dot(along(spot.x), up(spot.y), "one" if spot.on_front else "faint", 3.5)
    for spot in spots:
        x, y = along(spot.x), up(spot.y)
        if spot.here:
            frame.dot(x, y, "two ring", 7.0)
            frame.tells(f"as configured: {_figures(spot)}")
        frame.mark((x - _HIT, y - _HIT, 2 * _HIT, 2 * _HIT), _told(spot))
    rows = [(spot.label, short(spot.x), short(spot.y)) for spot in spots]
    return frame.drawn(("", *named), rows)


def alone(charts: Sequence[Chart]) -> str:
    """Drawings below each other, as one file that needs no style sheet of a page."""
    heights = [float(ET.fromstring(chart.svg).attrib["viewBox"].split()[3]) for chart in charts]  # noqa: S314
    height = sum(heights) + _MARGIN * (len(charts) + 1)
    width = WIDTH + 2 * _MARGIN
    parts, top = [], _MARGIN
    for chart, own in zip(charts, heights, strict=True):
        place = f'<svg x="{_MARGIN:g}" y="{top:g}" width="{WIDTH}" height="{own:g}"'
        parts.append(chart.svg.replace("<svg", place, 1))
        top += own + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width:g}" height="{2 * height:g}" '
        f'viewBox="0 0 {width:g} {height:g}"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _told(spot: Spot) -> str:
    return f"{spot.label}: {_figures(spot)}"


def _figures(spot: Spot) -> str:
    return f"{short(round(spot.y, 4))} at {short(round(spot.x, 4))}"
