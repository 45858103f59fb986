"""`recsys frontier`: what each weight of an objective buys and costs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Column

from jobs.app.frontier import MeasuredFrontier, full_night, in_words, measure_frontier
from jobs.cli.as_of import as_of_option
from jobs.cli.output import check_writable, show_table, show_text, word, words, write_json
from jobs.run.entrypoint import RunArguments, lake_of
from jobs.run.settings import load_config, load_settings
from recsys.as_of import AsOf
from recsys.evaluation.significance import ERRORS
from recsys.objectives.frontier import COVERAGE, GINI, Figure, Frontier
from recsys.sections.base import READ_PLACES
from recsys.sections.objectives import LIKE

_TITLES: Final = {LIKE: f"NDCG@{READ_PLACES}", GINI: "Gini", COVERAGE: COVERAGE}
_FRONT, _HERE, _BOTH = "*", ">", ">*"


def frontier(
    *,
    as_of: Annotated[AsOf | None, as_of_option("As-of of the night; else the latest.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where to draw it, as SVG.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Measure what each weight of [objectives] buys and costs, on the days held back.

    Lists are made by chances that other users taught, with weights around the configured
    ones, before any list step. It reads what the last full night left in the lake, and
    writes nothing there; weights may differ from that night's.

    Example: recsys frontier --plot frontier.svg
    """
    check_writable(out, "--json")
    check_writable(plot, "--plot")
    settings, known = load_settings(), load_config(config)
    lake = lake_of(settings)
    with lake.in_use():
        asked = full_night(lake, as_of)
        found = measure_frontier(RunArguments(asked, known, settings, datetime.now(UTC)))
    _show(found)
    if plot is not None:
        plot.write_text(found.drawn(), encoding="utf-8")
    write_json(out, found.as_dict())


def _show(measured: MeasuredFrontier) -> None:
    found = measured.found
    names = list(found.configured.figures)
    columns = [word(""), words("weights"), *map(_column, names)]
    title = f"first {READ_PLACES} places of {found.users:,} users held back as of {measured.as_of}"
    show_table(columns, _rows(found), title)
    typer.echo()
    for line in _texts(measured):
        show_text(line)


def _column(name: str) -> Column:
    title = _TITLES.get(name, f"{name} a place")
    return Column(title, justify="right", overflow="fold", min_width=7)


def _rows(found: Frontier) -> Iterator[tuple[str, ...]]:
    order = sorted(range(len(found.points)), key=lambda n: -found.points[n].figures[LIKE].value)
    for place in order:
        point, front = found.points[place], place in found.front
        mark = (_BOTH if front else _HERE) if place == 0 else (_FRONT if front else "")
        weights = in_words(point.weights).replace(", ", "\n")
        yield mark, weights, *map(_cell, point.figures.values())


def _cell(figure: Figure) -> str:
    return f"{figure.value:.4f}" + ("" if figure.error is None else f"\n±{figure.error:.4f}")


def _texts(measured: MeasuredFrontier) -> Iterator[str]:
    """Everything but the table, a paragraph each."""
    found = measured.found
    outcomes = [name for name in found.wanted if name != LIKE]
    goals = ", ".join(
        f"{'more' if found.wanted[name] > 0 else 'fewer'} {name}" for name in outcomes
    )
    yield (
        f"{_FRONT} on the Pareto front of more NDCG, {goals}; {_HERE} as configured; ± standard "
        "error"
    )
    yield _verdict(found)
    for name, why in found.left_out.items():
        yield f"objective {name} is left out: {why}"
    if measured.changed:
        yield "note: the configuration has changed since the night, not only in weights"


def _verdict(found: Frontier) -> str:
    """Whether other weights are better than the configured ones in everything."""
    better = found.better()
    configured = in_words(found.configured.weights)
    if better is None:
        return f"the configured weights ({configured}) are on the front"
    place, gains = better
    beyond = any(gain.beyond() for gain in gains.values())
    told = ", ".join(
        f"{_TITLES.get(name, name)} {found.wanted[name] * gain.mean:+.4f} (±{gain.error:.4f})"
        for name, gain in gains.items()
    )
    doubt = "" if beyond else f"; none of it is beyond {ERRORS:g} standard errors"
    return (
        f"the configured weights ({configured}) are dominated by "
        f"{in_words(found.points[place].weights)}, which makes {told}{doubt}"
    )
