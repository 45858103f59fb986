"""The parts that a report's page is put together from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from recsys.charts.drawing import Chart
from recsys.evaluation.run_metrics import RunMetric

Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Table:
    """Rows of texts; those of `bad` are marked."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """Columns of words, which come first; figures follow."""
    bad: frozenset[int] = frozenset()
    """Numbers of rows that want attention."""


@dataclass(frozen=True)
class Panel:
    """One thing that is told, by a drawing or by a table."""

    title: str
    note: str = ""
    chart: Chart | None = None
    legend: Sequence[tuple[str, str]] = ()
    """Class and name of each series."""
    table: Table | None = None
    folded: bool = False
    """Whether the table is opened by a click."""
    wide: bool = False


@dataclass(frozen=True)
class Tile:
    """A figure that is looked at first."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """One place of a person's list."""

    place: int
    item_id: str
    title: str
    reason: str


@dataclass(frozen=True)
class Person:
    """A sampled user with the first places of the list."""

    user: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own."""

    anchor: str
    title: str
    lead: str = ""
    panels: Sequence[Panel] = ()
    people: Sequence[Person] = ()


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    state: str
    tone: Tone
    verdict: str
    """One sentence on what became of the run."""
    remedy: Sequence[str]
    """Commands to go on with."""
    facts: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Figures:
    """The figures of one run, to be looked up."""

    rows: Sequence[RunMetric]

    @cached_property
    def _by_key(self) -> Mapping[tuple[str, str | None, str | None], RunMetric]:
        return {(row.name, row.band, row.label): row for row in self.rows}

    def row(self, name: str, band: str | None = None, label: str | None = None) -> RunMetric | None:
        return self._by_key.get((name, band, label))

    def value(self, name: str, label: str | None = None) -> float | None:
        found = self.row(name, None, label)
        return None if found is None else found.value

    def labelled(self, name: str, band: str | None = None) -> dict[str, RunMetric]:
        """The figures of one name by what they are of."""
        chosen = (row for row in self.rows if (row.name, row.band) == (name, band))
        return {row.label: row for row in chosen if row.label is not None}

    def total(self, name: str) -> float | None:
        """Sum over what the figures of a name are of; None where there are none."""
        found = [row.value for row in self.labelled(name).values()]
        return sum(found) if found else None
