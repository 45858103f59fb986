"""A forgotten person is nowhere to be found."""

import json
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.app import forgetting as erasure
from jobs.app.forgetting import mentions
from jobs.app.nightly import run_steps
from jobs.cli.main import app
from jobs.lake.files import read_table
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.errors import DataError
from recsys.sections.ids import Ids
from tests.e2e.conftest import OBSERVED_AT, Pipeline

DAY = AsOf.parse("2026-01-01")


def somebody(pipeline: Pipeline) -> int:
    """A user with a list, and bad rows under ids that are none."""
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    user = int(pipeline.query("SELECT user_id FROM market.interactions ORDER BY 1 LIMIT 1")[0][0])
    with database(pipeline.settings.require_mongo()) as mongo:
        odd: list[Any] = [[user], f"{user}.0", {"id": user}, f" {user} x"]
        base = {"item_id": 1, "type": "stare", "ts": None}
        mongo["events"].insert_many([base | {"user_id": each} for each in [user, *odd]])
    pipeline.run(DAY)
    return user


def traces(pipeline: Pipeline, user: int) -> list[str]:
    """Files of the lake, and tables of the published side, that hold the user's number."""
    lake = Path(pipeline.settings.lake.path)
    found = []
    for file in lake.rglob("*.parquet"):
        rows = pq.read_table(file).to_pylist()
        ids = [row.get("user_id") for row in rows]
        quoted = [json.loads(row.get("source_row") or "{}").get("user_id") for row in rows]
        if user in ids or any(names(each, user) for each in quoted):
            found.append(str(file.relative_to(lake)))
    tables = pipeline.query(
        "SELECT oid::regclass::text FROM pg_class WHERE relname LIKE 'user\\_list\\_run%%' "
        "AND relkind = 'r'"
    )
    for (table,) in tables:
        if pipeline.query(f"SELECT 1 FROM {table} WHERE user_id = {user}"):  # noqa: S608
            found.append(table)
    rows = pipeline.query("SELECT user_id, source_row FROM recs.quarantined_row")
    for known, row in rows:
        if known == str(user) or names(json.loads(row or "{}").get("user_id"), user):
            found.append(f"quarantine: {row}")
    return found


def names(value: Any, user: int) -> bool:
    return re.search(rf"(?<!\d){user}(?!\d)", str(value)) is not None


def forget(user: object, environment: dict[str, str]) -> str:
    result = CliRunner().invoke(app, ["forget-user", str(user)], env=environment)
    assert result.exit_code == 0, result.output
    assert f"finds nothing of {user}" in result.output
    return result.output


def test_nothing_is_left_of_a_forgotten_user(
    pipeline: Pipeline, environment: dict[str, str]
) -> None:
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    uri, lake = pipeline.settings.require_postgres(), Lake(pipeline.settings.lake)
    user = next(user for user, items in pipeline.lists().items() if items)
    others = {u: items for u, items in pipeline.lists().items() if u != user}
    with database(pipeline.settings.require_mongo()) as mongo:
        mongo["events"].insert_one({"user_id": user, "item_id": 1, "type": "stare", "ts": None})
    lake.clear()
    pipeline.run(DAY)
    assert mentions(PostgresSink(uri, Ids()), lake, pipeline.config, user) > 5

    result = CliRunner().invoke(app, ["forget-user", str(user)], env=environment)

    assert result.exit_code == 0, result.output
    assert f"finds nothing of {user}" in result.output
    assert mentions(PostgresSink(uri, Ids()), lake, pipeline.config, user) == 0
    everything = [
        json.dumps(read_table(file).to_pylist(), default=str)
        for partition in lake.partitions()
        for file in partition.files()
        if file.path.suffix == ".parquet"
    ]
    assert not any(f'"user_id": {user},' in text for text in everything)
    assert pipeline.lists() == others
    assert pipeline.query("SELECT count(*) FROM recs.top_n(%s, 5)", (user,)) == [(5,)]

    pipeline.run(DAY)
    assert pipeline.query("SELECT source FROM recs.top_n(%s, 1)", (user,)) == [("popular",)]


def test_nothing_is_left_of_what_killed_jobs_have_left(
    pipeline: Pipeline, environment: dict[str, str]
) -> None:
    user = somebody(pipeline)
    lake = Path(pipeline.settings.lake.path)
    (lists,) = lake.glob("lists/as_of=*/gen-*")
    shutil.copytree(lists, lists.with_name("gen-dead"))
    shutil.copytree(lists, lake / "lists" / "as_of=2025-12-01" / "gen-dead")
    (model,) = lake.glob("models/als/as_of=*/gen-*")
    shutil.copytree(model, lake / "models" / "als" / "as_of=2025-12-01" / "gen-dead")
    for statement in (
        "CREATE TABLE recs.user_list_run_99 (LIKE recs.user_list)",
        "ALTER TABLE recs.user_list_run_99 OWNER TO recsys_writer",
        "INSERT INTO recs.user_list_run_99 SELECT * FROM recs.user_list",
    ):
        pipeline.query(f"{statement}; SELECT 1")
    assert len(traces(pipeline, user)) > 10

    forget(user, environment)

    assert traces(pipeline, user) == []
    assert list(lake.glob("**/gen-dead")) == []


def test_later_bad_rows_of_a_forgotten_user_are_in_no_quarantine(
    pipeline: Pipeline, environment: dict[str, str]
) -> None:
    user = somebody(pipeline)
    forget(user, environment)
    pipeline.run(DAY)
    found = traces(pipeline, user)
    assert [place for place in found if "quarantine" in place or "user_list" in place] == []
    assert any(place.startswith("raw/") for place in found)  # the source still holds the rows


@pytest.mark.parametrize("user", ["[42]", "42.0", "", "4e1", "99999999999999999999"])
def test_what_is_no_id_is_refused(environment: dict[str, str], user: str) -> None:
    result = CliRunner().invoke(app, ["forget-user", user], env=environment)
    assert result.exit_code == DataError.exit_code
    assert "is not a bigint, which [ids] says user ids are" in result.output


@pytest.mark.parametrize("name", ["remove", "_rewrite", "_drop_matrices", "mentions"])
def test_an_erasure_that_broke_off_is_called_again(
    pipeline: Pipeline,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    user = somebody(pipeline)
    done: Callable[..., Any] = getattr(erasure, name)
    for calls in (0, 1, 3):
        left = iter(range(calls))

        def killed(*arguments: Any, left: Any = left) -> Any:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return done(*arguments)

        monkeypatch.setattr(erasure, name, killed)
        CliRunner().invoke(app, ["forget-user", str(user)], env=environment)
        monkeypatch.setattr(erasure, name, done)
    forget(user, environment)
    assert traces(pipeline, user) == []
    lake = Path(pipeline.settings.lake.path)
    assert list(lake.glob("models/*/as_of=*/*")) == []
    assert list(lake.glob("histories/as_of=*/*")) == []


@pytest.mark.parametrize("steps", [2, 5, 9])
def test_who_is_forgotten_during_a_night_does_not_come_back(
    pipeline: Pipeline, environment: dict[str, str], steps: int
) -> None:
    user = somebody(pipeline)
    arguments = RunArguments(DAY, pipeline.config, pipeline.settings, OBSERVED_AT)
    night = run_steps(replace(arguments, full=True), lambda _: None)
    for _ in range(steps):
        next(night)
    forgetting = threading.Thread(target=forget, args=(user, environment))
    forgetting.start()
    forgetting.join(1)
    assert forgetting.is_alive()
    for _ in night:
        pass
    forgetting.join()
    assert traces(pipeline, user) == []
