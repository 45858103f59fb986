"""The kinds of charts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from recsys.charts.drawing import Axis, Chart, Frame
from recsys.charts.scales import Scale, reach, short, short_share

_ROW: Final = 24.0
_MARKS: Final = 24
"""Places of a curve that tell their figures."""
_LETTERS: Final = 26
"""Of the label of a bar."""

Written = Callable[[float], str]


@dataclass(frozen=True)
class Measured:
    """A figure of a run or of a group, with its interval where it has one."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        if self.low is None or self.high is None:
            return None
        return self.low, self.high

    def told(self, written: Written) -> str:
        if self.value is None:
            return f"{self.label}: -"
        bounds = "" if self.bounds is None else f" ({' to '.join(map(written, self.bounds))})"
        return f"{self.label}: {written(self.value)}{bounds}"


@dataclass(frozen=True)
class Bar:
    """A length beside its name."""

    label: str
    value: float
    usual: float | None = None
    """What it mostly was before."""


@dataclass(frozen=True)
class Series:
    """Heights of one thing, a number a place."""

    name: str
    values: Sequence[float]


def trend(
    points: Sequence[Measured],
    written: Written,
    *,
    on_axis: Written = short,
    limits: Sequence[tuple[str, float]] = (),
) -> Chart:
    """A figure over runs, the last one marked; a band for its interval, a line for each limit.

    points: in order, at least one of which has a value.
    """
    bounds = _reach(points, [value for _, value in limits])
    frame, scale = Frame.beside(Axis(bounds, on_axis))
    along = Scale(0, max(len(points) - 1, 1), frame.left + 6, frame.right - 6)
    places = [along(number) for number in range(len(points))]
    for run in _runs(points):
        _band(frame, scale, [(places[n], points[n]) for n in run])
    for name, value in limits:
        frame.line(frame.left, scale(value), frame.right, scale(value), "limit")
        frame.text(frame.left + 4, scale(value) - 4, f"{name} {written(value)}", "axis", "start")
    for run in _runs(points):
        frame.path([(places[n], scale(points[n].value or 0.0)) for n in run], "one line")
    for place, point in zip(places, points, strict=True):
        if point.value is not None:
            last = point is points[-1]
            frame.dot(place, scale(point.value), "one", 4.0 if last else 2.0)
    frame.ends(points[0].label, points[-1].label)
    frame.tells(points[-1].told(written))
    frame.columns(places, [point.told(written) for point in points])
    return frame.drawn(("", "value", "from", "to"), [_row(point, written) for point in points])


def intervals(points: Sequence[Measured], written: Written, *, on_axis: Written = short) -> Chart:
    """Figures of groups below each other, each a dot with its interval; the first is marked."""
    bounds = _reach(points)
    frame = _rows(points)
    along = frame.along(bounds, on_axis)
    for number, point in enumerate(points):
        y = frame.top + (number + 0.5) * _ROW
        frame.text(frame.left - 8, y + 4, _cut(point.label), "label", "end")
        frame.line(frame.left, y, frame.right, y, "grid")
        if point.bounds is not None:
            frame.line(along(point.bounds[0]), y, along(point.bounds[1]), y, "one line")
        if point.value is not None:
            frame.dot(along(point.value), y, "one" if number == 0 else "one hollow", 4.0)
        area = (0.0, y - _ROW / 2, frame.right, _ROW)
        frame.mark(area, point.told(written))
    frame.tells(points[0].told(written))
    return frame.drawn(("", "value", "from", "to"), [_row(point, written) for point in points])


def bars(rows: Sequence[Bar], written: Written, *, usual: str = "before") -> Chart:
    """Lengths below each other, with their numbers; a tick where the usual length ends.

    usual: what that is, in words.
    """
    longest = max((max(row.value, row.usual or 0.0) for row in rows), default=0.0)
    frame = _rows(rows, axis=False)
    room = 7.0 * max((len(written(row.value)) for row in rows), default=0)
    along = Scale(0, longest or 1.0, frame.left, frame.right - room)
    for number, row in enumerate(rows):
        y = frame.top + number * _ROW
        frame.text(frame.left - 8, y + 16, _cut(row.label), "label", "end")
        frame.box(frame.left, y + 5, along(row.value) - frame.left, _ROW - 10, "one bar")
        told = f"{row.label}: {written(row.value)}"
        end = row.value
        if row.usual is not None:
            frame.line(along(row.usual), y + 2, along(row.usual), y + _ROW - 2, "two line")
            told = f"{told}, {usual} {written(row.usual)}"
            end = max(end, row.usual)
        frame.text(along(end) + 5, y + 16, written(row.value), "label", "start")
        frame.mark((0.0, y, frame.right, _ROW), told)
    marked = any(row.usual is not None for row in rows)
    head = ("", "value", usual) if marked else ("", "value")
    told_rows = [
        (row.label, written(row.value), *([_maybe(row.usual, written)] if marked else []))
        for row in rows
    ]
    return frame.drawn(head, told_rows)


