"""The contract jobs on a lake, and the pages on what they found."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr
from upath import UPath

from jobs.app import data_docs as build_data_docs
from jobs.db.postgres import connect
from jobs.lake.facts import MadeFacts
from jobs.lake.files import remove
from jobs.lake.partitions import Partition
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from jobs.steps import check_lists, check_matrix, check_sources, choose_ranking, train_generators
from jobs.stores.checks import event_checks, results
from jobs.stores.models import model_partition
from jobs.stores.stages import stage_partition
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import ContractError, MissingPartitionError, NoEventsError
from recsys.nights import Night
from recsys.schemas import EVENT_SOURCES, HISTORIES, ITEMS, LISTS, RAW, Table
from recsys.window import Window

FIRST = AsOf.parse("2026-01-01")
EVENTS_A_DAY = 1000
A_DAY, SIX_HOURS = timedelta(days=1), timedelta(hours=6)
Row = Mapping[str, Any]


class Raw:
    """A lake with raw partitions, as extraction leaves them."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.config = config
        self.settings = Settings(
            postgres_uri=None,
            mongo_uri=None,
            lake=UPath(folder),
            sandbox=folder,
            config=folder,
            submitted=False,
        )

    def at(self, day: AsOf) -> RunArguments:
        return RunArguments(day, self.config, self.settings, day.instant + timedelta(hours=2))

    def write(self, partition: Partition, table: Table, rows: Sequence[Row]) -> None:
        with partition.replace() as draft:
            draft.write_table(pa.Table.from_pylist(list(rows), table.arrow(self.config.ids)))

    def snapshot(self, name: str, day: AsOf, rows: Sequence[Row]) -> None:
        self.write(self.at(day).lake.as_of(RAW[name].name, day), RAW[name], rows)

    def events(self, name: str, window: Window, rows: Sequence[Row]) -> None:
        day = AsOf(window.end)
        lake = self.at(day).lake
        place = lake.events_of(RAW[name].name, self.config.source_fingerprint(name))
        self.write(lake.window(place, window), RAW[name], rows)
        self.write(lake.as_of(f"{place}/undated", day), RAW[name], [])

    def run_of_hours(self, as_of: AsOf, events: int) -> None:
        """Partitions of one of four runs a day: all of the day's, but for events of its hours."""
        self.night(as_of)
        for name in EVENT_SOURCES:
            lake = self.at(as_of).lake
            place = lake.events_of(RAW[name].name, self.config.source_fingerprint(name))
            remove(lake.window(place, Window((as_of - A_DAY).instant, as_of.instant)).path)
            window = Window((as_of - SIX_HOURS).instant, as_of.instant)
            self.events(name, window, [event(as_of, n) for n in range(events)])

    def night(self, day: AsOf, *, events: int = EVENTS_A_DAY, **changes: Any) -> None:
        """One night's partitions; `changes` are values of every event."""
        self.snapshot("users", day, [{c.USER_ID: n, c.ACTIVE: True} for n in range(10)])
        self.snapshot("items", day, [{c.ITEM_ID: n, c.AVAILABLE: True} for n in range(20)])
        self.snapshot("blocks", day, [{c.USER_ID: 1, c.ITEM_ID: 2}])
        for name, key in (("item_profiles", c.ITEM_ID), ("user_profiles", c.USER_ID)):
            self.snapshot(name, day, [{key: 1, c.TEXT: "oak", c.TAGS: [], c.ATTRIBUTES: []}])
        window = Window.before(day)
        if day > FIRST:
            window = Window((day - timedelta(days=1)).instant, day.instant)
        for name in EVENT_SOURCES:
            self.events(name, window, [event(day, n) | changes for n in range(events)])


def event(day: AsOf, n: int) -> dict[str, Any]:
    time = day.instant - timedelta(seconds=n + 1)
    ids = {c.USER_ID: n % 10, c.ITEM_ID: n % 20}
    return {**ids, c.EVENT_TYPE: "view", c.OCCURRED_AT: time, c.ARRIVED_AT: time}


@pytest.fixture
def raw(tmp_path: Path, config: Config) -> Raw:
    return Raw(tmp_path / "lake", config)


