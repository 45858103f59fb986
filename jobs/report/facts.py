"""Everything that the report of a run tells, gathered from the published side and the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from jobs.db.postgres import Connection
from jobs.lake.facts import RuleFacts
from jobs.lake.partitions import Lake
from jobs.sinks.postgres import lookup
from jobs.sinks.postgres import report as published
from jobs.sinks.postgres.published import read_lists
from jobs.sinks.postgres.report import ReasonedPlace, ReportedRun, SegmentShare
from recsys import columns as c
from recsys.arrays import Floats
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import MissingPartitionError, RunNotThereError
from recsys.evaluation.concentration import Tenth, by_popularity, lorenz
from recsys.evaluation.diff import EXPOSURE, Difference, Mover
from recsys.evaluation.run_metrics import RunMetric
from recsys.schemas import HISTORIES, ITEMS

RUNS: Final = 30
"""Runs that a figure is shown over."""
PEOPLE: Final = 10
PLACES: Final = 10
"""Of each sampled user's list."""
_MOVERS: Final = 5
_SEGMENTS: Final = 12
_TOUCHED: Final = "touched"


@dataclass(frozen=True)
class ReadLists:
    """The lists of a run, and how they differ from those of the run it was compared with."""

    lists: pa.Table
    """Columns user_id, item_ids and scores, `gates.depth` places or more."""
    difference: Difference
    """Against nothing where that run's lists are not kept any more."""


@dataclass(frozen=True)
class ListFacts:
    """What a run's lists show, and how they differ from those it was compared with."""

    lorenz: tuple[Floats, Floats] | None
    firsts: Floats
    """(lists,) score of each first place."""
    firsts_before: Floats
    """The same of the other run; none where its lists are not kept any more."""
    places: Floats
    """(depth, 3) quartiles of the scores of each place; NaN where no list is as long."""
    churns: Floats
    """(users,) share of places that changed, of those with both lists."""
    gained: Sequence[Mover]
    lost: Sequence[Mover]
    titles: Mapping[str, str]
    """Of the items that gained or lost."""
    tenths: Sequence[Tenth]
    """Available items by popularity; none where the lake has the night's histories no more."""
    people: Sequence[ReasonedPlace]
    """First places of a sample of users, in order of users."""


@dataclass(frozen=True)
class ReportFacts:
    """What a report tells."""

    run: ReportedRun
    history: Mapping[int, AsOf]
    """As-of of each run that figures are shown over, the reported one last."""
    metrics: Mapping[int, Sequence[RunMetric]]
    """By run."""
    rules: Sequence[RuleFacts]
    segments: Sequence[SegmentShare]
    lists: ListFacts | None
    """None where the run's lists are not kept any more."""


def gathered(
    uri: SecretStr,
    lake: Lake,
    config: Config,
    run_id: int | None = None,
    read: ReadLists | None = None,
) -> ReportFacts:
    """The facts of a run. run_id: None for the newest. read: its lists where they were read before.

    Raises RunNotThereError where there is no such run.
    """
    with published.report_session(uri) as session:
        run = published.reported_run(session, run_id)
        history = published.earlier_runs(session, run.run_id, RUNS)
        shown = sorted({*history, *([run.compared_with] if run.compared_with else [])})
        read = read or _read(uri, run, config)
        return ReportFacts(
            run=run,
            history=history,
            metrics=published.metrics_of(session, shown),
            rules=published.rules_of(session, run.run_id),
            segments=published.segments_of(session, run.run_id, _SEGMENTS),
            lists=None if read is None else _list_facts(session, uri, lake, config, run, read),
        )


def _read(uri: SecretStr, run: ReportedRun, config: Config) -> ReadLists | None:
    depth = config.gates.depth
    after = _lists(uri, run.run_id, config, depth)
    if after is None:
        return None
    before = _lists(uri, run.compared_with, config, depth)
    return ReadLists(after, Difference.between(before, after, depth=depth))


def _list_facts(
    session: Connection,
    uri: SecretStr,
    lake: Lake,
    config: Config,
    run: ReportedRun,
    read: ReadLists,
) -> ListFacts:
    difference = read.difference
    gained, lost = difference.movers(_MOVERS) if difference.before.rows else ((), ())
    exposure = difference.exposure()
    items = _items(lake, run.as_of, config)
    named = [str(mover.item_id) for mover in (*gained, *lost)]
    seen_by = [number for number in (run.run_id, run.compared_with) if number]
    users = _sample(read.lists, config.seed)
    return ListFacts(
        lorenz=lorenz(exposure[EXPOSURE].to_numpy(), run.available_items or 0),
        firsts=difference.after.best_scores,
        firsts_before=difference.before.best_scores,
        places=_quartiles(read.lists, difference.depth),
        churns=difference.churns(),
        gained=gained,
        lost=lost,
        titles=lookup.titles(uri, config.ids, named, seen_by) if named else {},
        tenths=[] if items is None else _tenths(items, exposure),
        people=published.places_of(session, config.ids, run.run_id, users, PLACES),
    )


def _lists(uri: SecretStr, run_id: int | None, config: Config, depth: int) -> pa.Table | None:
    try:
        return None if run_id is None else read_lists(uri, run_id, config.ids, depth)
    except RunNotThereError:
        return None


def _sample(lists: pa.Table, seed: int) -> list[str]:
    """Users with a list, drawn by the seed."""
    full = lists.filter(pc.greater(pc.list_value_length(lists[c.ITEM_IDS]), 0))[c.USER_ID]
    users = full.take(pc.sort_indices(full))
    size = min(PEOPLE, len(users))
    drawn = np.random.default_rng(seed).choice(len(users), size, replace=False)
    return [str(user) for user in users.take(pa.array(np.sort(drawn))).to_pylist()]


def _quartiles(lists: pa.Table, depth: int) -> Floats:
    scores = lists[c.SCORES].combine_chunks()
    lengths = pc.list_value_length(scores).to_numpy()
    values = scores.flatten().to_numpy()
    starts = np.cumsum(lengths) - lengths
    quartiles = np.full((depth, 3), np.nan)
    for place in range(min(depth, int(lengths.max(initial=0)))):
        quartiles[place] = np.quantile(values[starts[lengths > place] + place], (0.25, 0.5, 0.75))
    return quartiles


def _items(lake: Lake, as_of: AsOf, config: Config) -> pa.Table | None:
    """Available items and how many users touched each, as the night's matrix had them: columns
    item_id and touched; None where the lake has it no more."""
    try:
        items = lake.as_of(ITEMS.name, as_of).read(ITEMS, config.ids)
        histories = lake.as_of(HISTORIES.name, as_of).dataset(HISTORIES, config.ids)
    except MissingPartitionError:
        return None
    rows = histories.to_table([c.ITEM_ROWS])[c.ITEM_ROWS].combine_chunks().flatten()
    touched = np.bincount(rows.to_numpy(), minlength=len(items))[: len(items)]
    table = pa.table({c.ITEM_ID: items[c.ITEM_ID], _TOUCHED: touched})
    return table.filter(items[c.AVAILABLE])


def _tenths(items: pa.Table, exposure: pa.Table) -> list[Tenth]:
    place = pc.index_in(items[c.ITEM_ID], value_set=exposure[c.ITEM_ID].combine_chunks())
    shown = pc.fill_null(exposure[EXPOSURE].take(place), 0.0).to_numpy()
    return by_popularity(items[_TOUCHED].to_numpy(), shown)
