"""A backfill is what the nights would have been, in any order, and never hurts what is live.

`make chaos` runs the long form; `--chaos-days` and `--chaos-seed` choose it.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from upath import UPath

from jobs.app.backfill import Ended, PlannedRun, State, backfill, plan
from jobs.lake.manifests import MANIFEST, read_manifest
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.market import EVENTS, Market
from jobs.sandbox.seed import make_market
from jobs.steps import extract_sources
from jobs.stores.models import histories
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.schemas import ITEMS, RAW_ITEMS
from tests.e2e.conftest import OBSERVED_AT, Pipeline
from tests.e2e.night_runs import END, arguments, in_this_process, into_an_empty_lake, night

A_DAY, SIX_HOURS = timedelta(days=1), timedelta(hours=6)
NIGHTLY_HOUR = timedelta(hours=2)
LATE_USER, LATE_ITEM = 1_000_000, 2_000_000


@pytest.fixture
def dates(request: pytest.FixtureRequest) -> list[AsOf]:
    """The dates that are run, oldest first."""
    days = request.config.getoption("--chaos-days")
    return [END - timedelta(days=n) for n in reversed(range(days))]


def market(dates: list[AsOf]) -> Market:
    """Forty days; a user whose only event arrives late; items listed late, and who knows when."""
    made = make_market(60, 40, 40, 2_000, 5, END)
    row = made.events.slice(0, 1).to_pylist()[0]
    late = row | {
        "user_id": LATE_USER,
        "ts": dates[0].instant - timedelta(days=2),
        "received_at": dates[1].instant + timedelta(hours=1),
    }
    rows = pa.Table.from_pylist([late], schema=made.events.schema).select(list(EVENTS))
    item = {"title": "lamp", "available": True}
    items = pa.Table.from_pylist(
        [
            item | {"item_id": LATE_ITEM, "created_at": dates[1].instant},
            item | {"item_id": LATE_ITEM + 1, "created_at": None},
        ],
        schema=made.items.schema,
    )
    return replace(
        made,
        events=pa.concat_tables([made.events, rows]),
        items=pa.concat_tables([made.items, items]),
    )


def hashes(pipeline: Pipeline) -> dict[AsOf, str]:
    rows = pipeline.query("SELECT as_of, list_hash FROM recs.run ORDER BY run_id")
    assert len(rows) == len(dict(rows))
    return {AsOf(as_of): list_hash for as_of, list_hash in rows}


def files(pipeline: Pipeline, pattern: str) -> dict[Path, tuple[int, int]]:
    """When each manifest was written, and the file that it is."""
    lake = Path(pipeline.settings.lake.path)
    found = {path: path.stat() for path in lake.glob(f"raw/{pattern}/{MANIFEST}")}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def test_a_backfill_is_what_the_nights_would_have_been(
    pipeline: Pipeline,
    environment: dict[str, str],
    tmp_path: Path,
    dates: list[AsOf],
    request: pytest.FixtureRequest,
) -> None:
    """One story, because a run takes long."""
    pipeline.load(market(dates))
    for day in dates:
        night(arguments(pipeline, day.instant + NIGHTLY_HOUR, day))
    nightly, windows = hashes(pipeline), files(pipeline, "*/*/window=*")
    assert len(set(nightly.values())) == len(dates)
    kept = check_what_was_read_on_its_day_is_kept(pipeline, dates)

    again = into_an_empty_lake(pipeline, tmp_path / "second")
    run = arguments(again, OBSERVED_AT)
    days = plan(run, dates[0], A_DAY, promote=False)
    assert [day.state for day in days] == [State.REMAINING] * len(dates)
    chance = random.Random(request.config.getoption("--chaos-seed"))  # noqa: S311 - an order
    shuffled = chance.sample(days, len(days))
    changes = list(backfill(run, shuffled, 1, in_this_process(run)))
    done = [day.as_of for day in changes if day.state is State.DONE]
    assert done == [day.as_of for day in shuffled]
    assert hashes(again) == nightly
    assert again.query("SELECT run_id FROM recs.live") == []

    read = files(again, "*/*/window=*")
    assert rows(read) == rows(windows)
    check_the_late_row_is_known_from_its_arrival_on(again, dates)
    check_the_past_is_marked_and_knows_no_later_rows(again, dates, kept)

    skipped = plan(run, dates[0], A_DAY, promote=False)
    assert [day.state for day in skipped] == [State.SKIPPED] * len(dates)
    assert list(backfill(run, skipped, 1, in_this_process(run))) == []
    check_the_command_promotes_the_last_date_alone(again, environment, nightly)
    assert files(again, "*/*/window=*") == read


def test_four_runs_a_day_are_what_a_backfill_of_them_makes(
    pipeline: Pipeline, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its last is as of a midnight, and what the night of a lake of whole days makes."""
    instants = [END - n * SIX_HOURS for n in reversed(range(4))]
    pipeline.load(market(instants))
    for as_of in instants:
        night(arguments(pipeline, as_of.instant + NIGHTLY_HOUR, as_of))
    in_time = hashes(pipeline)
    assert list(in_time) == instants
    assert len(set(in_time.values())) == len(instants)
    again = into_an_empty_lake(pipeline, tmp_path / "second")
    run = arguments(again, OBSERVED_AT)
    planned = plan(run, instants[0], SIX_HOURS, promote=False)
    assert [each.as_of for each in planned] == instants
    chance = random.Random(request.config.getoption("--chaos-seed"))  # noqa: S311 - an order
    shuffled = chance.sample(planned, len(planned))
    assert shuffled != planned
    for _ in backfill(run, shuffled, 1, in_this_process(run)):
        pass
    assert hashes(again) == in_time
    daily = into_an_empty_lake(pipeline, tmp_path / "third")
    for day in (END - A_DAY, END):
        night(arguments(daily, day.instant + NIGHTLY_HOUR, day))
    assert hashes(daily)[END] == in_time[END]


