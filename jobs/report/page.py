"""The report as one HTML file: no script, and nothing that is fetched from anywhere."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from jobs.report.facts import ReportFacts
from jobs.report.parts import Figures, Page, Tile, Tone
from jobs.report.sections import ndcg, sections
from recsys.charts.drawing import Chart
from recsys.charts.scales import NONE, count, decimal, seconds, share

_STATES: Final[dict[str, tuple[str, Tone]]] = {
    "live": ("went live", "good"),
    "forced": ("went live by hand", "plain"),
    "held": ("held back", "bad"),
    "history": ("history", "plain"),
}


def render(facts: ReportFacts) -> str:
    """The page. Whatever people and sources wrote is text in it, never markup."""
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = _drawing
    return environment.get_template("page.html").render(page=_page(facts))


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _drawing(chart: Chart, label: str) -> Markup:
    """The drawing itself, which escapes its own texts. label: id of what names it."""
    named = f'<svg aria-labelledby="{label}"'
    return Markup(chart.svg.replace("<svg", named, 1))  # noqa: S704


def _page(facts: ReportFacts) -> Page:
    run = facts.run
    state, tone = _STATES.get(run.outcome, (run.outcome, "plain"))
    return Page(
        title=f"Run {run.run_id} as of {run.as_of}",
        state="live" if run.live else state,
        tone="good" if run.live else tone,
        verdict=_verdict(facts),
        remedy=_remedy(facts),
        facts=_facts(facts),
        tiles=_tiles(facts),
        sections=sections(facts),
    )


def _verdict(facts: ReportFacts) -> str:
    run = facts.run
    found = f": {run.reason}" if run.reason else ""
    if run.live:
        return "Lookups answer from this run."
    if run.outcome == "held":
        return f"It is not live, because gates were not passed{found}."
    if run.outcome == "forced":
        return f"It was published by hand, though gates were not passed{found}."
    if run.outcome == "history":
        return f"It was published as history{f'; gates were not passed{found}' if found else ''}."
    return "It went live, and another run has taken its place."


def _remedy(facts: ReportFacts) -> Sequence[str]:
    run = facts.run
    if run.status != "held":
        return ()
    look = [] if run.compared_with is None else [f"recsys diff {run.compared_with} {run.run_id}"]
    return [
        *look,
        f'recsys publish {run.run_id} --force "reason"',
        f"recsys nightly --as-of {run.as_of}",
    ]


def _facts(facts: ReportFacts) -> list[tuple[str, str]]:
    run = facts.run
    return [
        ("as of", f"{run.as_of.instant:%F %H:%M} UTC"),
        ("published", "not" if run.published_at is None else f"{run.published_at:%F %H:%M} UTC"),
        ("compared with", "none" if run.compared_with is None else f"run {run.compared_with}"),
        ("generators", ", ".join(run.models)),
        ("checksum of the lists", run.checksum),
        ("configuration", run.config_hash[:12]),
        ("recsys", run.code_version),
    ]


def _tiles(facts: ReportFacts) -> list[Tile]:
    now = Figures(facts.metrics[facts.run.run_id])
    earlier = [run_id for run_id in facts.history if run_id != facts.run.run_id]
    base = facts.run.compared_with or (earlier[-1] if earlier else None)
    before = None if base is None else Figures(facts.metrics[base])
    tiles = []
    for name, title, written in (
        ("lists", "lists", count),
        ("ndcg", "NDCG@20", ndcg),
        ("coverage", "coverage", share),
        ("gini", "Gini", decimal),
        ("overlap", "overlap", share),
        ("churn", "churn", share),
        ("fallback_share", "without a list", share),
    ):
        value = written(now.value(name))
        was = NONE if before is None else written(before.value(name))
        tiles.append(Tile(title, value, "" if was == NONE else f"run {base}: {was}"))
    spent = now.total("seconds")
    was = NONE if before is None else seconds(before.total("seconds"))
    tiles.append(Tile("time", seconds(spent), "" if was == NONE else f"run {base}: {was}"))
    return tiles
