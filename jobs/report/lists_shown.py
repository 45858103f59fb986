"""Panels on what a run's lists show, and on what they change."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from jobs.report.facts import ListFacts
from jobs.report.parts import Panel, Table
from recsys.arrays import Floats
from recsys.charts import plots
from recsys.charts.plots import Measured, Series
from recsys.charts.scales import count, short_share
from recsys.evaluation.diff import Mover

_BINS: Final = 20
"""Of a histogram."""
_OUTER: Final = (0.005, 0.995)
"""Quantiles between which scores are drawn; what is beyond counts in the outer bins."""
_NOW_AND_BEFORE: Final = (("one", "this run"), ("two dashed", "live run"))


def exposure_panels(lists: ListFacts) -> Iterator[Panel]:
    """How attention is spread over items."""
    if lists.lorenz is not None:
        items, exposure = (values.tolist() for values in lists.lorenz)
        named = ("items, least shown first", "exposure")
        chart = plots.curve(items, exposure, named, diagonal=True)
        note = "On the dashed line all available items would get the same."
        yield Panel("Lorenz curve of exposure", note, chart)
    if lists.tenths:
        labels = [str(number + 1) for number in range(len(lists.tenths))]
        shown = Series("are in a list", [tenth.shown for tenth in lists.tenths])
        exposure = Series("of all exposure", [tenth.exposure for tenth in lists.tenths])
        chart = plots.pairs(labels, shown, exposure, "tenths of the items, most popular last")
        least = count(lists.tenths[len(lists.tenths) // 2].touched)
        note = f"Available items by users who touched them; half of them by at most {least}."
        legend = [("one", "share that is in a list"), ("two", "share of all exposure")]
        yield Panel("Popularity against coverage", note, chart, legend)


def score_panels(lists: ListFacts) -> Iterator[Panel]:
    """How scores are spread."""
    firsts, before = lists.firsts, lists.firsts_before
    if not len(firsts):
        return
    edges = _edges(np.concatenate([firsts, before]))
    series = [Series("this run", _shares(firsts, edges))]
    if len(before):
        series.append(Series("live run", _shares(before, edges)))
    chart = plots.steps(edges.tolist(), series[0], series[1] if series[1:] else None)
    legend = _NOW_AND_BEFORE[: len(series)]
    yield Panel("Scores of first places", "Share of the lists.", chart, legend)
    yield Panel(
        "Scores by place",
        "Median, and the middle half of the lists.",
        plots.trend(_by_place(lists.places), lambda value: f"{value:.2f}"),
    )


def movers_panel(lists: ListFacts) -> Iterator[Panel]:
    """By how much lists changed, and which items gained and lost."""
    if len(lists.churns):
        edges = np.linspace(0.0, 1.0, 11)
        churn = Series("users", _shares(lists.churns, edges))
        chart = plots.steps(edges.tolist(), churn, None, short_share)
        note = "Share of a user's places that hold another item; users who have both lists."
        yield Panel("Churn, user by user", note, chart)
    for title, movers in (
        ("Items that gained most exposure", lists.gained),
        ("Items that lost most exposure", lists.lost),
    ):
        if movers:
            rows = [_moved(mover, lists) for mover in movers]
            table = Table(("item", "before", "now"), rows)
            yield Panel(title, "Share of all exposure.", table=table)


def _moved(mover: Mover, lists: ListFacts) -> tuple[str, ...]:
    item = str(mover.item_id)
    return lists.titles.get(item, item), *(f"{part:.2%}" for part in (mover.before, mover.after))


def _by_place(quartiles: Floats) -> list[Measured]:
    known = quartiles[~np.isnan(quartiles[:, 1])].tolist()
    return [
        Measured(f"place {number + 1}", middle, low, high)
        for number, (low, middle, high) in enumerate(known)
    ]


def _edges(values: Floats) -> Floats:
    low, high = np.quantile(values, _OUTER)
    return np.linspace(low, high if high > low else low + 1.0, _BINS + 1)


def _shares(values: Floats, edges: Floats) -> list[float]:
    inside = np.clip(values, edges[0], edges[-1])
    found: list[float] = (np.histogram(inside, edges)[0] / max(len(values), 1)).tolist()
    return found