@pytest.mark.chaos
def test_processes_in_parallel_come_to_the_same(
    pipeline: Pipeline,
    environment: dict[str, str],
    tmp_path: Path,
    dates: list[AsOf],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline.load(market(dates))
    begin = time.monotonic()
    for day in dates:
        night(arguments(pipeline, day.instant + NIGHTLY_HOUR, day))
    nights = time.monotonic() - begin
    nightly, windows = hashes(pipeline), files(pipeline, "*/*/window=*")
    again = into_an_empty_lake(pipeline, tmp_path / "second")
    done = command(again, environment, dates, "--parallel", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(dates)} done, 0 skipped, 0 failed" in done.stdout
    assert hashes(again) == nightly
    assert again.query("SELECT run_id FROM recs.live") == []
    assert rows(files(again, "*/*/window=*")) == rows(windows)
    with capsys.disabled():
        seconds = time.monotonic() - begin - nights
        print(  # noqa: T201
            f"\n{len(dates)} dates: {nights:.0f} s as nights in one process, "
            f"{seconds:.0f} s as a backfill of two processes at a time"
        )


def rows(found: Mapping[Path, object]) -> int:
    """Rows of the partitions of some manifests."""
    return sum(read_manifest(UPath(path.parent)).rows for path in found)


def check_what_was_read_on_its_day_is_kept(pipeline: Pipeline, dates: list[AsOf]) -> int:
    """Gives the number of items that the first date knew."""
    first = arguments(pipeline, OBSERVED_AT, dates[0])
    taken = files(pipeline, "*/as_of=*")
    assert len(taken) == 5 * len(dates)
    extract_sources.main(first)
    assert files(pipeline, "*/as_of=*") == taken
    partition = first.lake.as_of(RAW_ITEMS.name, dates[0])
    assert partition.manifest().stats["reconstructed"] is False
    return partition.manifest().rows


def check_the_late_row_is_known_from_its_arrival_on(pipeline: Pipeline, dates: list[AsOf]) -> None:
    known = [
        LATE_USER
        in histories(arguments(pipeline, OBSERVED_AT).lake, day, pipeline.config.ids)[
            c.USER_ID
        ].to_pylist()
        for day in dates
    ]
    assert known == [day > dates[1] for day in dates]


def check_the_past_is_marked_and_knows_no_later_rows(
    pipeline: Pipeline, dates: list[AsOf], known: int
) -> None:
    lake, ids = arguments(pipeline, OBSERVED_AT).lake, pipeline.config.ids
    for day in dates:
        manifest = lake.as_of(RAW_ITEMS.name, day).manifest()
        assert manifest.stats["reconstructed"] is True
        (counted,) = pipeline.query(
            "SELECT count(*) FROM market.items WHERE created_at < %s OR created_at IS NULL",
            (day.instant,),
        )
        assert counted == (manifest.rows,)
    assert lake.as_of(RAW_ITEMS.name, dates[0]).manifest().rows == known
    listed = [set(lake.as_of(ITEMS.name, d).read(ITEMS, ids)[c.ITEM_ID].to_pylist()) for d in dates]
    assert [LATE_ITEM in items for items in listed] == [day > dates[1] for day in dates]
    assert all(LATE_ITEM + 1 in items for items in listed)


def check_the_command_promotes_the_last_date_alone(
    pipeline: Pipeline, environment: dict[str, str], nightly: dict[AsOf, str]
) -> None:
    done = command(pipeline, environment, sorted(nightly), "--promote")
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = len(nightly) - 1
    assert f"0 remaining, 0 running, 1 done, {skipped} skipped, 0 failed" in done.stdout
    live = pipeline.query("SELECT as_of, list_hash FROM recs.live JOIN recs.run USING (run_id)")
    assert live == [(END.instant, nightly[END])]


def command(
    pipeline: Pipeline, environment: dict[str, str], dates: list[AsOf], *options: str
) -> "subprocess.CompletedProcess[str]":
    """`recsys backfill` over the dates."""
    words = [sys.executable, "-m", "jobs.cli.main", "backfill"]
    words += ["--from", f"{dates[0]}", "--to", f"{dates[-1]}", *options]
    changed = environment | {"RECSYS_LAKE": str(pipeline.settings.lake)}
    return subprocess.run(
        words, env=os.environ | changed, capture_output=True, text=True, check=False
    )


@pytest.fixture
def anywhere(pipeline: Pipeline) -> RunArguments:
    pipeline.load(make_market(30, 24, 10, 400, 3, END))
    return arguments(pipeline, datetime(2026, 6, 1, tzinfo=UTC))


def test_a_date_that_fails_is_named_and_the_others_go_on(
    anywhere: RunArguments, dates: list[AsOf]
) -> None:
    bad = dates[1]

    def make(planned: PlannedRun) -> Ended:
        return Ended(21, "no usable event") if planned.as_of == bad else Ended()

    days = plan(anywhere, dates[0], A_DAY, promote=True)
    assert [day.as_of for day in days if day.promote] == [END]
    changes = list(backfill(anywhere, days, 2, make))
    ended = {day.as_of: day for day in changes if day.state is not State.RUNNING}
    assert [day.state for day in changes].count(State.RUNNING) == len(dates)
    assert [ended[day].state for day in dates].count(State.DONE) == len(dates) - 1
    assert (ended[bad].exit_code, ended[bad].error) == (21, "no usable event")