def nights(raw: Raw, count: int) -> AsOf:
    """Checked nights in a row, and the day after them."""
    for n in range(count):
        raw.night(FIRST + timedelta(days=n))
        check_sources.main(raw.at(FIRST + timedelta(days=n)))
    return FIRST + timedelta(days=count)


def test_good_nights_pass_without_a_warning(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    day = nights(raw, 7)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    last = stage_partition(raw.at(day).lake, "sources", day - timedelta(days=1)).manifest()
    assert last.stats["violations"] == []
    assert last.stats["events"]["events"]["mix"] == {"view": 1.0}
    (window,) = last.stats["events"]["events"]["windows"]
    assert window.endswith("window=2026-01-06..2026-01-07")


def test_a_day_with_hardly_any_event_stops_the_run_and_leaves_a_row(
    raw: Raw, postgres_uri: SecretStr
) -> None:
    day = nights(raw, 7)
    raw.settings = raw.settings.model_copy(update={"postgres_uri": postgres_uri})
    raw.night(day, events=20)
    with pytest.raises(ContractError) as error:
        check_sources.main(raw.at(day))
    assert error.value.exit_code == 28
    assert str(error.value).startswith(
        "raw/interactions: events a day is 20, allowed is at least 200; see whether"
    )
    assert "(and 1 more" in str(error.value)
    with connect(postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT as_of, outcome, run_id, step, reason FROM recs.night")
        assert cursor.fetchall() == [
            (day.instant, "stopped", None, "check_sources", str(error.value))
        ]
        cursor.execute(
            "SELECT table_name, observed, allowed, severity FROM recs.contract_result "
            "WHERE rule = 'events a day' AND NOT passed ORDER BY table_name"
        )
        told = ("20", "at least 200", "fail")
        assert cursor.fetchall() == [("raw/events", *told), ("raw/interactions", *told)]
        cursor.execute(
            "SELECT count(*) > 50, count(*) FILTER (WHERE NOT passed) FROM recs.rule_result"
        )
        assert cursor.fetchall() == [(True, 2)]


def test_an_error_is_raised_though_no_row_can_be_left(
    raw: Raw, bare_postgres_uri: SecretStr, caplog: pytest.LogCaptureFixture
) -> None:
    raw.settings = raw.settings.model_copy(update={"postgres_uri": bare_postgres_uri})
    with pytest.raises(MissingPartitionError):
        check_sources.main(raw.at(FIRST))
    assert "no row of this night in recs.stopped_night" in caplog.text


def test_quiet_hours_of_runs_within_the_day_are_no_loss(
    raw: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    as_of = nights(raw, 7) - A_DAY
    for events in (10, 490, 490, 10) * 2:
        as_of += SIX_HOURS
        raw.run_of_hours(as_of, events)
        check_sources.main(raw.at(as_of))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    for events in (10, 45):
        as_of += SIX_HOURS
        raw.run_of_hours(as_of, events)
        check_sources.main(raw.at(as_of))
    as_of += SIX_HOURS
    raw.run_of_hours(as_of, 45)
    with pytest.raises(ContractError, match="raw/interactions: events a day is 110, allowed is at"):
        check_sources.main(raw.at(as_of))


def test_a_lost_day_does_not_hide_behind_a_full_one(raw: Raw) -> None:
    day = nights(raw, 7)
    raw.night(day, events=0)
    raw.night(day + timedelta(days=1))
    with pytest.raises(ContractError, match="raw/interactions: events a day is 0, allowed"):
        check_sources.main(raw.at(day + timedelta(days=1)))


@pytest.mark.parametrize("lost", [3, 4])
def test_blocks_that_are_gone_stop_the_run_though_there_are_as_many(raw: Raw, lost: int) -> None:
    def blocked(day: AsOf, items: Iterable[int]) -> RunArguments:
        raw.night(day)
        raw.snapshot("blocks", day, [{c.USER_ID: n % 10, c.ITEM_ID: n} for n in items])
        return raw.at(day)

    check_sources.main(blocked(FIRST, range(10)))
    after = blocked(FIRST + timedelta(days=1), range(lost, 10 + lost))
    if lost == 3:
        check_sources.main(after)
        return
    for _ in range(2):  # a run that failed is nothing to be compared with
        with pytest.raises(ContractError, match="run before that are gone is 4, allowed is at m"):
            check_sources.main(after)
        after = blocked(FIRST + timedelta(days=2), range(lost, 20))
    # In a month some are taken back one by one.
    check_sources.main(blocked(FIRST + timedelta(days=30), range(lost, 20)))


def test_events_that_stay_away_stop_the_run(raw: Raw) -> None:
    day = nights(raw, 7) + timedelta(days=30)
    raw.night(day, events=0)
    with pytest.raises(ContractError, match=r"events a day is 0, .*and 3 more"):
        check_sources.main(raw.at(day))


def test_ids_of_another_world_stop_the_run(raw: Raw) -> None:
    raw.night(FIRST, item_id=77)
    with pytest.raises(ContractError, match="share of unknown item_id is 1, allowed is at most"):
        check_sources.main(raw.at(FIRST))


def test_a_warning_lets_the_run_go_on(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    raw.night(FIRST, value=-1.0)
    check_sources.main(raw.at(FIRST))
    assert "raw/events: share of negative value is 1, allowed is at most 0.01" in caplog.text


def test_a_column_of_another_type_stops_the_run(raw: Raw) -> None:
    raw.night(FIRST)
    table = RAW["users"]
    partition = raw.at(FIRST).lake.as_of(table.name, FIRST)
    with partition.replace() as draft:
        draft.write_table(pa.table({c.USER_ID: ["a"], c.ACTIVE: [True]}))
    with pytest.raises(ContractError, match="raw/users: type of user_id is string, allowed is"):
        check_sources.main(raw.at(FIRST))


def test_a_check_can_be_repeated_and_reads_no_window_of_another_night(raw: Raw) -> None:
    day = nights(raw, 3) - timedelta(days=1)
    partition = stage_partition(raw.at(day).lake, "sources", day)
    before = results(partition), partition.manifest().stats
    check_sources.main(raw.at(day))
    assert (results(partition), partition.manifest().stats) == before
    checks = event_checks(raw.at(day).lake, "events", day)
    assert [len(check.windows) for check in checks.values()] == [1, 1]


def test_events_that_failed_are_looked_at_again_the_next_night(raw: Raw) -> None:
    day = nights(raw, 2)
    raw.night(day, item_id=77)
    with pytest.raises(ContractError, match="share of unknown item_id is 1,"):
        check_sources.main(raw.at(day))
    raw.night(day + timedelta(days=1), events=100)
    with pytest.raises(ContractError, match=r"share of unknown item_id is 0\.909091,"):
        check_sources.main(raw.at(day + timedelta(days=1)))


def catalogue() -> list[Row]:
    kept = {c.TITLE: None}
    return [{c.ITEM_ROW: n, c.ITEM_ID: n, c.AVAILABLE: n != 5, **kept} for n in range(20)]


def made(raw: Raw, best: int) -> RunArguments:
    """A run's matrix of ten users who saw item 0, and lists that begin with an item."""
    arguments = raw.at(FIRST)
    lake, users = arguments.lake, range(10)
    seen = {
        c.ITEM_ROWS: [0],
        c.WEIGHTS: [1.0],
        c.AGES: [1.0],
        c.LAST_AGES: [1.0],
        c.EARLIER_WEIGHTS: [None],
        c.EARLIER_LAST_AGES: [None],
        c.BLOCKED_ROWS: [],
        c.ACTIVE: True,
    }
    ranked = {c.ITEM_IDS: [best, 7], c.SCORES: [2.0, 1.0], c.SOURCES: [0, 0]}
    ranked[c.PROPENSITIES] = [1.0, 1.0]
    raw.write(lake.as_of(ITEMS.name, FIRST), ITEMS, catalogue())
    histories = [{c.USER_ROW: n, c.USER_ID: n, **seen} for n in users]
    raw.write(lake.as_of(HISTORIES.name, FIRST), HISTORIES, histories)
    raw.write(lake.as_of(LISTS.name, FIRST), LISTS, [{c.USER_ID: n, **ranked} for n in users])
    return arguments


def test_a_matrix_of_one_day_long_ago_passes_only_after_another_one(raw: Raw) -> None:
    def matrix_of(day: AsOf, age: float) -> RunArguments:
        arguments = made(raw, 9)
        history = arguments.lake.as_of(HISTORIES.name, FIRST).read(HISTORIES, raw.config.ids)
        aged = [row | {c.AGES: [age]} for row in history.to_pylist()]
        raw.write(arguments.lake.as_of(HISTORIES.name, day), HISTORIES, aged)
        raw.write(arguments.lake.as_of(ITEMS.name, day), ITEMS, catalogue())
        return raw.at(day)

    day = FIRST + timedelta(days=1)
    with pytest.raises(ContractError, match="days since everything happened at once is 20459,"):
        check_matrix.main(matrix_of(day, 20_459.0))
    with pytest.raises(ContractError, match="at once is 20460,"):
        check_matrix.main(matrix_of(day + timedelta(days=1), 20_460.0))
    for n in range(2, 12):
        check_matrix.main(matrix_of(day + timedelta(days=n), float(n)))


@pytest.mark.parametrize("job", [train_generators, choose_ranking])
def test_no_job_goes_on_without_evidence(raw: Raw, job: Any) -> None:
    arguments = made(raw, 9)
    partition = arguments.lake.as_of(HISTORIES.name, FIRST)
    rows = partition.read(HISTORIES, raw.config.ids).to_pylist()
    raw.write(partition, HISTORIES, [row | {c.WEIGHTS: [0.0]} for row in rows])
    for name in ("item_profiles", "user_profiles"):
        raw.snapshot(name, FIRST, [])
    for name in raw.config.generators.used():
        with model_partition(arguments.lake, name, FIRST).replace() as draft:
            MadeFacts(night=Night(fingerprint="")).note(draft)
    with pytest.raises(NoEventsError, match=f"matrix as of {FIRST} has a weight above 0"):
        job.main(arguments)


@pytest.mark.parametrize(
    ("best", "message"),
    [
        (0, "entries that the user has seen or blocked is 10, allowed is at most 0"),
        (5, "entries of items that are not available is 10"),
        (7, "items that a list holds twice is 10"),
    ],
)
def test_bad_lists_are_not_let_through(raw: Raw, best: int, message: str) -> None:
    check_matrix.main(made(raw, 9))
    check_lists.main(made(raw, 9))
    with pytest.raises(ContractError, match=f"lists: {message}"):
        check_lists.main(made(raw, best))


def test_pages_show_every_table_and_what_was_wrong(raw: Raw, tmp_path: Path) -> None:
    lake = raw.at(FIRST).lake
    with pytest.raises(MissingPartitionError, match="run check_sources first"):
        build_data_docs.main(lake)
    raw.night(FIRST, value=-1.0)
    check_sources.main(raw.at(FIRST))
    check_lists.main(made(raw, 9))
    index = build_data_docs.main(lake)
    assert index == tmp_path / "lake" / "contracts" / "docs" / "index.html"
    pages = {str(p.relative_to(index.parent)): p.read_text() for p in index.parent.rglob("*.html")}
    assert len(pages) == 9
    (page,) = (text for path, text in pages.items() if "/raw/events/" in path)
    status = r"<h5[^>]*>\s*share of negative value\s*</h5>.*?<tbody>\s*<tr>\s*<td[^>]*>(.*?)</td>"
    (cell,) = re.findall(status, page, re.DOTALL)
    assert re.sub(r"<[^>]*>", "", cell).strip() == "warned"
    assert "failed</span>" not in re.sub(r"\s+", "", page)
    assert "a negative value counts as 0" in json.dumps(
        results(stage_partition(lake, "sources", FIRST))
    )
    assert all("as_of=2026-01-01" in path for path in pages if path != "index.html")
    loaded = r"<(?:link|script|img)[^>]*https?://|url\(['\"]?http|@import"
    assert [path for path, text in pages.items() if re.search(loaded, text)] == []
    first = pages["index.html"]
    assert all(f'href="{path}"' in first for path in pages if path != "index.html")
    assert "<td>warned</td><td>share of negative value is 1.0</td>" in first
    assert "<td>failed</td>" not in first
