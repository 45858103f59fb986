"""Lists of published runs, read back and compared."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from psycopg2 import sql
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs.cli.diff import diff
from jobs.db.postgres import connect
from jobs.run import settings
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.published import read_lists, run_facts
from recsys.errors import (
    ConfigError,
    PublishedSideError,
    RecsysError,
    RunNotThereError,
    SettingsError,
)
from recsys.sections.ids import Ids
from tests.logins import as_admin

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
RUN = """
INSERT INTO recs.run (as_of, status, config_hash, code_version, models, stats)
VALUES ('2026-01-01', %s, '', '', '{als}', '{}') RETURNING run_id
"""
LIST = "INSERT INTO recs.user_list VALUES (%s, %s, %s::text[]::{}[], %s, %s, %s)"


def add_run(uri: SecretStr, lists: dict[str, list[str]], item: str, status: str) -> int:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(RUN, (status,))
        (run_id,) = cursor.fetchone() or (0,)
        name = sql.Identifier(f"user_list_run_{run_id}")
        create = "CREATE TABLE recs.{} PARTITION OF recs.user_list FOR VALUES IN ({})"
        cursor.execute(sql.SQL(create).format(name, sql.Literal(run_id)))
        insert = sql.SQL(LIST).format(sql.SQL(item))
        for user, items in lists.items():
            n = len(items)
            scores = [1.0 / (place + 1) for place in range(n)]
            cursor.execute(insert, (run_id, user, items, scores, [0] * n, [1] * n))
    return int(run_id)


def acting_as(uri: SecretStr, role: str) -> SecretStr:
    return SecretStr(f"{as_admin(uri).get_secret_value()}&options=-c%20role%3D{role}")


@pytest.fixture
def published(postgres_uri: SecretStr) -> Callable[..., int]:
    def add(lists: dict[str, list[str]], status: str = "published") -> int:
        return add_run(postgres_uri, lists, "bigint", status)

    return add


def test_lists_come_back_cut_at_the_depth(
    postgres_uri: SecretStr, published: Callable[..., int]
) -> None:
    published({"1": ["99"]})
    run = published({"1": ["5", "4", "3"], "2": [], str(2**63 - 1): [str(-(2**63))]})
    found = read_lists(postgres_uri, run, Ids(), 2).sort_by("user_id").to_pylist()
    assert found == [
        {"user_id": 1, "item_ids": [5, 4], "scores": [1.0, 0.5]},
        {"user_id": 2, "item_ids": [], "scores": []},
        {"user_id": 2**63 - 1, "item_ids": [-(2**63)], "scores": [1.0]},
    ]


def test_a_run_without_lists_reads_as_an_empty_table(
    postgres_uri: SecretStr, published: Callable[..., int]
) -> None:
    assert read_lists(postgres_uri, published({}), Ids(), 5).num_rows == 0


@pytest.mark.parametrize(
    ("ids", "user", "item"),
    [
        (Ids(user="uuid", item="uuid"), UUID, UUID),
        (Ids(user="text", item="text"), "Zoë 🎈", '{a,"b\\c'),
    ],
    ids=["uuid", "text"],
)
def test_ids_of_other_types_come_back_as_text(
    bare_postgres_uri: SecretStr, ids: Ids, user: str, item: str
) -> None:
    migrate(bare_postgres_uri, ids)
    run = add_run(bare_postgres_uri, {user: [item]}, ids.item, "published")
    (row,) = read_lists(bare_postgres_uri, run, ids, 5).to_pylist()
    assert (row["user_id"], row["item_ids"]) == (user, [item])


@pytest.mark.parametrize("status", ["staged", "retired"])
def test_a_run_whose_lists_are_not_there_says_so(
    postgres_uri: SecretStr, published: Callable[..., int], status: str
) -> None:
    run = published({}, status)
    with pytest.raises(RunNotThereError, match=f"run {run} .*recsys runs"):
        run_facts(postgres_uri, run, Ids(), 5)


def test_an_unknown_run_and_a_bare_database_say_so(
    postgres_uri: SecretStr, bare_postgres_uri: SecretStr
) -> None:
    with pytest.raises(RunNotThereError, match="there is no run 77"):
        read_lists(postgres_uri, 77, Ids(), 5)
    with pytest.raises(ConfigError, match="recsys migrate"):
        run_facts(bare_postgres_uri, 1, Ids(), 5)


def test_an_analyst_may_read_them_and_an_app_may_not(
    postgres_uri: SecretStr, published: Callable[..., int]
) -> None:
    run = published({"1": ["5"]})
    assert read_lists(acting_as(postgres_uri, "recsys_analyst"), run, Ids(), 5).num_rows == 1
    with pytest.raises(PublishedSideError, match="permission denied"):
        read_lists(acting_as(postgres_uri, "recsys_app"), run, Ids(), 5)


def test_diff_shows_totals_segments_and_items(
    postgres_uri: SecretStr,
    published: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(settings.POSTGRES_URI, postgres_uri.get_secret_value())
    monkeypatch.setenv(settings.LAKE, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "140")
    before, after = published({"1": ["5", "6"], "2": ["5"]}), published({"1": ["6", "7"]}, "held")
    app = typer.Typer()
    app.command()(diff)
    shown = CliRunner().invoke(app, [str(before), str(after)], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    for fact in (
        f"run {after} ",
        "users lost",
        "no list",
        "+38.685%",
        "gates.min_users_kept",
        "held back",
    ):
        assert fact in shown.output, shown.output
    missing = CliRunner().invoke(app, [str(before), "77"])
    assert isinstance(missing.exception, RecsysError)


def test_a_database_that_is_not_there_is_a_wrong_setting(postgres_uri: SecretStr) -> None:
    gone = SecretStr(postgres_uri.get_secret_value().replace("/test_", "/gone_"))
    with pytest.raises(SettingsError, match=r"gone_.* does not exist.*RECSYS_POSTGRES_URI"):
        read_lists(gone, 1, Ids(), 5)
