"""The sections of a report, each from the facts of the run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Final

from jobs.lake.facts import RuleFacts
from jobs.report.facts import PLACES, ReportFacts
from jobs.report.lists_shown import exposure_panels, movers_panel, score_panels
from jobs.report.parts import Entry, Figures, Panel, Person, Section, Table
from jobs.sinks.postgres.report import ReasonedPlace
from recsys.charts import plots
from recsys.charts.plots import Bar, Measured, Written
from recsys.charts.scales import NONE, count, decimal, seconds, share, short, short_share
from recsys.dataset.bands import BANDS
from recsys.evaluation.run_metrics import RunMetric

_REFUSALS: Final = 12
"""Reasons of quarantined rows that are shown."""
_OVER_TIME: Final[tuple[tuple[str, str, Written, Written], ...]] = (
    ("coverage", "Coverage", share, short_share),
    ("gini", "Gini coefficient of exposure", decimal, short),
    ("overlap", "Overlap with the run before", share, short_share),
    ("churn", "Churn", share, short_share),
    ("fallback_share", "Users without a list", share, short_share),
)
_NOTES: Final[Mapping[str, str]] = {
    "coverage": "Share of the available items that are in at least one list.",
    "gini": "0: all available items get the same attention; near 1: few get all of it.",
    "overlap": "Mean share of a user's items that the live run had too.",
    "churn": "Mean share of places that hold another item than in the live run.",
    "fallback_share": "Share of the active users whom the fallback list answers.",
}
_SHARES: Final = frozenset(
    {
        *("users_kept", "overlap", "rbo", "churn", "coverage"),
        *("empty_share", "short_share", "fallback_share", "top_1_percent_share"),
        *("unmatched_share", "unseen_share"),
    }
)
_JUDGED: Final = (
    *("users_kept", "overlap", "rbo", "churn", "coverage", "gini", "top_1_percent_share"),
    *("fallback_share", "empty_share", "short_share", "score_drift", "ndcg"),
    *("expected_matches", "unmatched_share", "unseen_share", "gini_matches"),
)


def sections(facts: ReportFacts) -> list[Section]:
    """All sections, in the order of the page."""
    figures = Figures(facts.metrics[facts.run.run_id])
    return [
        _verdict(figures),
        _quality(facts, figures),
        _reading(facts, figures),
        _contracts(facts.rules),
        _time(facts, figures),
        _exposure(facts),
        _change(facts),
        _people(facts),
    ]


def ndcg(value: float | None) -> str:
    """NDCG in four digits."""
    return NONE if value is None else f"{value:.4f}"


# --- the verdict ----------------------------------------------------------------------------------


def _verdict(figures: Figures) -> Section:
    rows: list[tuple[str, ...]] = []
    bad = set[int]()
    for name in _JUDGED:
        row = figures.row(name)
        if row is None:
            continue
        passed = _passed(row)
        if passed is False:
            bad.add(len(rows))
        written = share if name in _SHARES else ndcg if name == "ndcg" else decimal
        told = {None: "no gate", True: "passed", False: "not passed"}[passed]
        rows.append((name.replace("_", " "), told, _limit(row, written), written(row.value)))
    head = ("figure", "gate", "limit", "value")
    table = Table(head, rows, words=3, bad=frozenset(bad))
    return Section(
        "verdict",
        "The verdict",
        "What the audit measured, and the limits of the gates. A figure without a gate holds "
        "nothing back.",
        [Panel("Figures and gates", table=table, wide=True)],
    )


def _passed(row: RunMetric) -> bool | None:
    if row.least is None and row.most is None:
        return None
    enough = row.least is None or row.value >= row.least
    return enough and (row.most is None or abs(row.value) <= row.most)


def _limit(row: RunMetric, written: Written) -> str:
    if row.least is not None:
        return f"at least {written(row.least)}"
    return "" if row.most is None else f"at most {written(row.most)}"


# --- quality --------------------------------------------------------------------------------------


def _quality(facts: ReportFacts, figures: Figures) -> Section:
    panels = list(_trends(facts))
    panels += [panel for band in BANDS for panel in _ways(figures, band)]
    runs = len(facts.history)
    lead = (
        "This run and those published before it, "
        f"{runs} in all. Bands are 95 % intervals; a run without the figure leaves a gap."
        if runs > 1
        else "There is no earlier run to compare with."
    )
    return Section("quality", "How good the lists are", lead, panels)


def _trends(facts: ReportFacts) -> Iterator[Panel]:
    points = _over_runs(facts, "ndcg")
    if _some(points):
        note = "Of what orders the lists, over all users of the holdout."
        chart = plots.trend(points, ndcg, limits=_limits(facts, "ndcg"))
        yield Panel("NDCG@20 on the holdout", note, chart)
    for name, title, written, on_axis in _OVER_TIME:
        points = _over_runs(facts, name)
        if _some(points):
            limits = _limits(facts, name)
            chart = plots.trend(points, written, on_axis=on_axis, limits=limits)
            yield Panel(title, _NOTES[name], chart)


def _over_runs(facts: ReportFacts, name: str) -> list[Measured]:
    found = []
    for run_id, as_of in facts.history.items():
        row = Figures(facts.metrics[run_id]).row(name)
        label = f"run {run_id}, {as_of}"
        values = (None, None, None) if row is None else (row.value, row.low, row.high)
        found.append(Measured(label, *values))
    return found


def _limits(facts: ReportFacts, name: str) -> list[tuple[str, float]]:
    row = Figures(facts.metrics[facts.run.run_id]).row(name)
    if row is None:
        return []
    limits = (("at least", row.least), ("at most", row.most))
    return [(side, value) for side, value in limits if value is not None]


def _some(points: Sequence[Measured]) -> bool:
    return any(point.value is not None for point in points)


def _ways(figures: Figures, band: str) -> Iterator[Panel]:
    """What each way to order the lists of a band comes to."""
    used, measured = figures.row("ndcg", band), figures.labelled("ndcg_of", band)
    if used is None or not measured:
        return
    users = figures.row("holdout_users", band)
    ways = sorted(measured.items(), key=lambda each: (-each[1].value, each[0]))
    points = [Measured("in use", used.value, used.low, used.high)]
    points += [Measured(name, row.value, row.low, row.high) for name, row in ways]
    who = "" if users is None else f" {count(users.value)} users of the holdout."
    chart = plots.intervals(points, ndcg)
    yield Panel(f"Ways to order lists of {band} users", f"NDCG@20, 95 % intervals.{who}", chart)


# --- what was read --------------------------------------------------------------------------------


def _reading(facts: ReportFacts, figures: Figures) -> Section:
    before = _before(facts)
    refused = figures.labelled("rows_rejected")
    of_source: Counter[str] = Counter()
    for label, row in refused.items():
        of_source[label.partition(": ")[0]] += int(row.value)
    rows = [
        (
            source,
            count(row.value),
            count(before.value("rows_read", source)) if before else NONE,
            _of_all(of_source[source], row.value),
        )
        for source, row in figures.labelled("rows_read").items()
    ]
    head = ("source", "rows", "run before", "refused")
    panels = [Panel("Rows by source", table=Table(head, rows))]
    most = sorted(refused.items(), key=lambda each: (-each[1].value, each[0]))[:_REFUSALS]
    if most:
        chart = plots.bars([Bar(label, row.value) for label, row in most], count)
        panels.append(Panel("Why rows could not be used", "The most frequent reasons.", chart))
    matrix = [
        (name.removeprefix("matrix_").replace("_", " "), count(figures.value(name)))
        for name in sorted({row.name for row in figures.rows if row.name.startswith("matrix_")})
    ]
    panels.append(Panel("The matrix", table=Table(("", ""), matrix)))
    lead = "" if most else "No row was refused."
    return Section("reading", "What was read", lead, panels)


def _of_all(part: int, whole: float) -> str:
    return f"{count(part)} ({share(part / whole)})" if part and whole else count(part)


def _before(facts: ReportFacts) -> Figures | None:
    """The figures of the run before this one."""
    earlier = [run_id for run_id in facts.history if run_id != facts.run.run_id]
    return Figures(facts.metrics[earlier[-1]]) if earlier else None


# --- contracts ------------------------------------------------------------------------------------


def _contracts(rules: Sequence[RuleFacts]) -> Section:
    broken = [rule for rule in rules if not rule.passed]
    if not rules:
        return Section("contracts", "Contracts", "No results are kept of this run.")
    warned = sum(rule.severity == "warn" for rule in broken)
    lead = (
        f"All {len(rules)} rules were kept."
        if not broken
        else f"{len(rules) - len(broken)} of {len(rules)} rules were kept; {warned} only warn."
    )
    panels = []
    if broken:
        panels.append(Panel("Rules that were broken", table=_rule_table(broken), wide=True))
    tables = Counter(rule.table for rule in rules)
    kept = Counter(rule.table for rule in rules if rule.passed)
    rows = [(name, f"{kept[name]} of {tables[name]}") for name in sorted(tables)]
    bad = frozenset(n for n, (name, _) in enumerate(rows) if kept[name] < tables[name])
    panels.append(Panel("Rules kept, by table", table=Table(("table", "kept"), rows, bad=bad)))
    panels.append(Panel("Every rule", table=_rule_table(rules), folded=True))
    return Section("contracts", "Contracts", lead, panels)


def _rule_table(rules: Sequence[RuleFacts]) -> Table:
    rows = [
        (
            rule.table,
            rule.rule,
            "kept" if rule.passed else {"fail": "broken", "warn": "warned"}[rule.severity],
            "" if rule.observed is None else str(rule.observed),
            str(rule.allowed),
        )
        for rule in rules
    ]
    bad = frozenset(number for number, rule in enumerate(rules) if not rule.passed)
    return Table(("table", "rule", "state", "observed", "allowed"), rows, words=5, bad=bad)


# --- time -----------------------------------------------------------------------------------------


def _time(facts: ReportFacts, figures: Figures) -> Section:
    panels = [
        Panel(title, note, plots.bars(rows, seconds, usual="mostly"), legend)
        for title, name, note in (
            ("Seconds of each step", "seconds", "The tick is the median of the runs before."),
            ("Seconds to fit each generator", "fit_seconds", ""),
        )
        if (rows := _times(facts, figures, name))
        for legend in [[("one", "this run"), ("two", "median before")]]
    ]
    points = [
        Measured(f"run {run_id}, {as_of}", Figures(facts.metrics[run_id]).total("seconds"))
        for run_id, as_of in facts.history.items()
    ]
    if _some(points):
        panels.append(Panel("All steps together", "", plots.trend(points, seconds)))
    lead = "" if panels else "No times are kept of this run."
    return Section("time", "Where the time went", lead, panels)


def _times(facts: ReportFacts, figures: Figures, name: str) -> list[Bar]:
    earlier = [
        Figures(facts.metrics[run_id]).labelled(name)
        for run_id in facts.history
        if run_id != facts.run.run_id
    ]
    found = []
    for label, row in figures.labelled(name).items():
        usual = [times[label].value for times in earlier if label in times]
        found.append(Bar(label, row.value, median(usual) if usual else None))
    return sorted(found, key=lambda bar: (-bar.value, bar.label))


# --- lists ----------------------------------------------------------------------------------------


def _exposure(facts: ReportFacts) -> Section:
    title = "What is shown"
    if facts.lists is None:
        return Section("exposure", title, "The lists of this run are not kept any more.")
    panels = [*exposure_panels(facts.lists), *score_panels(facts.lists)]
    if facts.segments:
        rows = [
            (s.segment, count(s.users), share(s.fallback), share(s.cold), share(s.empty))
            for s in facts.segments
        ]
        head = ("segment", "users", "no list", "cold", "empty list")
        panels.append(Panel("Users by segment", "The largest.", table=Table(head, rows)))
    return Section("exposure", title, "", panels)


def _change(facts: ReportFacts) -> Section:
    title, other = "What changes for users", facts.run.compared_with
    if other is None:
        return Section("change", title, "No run was live that this one was compared with.")
    if facts.lists is None or not len(facts.lists.churns):
        lead = f"The lists of run {other}, which was live, are not kept any more."
        return Section("change", title, lead)
    panels = list(movers_panel(facts.lists))
    return Section("change", title, f"Against run {other}, which was live.", panels)


def _people(facts: ReportFacts) -> Section:
    title = "Some users' lists"
    places = [] if facts.lists is None else facts.lists.people
    if not places:
        return Section("people", title, "No list of this run holds anything.")
    people = [
        Person(user, [_entry(place) for place in listed])
        for user, listed in groupby(places, key=lambda place: place.user_id)
    ]
    lead = f"Drawn by the seed; the first {PLACES} places of each, and why an item is there."
    return Section("people", title, lead, people=people)


def _entry(place: ReasonedPlace) -> Entry:
    reason = place.reason
    if reason.verdict != "listed":
        return Entry(place.place, "", "", reason.verdict)
    titles = {reason.because: place.because_title} if place.because_title else {}
    named = {name: title for name, title in titles.items() if name is not None}
    return Entry(place.place, place.item_id, place.title or "", reason.in_words(named))
