"""Publishing into a real server: what can be seen, when, and by whom."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from string import ascii_letters
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from jobs.sinks.base import RunRecord
from jobs.sinks.postgres import lookup
from jobs.sinks.postgres.migrations import MIGRATIONS, migrate
from jobs.sinks.postgres.published import run_facts
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import Published, publish
from jobs.steps import publish_lists
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import (
    ConfigError,
    DataError,
    PostgresUnavailableError,
    PublishedSideError,
    RecsysError,
    SchemaError,
)
from recsys.evaluation.audit import AuditVerdict, RunFacts, audit
from recsys.ids import MOST_BYTES
from recsys.schemas import LISTS
from recsys.sections.gates import Gates
from recsys.sections.ids import Ids
from tests.postgres.publications import (
    BIGINT,
    DAY,
    NARROW,
    RECORD,
    TABLES,
    go,
    items_of,
    judged,
    lists,
    passed,
    popular,
    query,
    tables,
)


def test_the_lookup_answers_for_everybody(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10, 11, 12]), (-(2**63), [20]), (3, []))
    assert [(i.rank, i.item_id, i.source) for i in lookup.top_n(postgres_uri, "1", 2)] == [
        (1, "10", "als"),
        (2, "11", "popularity"),
    ]
    assert items_of(postgres_uri, -(2**63)) == ["20"]
    assert items_of(postgres_uri, 999) == ["70", "71"]
    assert items_of(postgres_uri, 999, 1) == ["70"]
    assert items_of(postgres_uri, 3) == []
    assert items_of(postgres_uri, 1, 0) == []


def test_the_own_list_comes_before_the_segments_and_that_before_everybodys(
    postgres_uri: SecretStr,
) -> None:
    go(postgres_uri, (1, [10, 11]), (3, []))

    def answer(user: int, segment: str | None) -> list[tuple[str, str]]:
        found = lookup.top_n(postgres_uri, str(user), 10, segment)
        return [(item.item_id, item.source) for item in found]

    own, everybodys = [("10", "als"), ("11", "popularity")], [("70", "popular"), ("71", "popular")]
    assert answer(1, "c=de") == answer(1, None) == own
    assert answer(3, "c=de") == []
    assert answer(999, "c=de") == [("80", "segment"), ("71", "segment"), ("81", "segment")]
    assert answer(999, "c=fr") == [("90", "segment")]
    for unknown in (None, "all", "c=xx", "de", "", "' OR true --", "x" * 10_000):
        assert answer(999, unknown) == everybodys, unknown


def test_a_lookup_needs_neither_length_nor_segment(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, list(range(10, 40))))
    for call, rows in {
        "recs.top_n(1)": 20,
        "recs.top_n(1, 5)": 5,
        "recs.top_n(for_user => 1, n => 5)": 5,
        "recs.top_n(999, segment => 'c=de')": 3,
        "recs.top_n(999, segment => NULL)": 2,
    }.items():
        count = f"SELECT count(*) FROM {call}"  # noqa: S608 - constants of this test
        assert query(postgres_uri, count, "recsys_app") == [(rows,)], call


def test_a_segment_is_of_the_live_run(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    made = tables(BIGINT, lists(BIGINT, (1, [10])), popular(BIGINT, 72))
    publish(PostgresSink(postgres_uri, BIGINT), RECORD, made, passed, 7)
    assert items_of(postgres_uri, 999, 10, "c=de") == ["72"]


def test_nothing_is_published_before_the_first_run(postgres_uri: SecretStr) -> None:
    assert items_of(postgres_uri, 1) == []


@pytest.mark.parametrize(
    ("ids", "user", "items"),
    [
        (
            Ids(user="uuid", item="uuid"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12", "00000000-0000-0000-0000-000000000000"],
        ),
        (Ids(user="text", item="text"), "Zoë 🎈", ["'; DROP TABLE x; --", '{a,"b\\c', " "]),
        (Ids(user="text", item="bigint"), "42", [2**63 - 1, -(2**63)]),
    ],
)
def test_ids_of_every_type_come_back_unchanged(
    bare_postgres_uri: SecretStr, ids: Ids, user: str, items: list[Any]
) -> None:
    migrate(bare_postgres_uri, ids)
    made = tables(ids, lists(ids, (user, items)), popular(ids, items[0]))
    publish(PostgresSink(bare_postgres_uri, ids), RECORD, made, passed, 7)
    assert items_of(bare_postgres_uri, user) == [str(item) for item in items]
    (kind,) = query(
        bare_postgres_uri, "SELECT pg_typeof(item_id)::text FROM recs.list_item LIMIT 1"
    )
    assert kind == (ids.item,)


def test_equal_lists_have_equal_checksums(postgres_uri: SecretStr) -> None:
    rows: list[tuple[Any, list[Any]]] = [(1, [10, 11]), (2, [12])]
    first, again = go(postgres_uri, *rows), go(postgres_uri, *reversed(rows))
    assert first.list_hash == again.list_hash
    assert go(postgres_uri, (1, [11, 10]), (2, [12])).list_hash != first.list_hash
    table = lists(BIGINT, *rows).to_table()
    certain = pa.array([[1.0, 1.0], [1.0]], pa.list_(pa.float32()))
    place = table.schema.get_field_index("propensities")
    likelier = ds.dataset(table.set_column(place, table.schema.field(place), certain))
    made = tables(BIGINT, likelier, popular(BIGINT, 70))
    assert (
        publish(PostgresSink(postgres_uri, BIGINT), RECORD, made, passed, 7).list_hash
        != first.list_hash
    )


def test_a_failed_load_leaves_the_live_lists_and_nothing_else(postgres_uri: SecretStr) -> None:
    live = go(postgres_uri, (1, [10]))
    with pytest.raises(DataError, match="could not create unique index"):
        go(postgres_uri, (2, [20]), (2, [21]))
    assert items_of(postgres_uri, 1) == ["10"]
    assert items_of(postgres_uri, 2) == ["70", "71"]
    go(postgres_uri, (2, [22]))
    assert items_of(postgres_uri, 2) == ["22"]
    assert query(postgres_uri, TABLES) == [(2,)]
    states = query(postgres_uri, "SELECT run_id, status FROM recs.run ORDER BY run_id")
    assert (states[0], len(states)) == ((live.run_id, "published"), 2)


def test_lists_of_several_files_are_published_as_a_whole_or_not_at_all(
    postgres_uri: SecretStr, tmp_path: Path
) -> None:
    files = [str(tmp_path / f"{n}.parquet") for n in range(3)]
    for n, file in enumerate(files):
        pq.write_table(lists(BIGINT, (2 * n, [10 + n]), (2 * n + 1, [20 + n])).to_table(), file)
    dataset = ds.dataset(files, schema=LISTS.arrow(BIGINT))
    made = tables(BIGINT, dataset, popular(BIGINT, 70))
    assert publish(PostgresSink(postgres_uri, BIGINT), RECORD, made, passed, 7).users == 6
    assert [items_of(postgres_uri, user)[0] for user in range(6)] == [
        "10", "20", "11", "21", "12", "22",
    ]  # fmt: skip
    more = lists(BIGINT, (0, [30]), (1, [31])).to_table()
    pq.write_table(more, files[0])
    Path(files[1]).unlink()
    with pytest.raises(PostgresUnavailableError, match=files[1]):
        publish(PostgresSink(postgres_uri, BIGINT), RECORD, made, passed, 7)
    assert items_of(postgres_uri, 0) == ["10"]
    go(postgres_uri, (0, [40]))
    assert query(postgres_uri, TABLES) == [(2,)]


def test_only_the_newest_runs_are_kept(postgres_uri: SecretStr) -> None:
    published = [go(postgres_uri, (1, [n]), keep=2).run_id for n in range(4)]
    kept = query(postgres_uri, "SELECT DISTINCT run_id FROM recs.list_item ORDER BY 1")
    assert kept == [(run_id,) for run_id in published[-2:]]
    runs = lookup.runs(postgres_uri, 10)
    assert [(run.run_id, run.status, run.live) for run in runs] == [
        (published[3], "published", True),
        (published[2], "published", False),
        (published[1], "retired", False),
        (published[0], "retired", False),
    ]


def test_analysts_see_one_row_an_item(postgres_uri: SecretStr) -> None:
    run = go(postgres_uri, (1, [10, 11]))
    columns = "run_id, as_of, live, user_id, rank, item_id, score, source, propensity"
    rows = query(postgres_uri, f"SELECT {columns} FROM recs.list_item ORDER BY rank")  # noqa: S608
    assert rows == [
        (run.run_id, DAY.instant, True, 1, 1, 10, 1.0, "als", 1.0),
        (run.run_id, DAY.instant, True, 1, 2, 11, 0.5, "popularity", 0.5),
    ]


@pytest.mark.parametrize(
    ("role", "text", "allowed"),
    [
        ("recsys_app", "SELECT count(*) FROM recs.top_n(1, 5)", True),
        ("recsys_app", "SELECT count(*) FROM recs.top_n(999, 2, 'c=de')", True),
        ("recsys_app", "SELECT count(*) FROM recs.fallback_list", False),
        ("recsys_app", "SELECT count(*) FROM recs.user_list", False),
        ("recsys_app", "SELECT count(*) FROM recs.run", False),
        ("recsys_app", "DELETE FROM recs.live RETURNING 1", False),
        ("recsys_analyst", "SELECT count(*) FROM recs.list_item", True),
        ("recsys_analyst", "SELECT count(*) FROM recs.top_n(1, 5)", True),
        ("recsys_analyst", "SELECT count(*) FROM recs.top_n(999, 2, 'c=de')", True),
        ("recsys_analyst", "UPDATE recs.live SET run_id = 0 RETURNING 1", False),
        ("recsys_analyst", "DELETE FROM recs.user_list RETURNING 1", False),
        ("recsys_analyst", "CREATE TABLE recs.x AS SELECT 1", False),
    ],
)
def test_each_role_can_do_its_own_and_no_more(
    postgres_uri: SecretStr,
    role: str,
    text: str,
    allowed: bool,  # noqa: FBT001
) -> None:
    go(postgres_uri, (1, [10, 11]))
    if allowed:
        assert query(postgres_uri, text, role) == [(2,)]
        return
    with pytest.raises(PublishedSideError, match="permission denied"):
        query(postgres_uri, text, role)
    assert items_of(postgres_uri, 1) == ["10", "11"]


def test_lists_that_older_code_made_are_refused_before_anything_is_loaded(
    settings: Settings, config: Config
) -> None:
    arguments = RunArguments(DAY, config, settings, datetime(2026, 1, 1, tzinfo=UTC))
    table = lists(BIGINT, (1, [10])).to_table().drop_columns(["propensities"])
    with arguments.lake.as_of("lists", DAY).replace() as draft:
        draft.write_table(table)
    with pytest.raises(SchemaError, match="column propensities is missing; rebuild"):
        publish_lists.main(arguments)
    assert lookup.runs(settings.require_postgres(), 1) == []


def of_date(day: int) -> RunRecord:
    return replace(RECORD, as_of=AsOf.parse(f"2026-01-0{day}"))


def publish_of(uri: SecretStr, day: int, item: int, promote: bool | None = None) -> Published:  # noqa: FBT001
    """Publishes a run of a day of January, audited as the step does."""
    rows = lists(BIGINT, (1, [item]))
    new = RunFacts(of_date(day).as_of, rows.to_table(), {})

    def auditor(live: int | None) -> AuditVerdict:
        before = None if live is None else run_facts(uri, live, BIGINT, 20)
        return audit(new, before, Gates(min_overlap=0), promote=promote)

    made = tables(BIGINT, rows, popular(BIGINT, 70))
    return publish(PostgresSink(uri, BIGINT), of_date(day), made, auditor, 7)


def test_a_run_of_an_older_date_is_history_unless_it_is_asked_to_go_live(
    postgres_uri: SecretStr,
) -> None:
    publish_of(postgres_uri, 2, 10)
    older = publish_of(postgres_uri, 1, 11)
    assert (older.live, older.verdict.older) == (False, True)
    assert (older.verdict.live_run, older.verdict.live_as_of) == (1, AsOf.parse("2026-01-02"))
    assert items_of(postgres_uri, 1) == ["10"]
    assert publish_of(postgres_uri, 2, 12).live
    assert not publish_of(postgres_uri, 3, 13, promote=False).live
    assert items_of(postgres_uri, 1) == ["12"]
    asked = publish_of(postgres_uri, 1, 14, promote=True)
    assert (asked.live, asked.verdict.older) == (True, False)
    assert items_of(postgres_uri, 1) == ["14"]


def test_history_is_measured_and_not_held_back(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    run = go(
        postgres_uri,
        (1, [11]),
        audit=lambda live: judged(live, Gates(min_coverage=0.5), promote=False),
    )
    assert list(map(str, run.verdict.violations)) == [NARROW]
    states = "SELECT status, audit -> 'violations' ->> 0 FROM recs.run WHERE run_id = 2"
    assert query(postgres_uri, states) == [("published", NARROW)]


def test_files_that_lost_rows_are_not_published_as_history_either(
    settings: Settings, config: Config
) -> None:
    arguments = RunArguments(DAY, config, settings, datetime(2026, 1, 1, tzinfo=UTC), promote=False)
    partition = arguments.lake.as_of("lists", DAY)
    whole = lists(BIGINT, *((user, [10]) for user in range(594))).to_table()
    with partition.replace() as draft:
        draft.write_table(whole)
        draft.stats["models"] = ["als", "popularity"]
    (file,) = partition.files()
    pq.write_table(whole.slice(0, 456), file.path)
    with pytest.raises(RecsysError, match=r"456|damaged"):
        publish_lists.lists_of(partition, config.ids)


@pytest.mark.parametrize("name", ["a$$; DROP TABLE recs.live; $$", "a'b", "Als", "", "a b", "ä"])
def test_a_models_name_is_an_identifier_or_nothing_is_published(
    postgres_uri: SecretStr, name: str
) -> None:
    with pytest.raises(DataError, match="no identifier"):
        replace(RECORD, models=("als", name))
    forged = """INSERT INTO recs.run (as_of, config_hash, code_version, models, stats)
        VALUES ('2026-01-01', '', '', %s, '{}');
        SELECT recs.write_lookup(max(run_id)) FROM recs.run"""
    with (
        pytest.raises(DataError, match=r"no identifier|refuses"),
        connect(postgres_uri) as connection,
    ):
        connection.cursor().execute(forged, ([name],))


def test_what_the_lookup_is_written_from_ends_no_literal(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    definition = "SELECT prosrc FROM pg_proc WHERE proname = 'write_lookup'"
    ((body,),) = query(postgres_uri, definition)
    assert "$$" not in body


def test_the_longest_text_ids_fit_into_every_key(bare_postgres_uri: SecretStr) -> None:
    ids, random = Ids(user="text", item="text"), Random(1)  # noqa: S311
    user, item = ("".join(random.choices(ascii_letters, k=MOST_BYTES)) for _ in range(2))
    migrate(bare_postgres_uri, ids)
    made = tables(ids, lists(ids, (user, [item])), popular(ids, item))
    publish(PostgresSink(bare_postgres_uri, ids), RECORD, made, passed, 7)
    assert items_of(bare_postgres_uri, user) == [item]
    query(bare_postgres_uri, f"SELECT recs.block('{user}', '{item}')", "recsys_moderator")
    query(bare_postgres_uri, f"SELECT recs.remove_item('{item}')", "recsys_moderator")
    assert items_of(bare_postgres_uri, user) == []


def test_changes_of_published_tables_can_be_replicated(postgres_uri: SecretStr) -> None:
    query(postgres_uri, "CREATE PUBLICATION everything FOR ALL TABLES; SELECT 1")
    refused = [{"source": "events", "user_id": 1, "reject_reason": "x", "source_row": "{}"}]
    for item in (10, 11, 12):
        go(postgres_uri, (1, [item]), (2, [item]), keep=1, refused=refused)
    assert query(postgres_uri, TABLES) == [(1,)]
    assert query(postgres_uri, "SELECT DISTINCT run_id FROM recs.quarantined_row") == [(3,)]
    query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
    assert query(postgres_uri, "SELECT count(*) FROM recs.quarantined_row") == [(0,)]
    go(postgres_uri, (1, [13]), (2, [13]), keep=1)
    assert query(postgres_uri, "SELECT user_id FROM recs.user_list") == [(2,)]


def test_hostile_ids_are_only_ids(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]))
    with pytest.raises(DataError, match="invalid input syntax"):
        items_of(postgres_uri, "1'); DROP TABLE recs.live; --")
    assert items_of(postgres_uri, 1) == ["10"]


def test_migrations_run_once_and_refuse_other_id_types(bare_postgres_uri: SecretStr) -> None:
    every = [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert migrate(bare_postgres_uri, BIGINT) == every
    assert migrate(bare_postgres_uri, BIGINT) == []
    with pytest.raises(ConfigError, match="publishes bigint user ids"):
        migrate(bare_postgres_uri, Ids(user="text"))
    assert migrate(bare_postgres_uri, Ids(user="text"), recreate=True) == every


def test_a_lookup_without_the_schema_says_what_to_do(bare_postgres_uri: SecretStr) -> None:
    with pytest.raises(RecsysError, match="recsys migrate"):
        lookup.runs(bare_postgres_uri, 1)


def test_a_server_that_is_down_is_an_outage(tmp_path: Path) -> None:
    uri = SecretStr(f"postgresql://someone:secret@/db?host={tmp_path}")
    with pytest.raises(RecsysError, match="Postgres does not answer") as caught:
        lookup.runs(uri, 1)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 31