def curve(
    xs: Sequence[float], ys: Sequence[float], named: tuple[str, str], *, diagonal: bool = False
) -> Chart:
    """A curve of shares over shares. named: what x and y are of; diagonal: where both are equal."""
    frame, up = Frame.beside(Axis((0.0, 1.0), short_share))
    along = frame.along((0.0, 1.0), short_share)
    frame.names(named[0])
    if diagonal:
        frame.path([(along(0), up(0)), (along(1), up(1))], "faint line")
    points = [(along(x), up(y)) for x, y in zip(xs, ys, strict=True)]
    frame.path([*points, (along(1.0), up(0.0))], "one area", closed=True)
    frame.path(points, "one line")
    step = max(1, (len(xs) - 1) // _MARKS)
    chosen = sorted({*range(0, len(xs), step), len(xs) - 1})
    shown = [(f"{xs[n]:.0%}", f"{ys[n]:.1%}") for n in chosen]
    told = [f"{x} of {named[0]}: {y} of {named[1]}" for x, y in shown]
    frame.tells(told[len(told) // 2])
    frame.columns([along(xs[n]) for n in chosen], told)
    return frame.drawn(named, shown)


def steps(
    edges: Sequence[float], now: Series, before: Series | None, written: Written = short
) -> Chart:
    """A histogram: bars now, and a dashed outline of what was before; heights are shares.

    edges: of the bins, one more than there are heights.
    """
    tallest = max(*now.values, *(before.values if before else (0.0,)), 1e-9)
    frame, up = Frame.beside(Axis((0.0, 1.08 * tallest), short_share))
    along = frame.along((edges[0], edges[-1]), written)
    spans = list(pairwise(edges))
    for (left, right), height in zip(spans, now.values, strict=True):
        x, y = along(left) + 0.5, up(height)
        frame.box(x, y, along(right) - along(left) - 1, frame.bottom - y, "one bar")
    if before is not None:
        outline = [(along(edges[0]), frame.bottom)]
        for (left, right), height in zip(spans, before.values, strict=True):
            outline += [(along(left), up(height)), (along(right), up(height))]
        frame.path([*outline, (along(edges[-1]), frame.bottom)], "two line dashed")
    series = [now] if before is None else [now, before]
    heights = list(zip(*(each.values for each in series), strict=True))
    names = [f"{written(left)} to {written(right)}" for left, right in spans]
    told = [
        f"{name}: " + ", ".join(f"{each.name} {h:.1%}" for each, h in zip(series, row, strict=True))
        for name, row in zip(names, heights, strict=True)
    ]
    for (left, right), text in zip(spans, told, strict=True):
        area = (along(left), frame.top, along(right) - along(left), frame.bottom - frame.top)
        frame.mark(area, text)
    shown = [(name, *(f"{h:.1%}" for h in row)) for name, row in zip(names, heights, strict=True)]
    return frame.drawn(("", *(each.name for each in series)), shown)


def pairs(labels: Sequence[str], first: Series, second: Series, named: str) -> Chart:
    """Two shares side by side for each group. named: what groups are of."""
    tallest = max(*first.values, *second.values, 1e-9)
    frame, up = Frame.beside(Axis((0.0, 1.08 * tallest), short_share))
    width = (frame.right - frame.left) / len(labels)
    frame.names(named)
    for number, (label, one, two) in enumerate(
        zip(labels, first.values, second.values, strict=True)
    ):
        x = frame.left + number * width
        half = (width - 6) / 2
        frame.box(x + 3, up(one), half, frame.bottom - up(one), "one bar")
        frame.box(x + 3 + half, up(two), half, frame.bottom - up(two), "two bar")
        frame.text(x + width / 2, frame.bottom + 14, label, "axis", "middle")
        told = f"{label}: {first.name} {one:.1%}, {second.name} {two:.1%}"
        frame.mark((x, frame.top, width, frame.bottom - frame.top), told)
    rows = [
        (label, f"{one:.1%}", f"{two:.1%}")
        for label, one, two in zip(labels, first.values, second.values, strict=True)
    ]
    return frame.drawn((named, first.name, second.name), rows)


def _reach(points: Sequence[Measured], more: Sequence[float] = ()) -> tuple[float, float]:
    seen = [value for point in points for value in (point.value, *(point.bounds or ()))]
    return reach([*(value for value in seen if value is not None), *more])


def _runs(points: Sequence[Measured]) -> list[list[int]]:
    """Places of neighbours that have a value."""
    found: list[list[int]] = [[]]
    for number, point in enumerate(points):
        if point.value is None:
            found.append([])
        else:
            found[-1].append(number)
    return [run for run in found if run]


def _band(frame: Frame, scale: Scale, points: Sequence[tuple[float, Measured]]) -> None:
    known = [(x, point.bounds) for x, point in points if point.bounds is not None]
    if len(known) == 1:
        ((x, (low, high)),) = known
        frame.line(x, scale(low), x, scale(high), "one line")
    elif known:
        upper = [(x, scale(high)) for x, (_, high) in known]
        lower = [(x, scale(low)) for x, (low, _) in reversed(known)]
        frame.path([*upper, *lower], "one area", closed=True)


def _rows(rows: Sequence[Measured] | Sequence[Bar], *, axis: bool = True) -> Frame:
    """A frame for rows below each other, as high as they are many."""
    widest = max((len(_cut(row.label)) for row in rows), default=0)
    top = 22.0
    bottom = top + _ROW * len(rows)
    return Frame(
        left=12 + 6.4 * widest, top=top, bottom=bottom, height=bottom + (20 if axis else 4)
    )


def _cut(label: str) -> str:
    return label if len(label) <= _LETTERS else f"{label[: _LETTERS - 1]}…"


def _row(point: Measured, written: Written) -> tuple[str, ...]:
    values = (point.value, point.low, point.high)
    return (point.label, *(_maybe(value, written) for value in values))


def _maybe(value: float | None, written: Written) -> str:
    return "-" if value is None else written(value)
