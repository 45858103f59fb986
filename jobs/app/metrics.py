"""Metrics of the pipeline for Prometheus: what `recsys status` finds, and the last run's figures.

All are gauges of a moment: instants as seconds since 1970, so that a query takes the age of now.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jobs.app.status import Outcome, Status
from jobs.sinks.postgres.lookup import LiveRun, Run
from recsys.evaluation.audit import limited_figures
from recsys.sections.gates import Gates

Labels = tuple[str, ...]
Sample = tuple[Labels, float | None]
"""Values of the labels, and the figure; None where it is not known."""


@dataclass(frozen=True)
class State:
    """What metrics tell of."""

    status: Status
    last: Run | None
    """The run of the latest as-of, live or not; None before the first."""
    step_seconds: Mapping[str, float]
    """Of each step of the last night that ended well."""
    gates: Gates

    @property
    def stats(self) -> Mapping[str, Any]:
        return {} if self.last is None else self.last.stats

    @property
    def figures(self) -> Mapping[str, Any]:
        return {} if self.last is None else (self.last.audit or {}).get("figures", {})


@dataclass(frozen=True)
class Metric:
    """One metric, and where its samples come from."""

    name: str
    help: str
    samples: Callable[[State], Iterable[Sample]]
    labels: Labels = ()

    def family(self, state: State) -> GaugeMetricFamily:
        """The metric with its samples; without any, it still says what it is."""
        family = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in self.samples(state):
            if value is not None:
                family.add_metric(labels, float(value))
        return family


def last_run(runs: Iterable[Run]) -> Run | None:
    """The run of the latest as-of that was completed, of several the newest: no backfill's."""
    completed = [run for run in runs if run.status != "staged"]
    return max(completed, key=lambda run: (run.as_of, run.run_id), default=None)


def _single(value: float | None) -> Iterator[Sample]:
    yield (), value


def _by_name(values: Mapping[str, float]) -> Iterator[Sample]:
    return (((name,), value) for name, value in values.items())


def _live(fact: Callable[[LiveRun], float | None]) -> Callable[[State], Iterable[Sample]]:
    """A fact of the live run; nothing where none is live."""
    return lambda state: _single(None if state.status.live is None else fact(state.status.live))


def _data_through(state: State) -> Iterator[Sample]:
    newest = state.status.data_through
    return _single(None if newest is None else newest.timestamp())


def _outcomes(state: State) -> Iterator[Sample]:
    last = state.status.nights[0].outcome if state.status.nights else None
    return (((outcome,), float(outcome == last)) for outcome in get_args(Outcome))


def _last_as_of(state: State) -> Iterator[Sample]:
    nights = state.status.nights
    return _single(nights[0].as_of.instant.timestamp() if nights else None)


def _limits(side: int) -> Callable[[State], Iterable[Sample]]:
    def samples(state: State) -> Iterator[Sample]:
        for figure, limits in limited_figures(state.gates).items():
            yield (figure,), limits[side]

    return samples


def _limited(state: State) -> Iterator[Sample]:
    return (((name,), state.figures.get(name)) for name in limited_figures(state.gates))


METRICS: Final = (
    Metric(
        "recsys_live_run_id",
        "Number of the run that lookups answer from.",
        _live(lambda live: live.run_id),
    ),
    Metric(
        "recsys_live_as_of_timestamp_seconds",
        "Instant before which everything that the live run knows was known.",
        _live(lambda live: live.as_of.instant.timestamp()),
    ),
    Metric(
        "recsys_live_since_timestamp_seconds",
        "When the live run went live.",
        _live(lambda live: live.since.timestamp()),
    ),
    Metric(
        "recsys_live_data_through_timestamp_seconds",
        "Time of the newest event that the live run knows.",
        _data_through,
    ),
    Metric(
        "recsys_live_lists",
        "Users with a list of their own in the live run.",
        _live(lambda live: live.users),
    ),
    Metric(
        "recsys_live_list_places",
        "Length of the live run's lists.",
        _live(lambda live: live.places),
    ),
    Metric(
        "recsys_held_runs",
        "Runs newer than the live one that the audit held back and that wait for a decision.",
        lambda state: _single(len(state.status.held)),
    ),
    Metric(
        "recsys_next_night_timestamp_seconds",
        "When the schedule begins the next night.",
        lambda state: _single(state.status.next_due.timestamp()),
    ),
    Metric(
        "recsys_last_night_as_of_timestamp_seconds",
        "As-of of the last night, whatever became of it.",
        _last_as_of,
    ),
    Metric(
        "recsys_last_night_outcome",
        "What became of the last night: 1 for its outcome, 0 for the others.",
        _outcomes,
        ("outcome",),
    ),
    Metric(
        "recsys_step_duration_seconds",
        "Time that each step of the last night took; none of a step that did not end well.",
        lambda state: _by_name(state.step_seconds),
        ("step",),
    ),
    Metric(
        "recsys_run_id",
        "Number of the run of the latest as-of, live or not, which recsys_run_… tell of.",
        lambda state: _single(None if state.last is None else state.last.run_id),
    ),
    Metric(
        "recsys_run_rows_read",
        "Rows that the run knows of each source.",
        lambda state: _by_name(state.stats.get("read", {})),
        ("source",),
    ),
    Metric(
        "recsys_run_rows_rejected",
        "Rows that the run could not use, by source and reason.",
        lambda state: _by_name(state.stats.get("rejected", {})),
        ("reason",),
    ),
    Metric(
        "recsys_run_lists",
        "Lists that the run made.",
        lambda state: _single(state.stats.get("lists")),
    ),
    Metric(
        "recsys_run_active_users",
        "Members that lists were to be made for.",
        lambda state: _single(state.stats.get("active_users")),
    ),
    Metric(
        "recsys_run_fallback_ratio",
        "Share of the active users without a list of their own.",
        lambda state: _single(state.figures.get("fallback_share")),
    ),
    Metric(
        "recsys_gate_figure",
        "Figure of the run that a gate may limit; the gate of a drift looks at its size alone.",
        _limited,
        ("figure",),
    ),
    Metric(
        "recsys_gate_minimum",
        "Least figure that lets a run go live, where a gate sets one.",
        _limits(0),
        ("figure",),
    ),
    Metric(
        "recsys_gate_maximum",
        "Greatest figure that lets a run go live, where a gate sets one.",
        _limits(1),
        ("figure",),
    ),
    Metric(
        "recsys_lake_bytes",
        "Room that the lake takes on this machine's disk.",
        lambda state: _single(state.status.lake.bytes),
    ),
    Metric(
        "recsys_published_bytes",
        "Room that the published side takes on the disk of its server.",
        lambda state: _single(state.status.published.published),
    ),
)


@dataclass(frozen=True, eq=False)
class StateCollector(Collector):
    """The metrics of a state, as the client library writes them."""

    state: State

    def collect(self) -> Iterator[GaugeMetricFamily]:
        return (metric.family(self.state) for metric in METRICS)
