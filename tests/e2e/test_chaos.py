"""Servers and drivers killed at any instant: lists stay whole, and the next run clears up.

`make chaos` runs the long form and who is forgotten meanwhile; `--chaos-kills` and `--chaos-seed`
choose it.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession
from typer.testing import CliRunner
from upath import UPath

from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.lake.partitions import Lake
from jobs.sandbox import servers
from jobs.sandbox.market import load
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from jobs.sources import extraction
from jobs.sources.mongo import ROWS_PER_BATCH, database
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import MongoUnavailableError, PostgresUnavailableError
from recsys.schemas import LISTS
from recsys.sections.ids import Ids
from tests.postgres.publications import RECORD, passed, popular, tables

DAY = AsOf.parse("2026-01-01")
REPOSITORY = Path(__file__).parents[2]
#: Bytes of a Parquet file before its first batch.
PARQUET_HEAD = 4


class Victim:
    """Servers, databases and a lake of its own, with a run that is live."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.config = config
        self.endpoints = servers.up(folder)
        self.lake = Lake(UPath(folder / "lake"))

    @property
    def postgres(self) -> SecretStr:
        return SecretStr(self.endpoints.postgres_uri)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RECSYS_POSTGRES_URI": self.endpoints.postgres_uri,
            "RECSYS_MONGO_URI": self.endpoints.mongo_uri,
            "RECSYS_LAKE": str(self.lake.root),
            "RECSYS_CONFIG": str(REPOSITORY / "recsys.toml"),
        }

    def command(self) -> list[str]:
        return [str(Path(sys.executable).parent / "recsys"), "nightly", "--as-of", str(DAY)]

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with connect(self.postgres) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def live(self) -> tuple[Any, ...]:
        """Checksum and number of the live run's lists, counted anew."""
        (row,) = self.query(
            """SELECT bit_xor(hash_record_extended(
                          (user_id, item_ids, scores, sources, propensities), 0)),
                      count(*), min(run.list_hash), min(run.users)
            FROM recs.user_list JOIN recs.live USING (run_id) JOIN recs.run USING (run_id)"""
        )
        checksum, lists, noted, users = row
        assert (f"{checksum % 2**64:x}", lists) == (noted, users)
        return checksum, lists

    def kill(self, name: str) -> None:
        """Ends a server and its children as a power cut would."""
        (pid,) = [s.pid for s in servers.status(self.folder) if s.name == name]
        assert pid is not None
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            each.kill()

    def check_nothing_is_left_over(self) -> None:
        """Only complete partitions in the lake, only attached tables and finished runs."""
        drafts = [p for p in self.lake.root.glob("**/gen-*") if p.is_dir()]
        assert len(drafts) == len(self.lake.partitions())
        loose = (
            "SELECT relname FROM pg_class WHERE relname LIKE 'user\\_list\\_run%' AND relkind = 'r'"
        )
        assert self.query(f"{loose} AND NOT relispartition") == []
        assert self.query("SELECT run_id FROM recs.run WHERE status = 'staged'") == []


@pytest.fixture
def victim(config: Config, spark: SparkSession) -> Iterator[Victim]:
    del spark
    with tempfile.TemporaryDirectory(prefix="recsys-chaos-") as folder:
        made = Victim(Path(folder), config)
        migrate(made.postgres, config.ids)
        with (
            connect(made.postgres) as connection,
            database(SecretStr(made.endpoints.mongo_uri)) as mongo,
        ):
            load(make_market(60, 40, 20, 2_000, 5, DAY), config.ids, connection, mongo, _silent)
        run(made)
        yield made
        servers.down(made.folder)


def _silent(what: str, done: int, total: int) -> None:
    """Reports no progress."""
    del what, done, total


def run(victim: Victim) -> None:
    result = CliRunner().invoke(app, victim.command()[1:], env=victim.environment)
    assert result.exit_code == 0, result.output


def test_a_killed_driver_hurts_nothing(
    victim: Victim, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, seed = (request.config.getoption(f"--chaos-{what}") for what in ("kills", "seed"))
    chance = random.Random(seed)  # noqa: S311 - a plan, not a secret
    before = victim.live()
    for number in range(kills):
        seconds = chance.uniform(0.5, 22.0)
        driver = subprocess.Popen(
            victim.command(),
            env=os.environ | victim.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(driver.pid, signal.SIGKILL)
        _, said = driver.communicate()
        steps = [line.split()[1] for line in said.decode().splitlines() if line.startswith("✓")]
        with capsys.disabled():
            after = steps[-1] if steps else "start"
            print(f"\nkill {number + 1} at {seconds:4.1f} s, after {after}: ", end="")  # noqa: T201
            assert victim.live() == before
            print("lists whole", end="", flush=True)  # noqa: T201
    run(victim)
    assert victim.live() == before
    victim.check_nothing_is_left_over()


@pytest.mark.chaos
def test_who_is_forgotten_while_jobs_are_killed_is_nowhere(
    victim: Victim, request: pytest.FixtureRequest
) -> None:
    kills, seed = (request.config.getoption(f"--chaos-{what}") for what in ("kills", "seed"))
    chance = random.Random(seed)  # noqa: S311 - a plan, not a secret
    users = [user for (user,) in victim.query("SELECT DISTINCT user_id FROM recs.user_list")]
    for user in chance.sample(users, kills):
        erase_from_sources(victim, user)
        night = started(victim, ["nightly", "--as-of", str(DAY), "--full"])
        time.sleep(chance.uniform(0.5, 16.0))
        forgetting = started(victim, ["forget-user", str(user)])
        killed = chance.choice([night, forgetting, None])
        if killed is not None:
            time.sleep(chance.uniform(0.5, 8.0))
            os.killpg(killed.pid, signal.SIGKILL)
        night.wait()
        if forgetting.wait() != 0:
            assert started(victim, ["forget-user", str(user)]).wait() == 0
        assert found_of(victim, user) == []
    run(victim)
    victim.check_nothing_is_left_over()


def started(victim: Victim, words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [victim.command()[0], *words],
        env=os.environ | victim.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def erase_from_sources(victim: Victim, user: int) -> None:
    for table in ("interactions", "blocks", "users"):
        victim.query(f"DELETE FROM market.{table} WHERE user_id = {user} RETURNING 1")  # noqa: S608
    with database(SecretStr(victim.endpoints.mongo_uri)) as mongo:
        for name in ("events", "user_profiles"):
            mongo[name].delete_many({"user_id": user})


def found_of(victim: Victim, user: int) -> list[str]:
    """Files and tables in which a user is."""
    found = [
        str(file)
        for file in Path(victim.lake.root.path).rglob("*.parquet")
        if user in pq.read_table(file).to_pydict().get("user_id", [])
    ]
    tables = "SELECT oid::regclass::text FROM pg_class WHERE relname LIKE 'user\\_list\\_run%'"
    for (table,) in victim.query(f"{tables} AND relkind = 'r'"):
        if victim.query(f"SELECT 1 FROM {table} WHERE user_id = {user}"):  # noqa: S608
            found.append(table)
    return found


def test_postgres_killed_during_the_load_hurts_nothing(victim: Victim) -> None:
    before = victim.live()
    users = 300_000
    items = pa.array([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] * users, pa.list_(pa.int64()))
    scores = pa.array([[0.5] * 10] * users, pa.list_(pa.float32()))
    sources = pa.array([[0] * 10] * users, pa.list_(pa.int16()))
    columns = [pa.array(range(users), pa.int64()), items, scores, sources, scores]
    columns += [pa.nulls(users, items.type), pa.nulls(users, pa.binary())]
    lists = ds.dataset(pa.Table.from_arrays(columns, schema=LISTS.arrow(Ids())))
    made = tables(Ids(), lists, popular(Ids(), 1))
    done = threading.Event()

    def cut_power() -> None:
        while not done.is_set():
            if victim.query("SELECT 1 FROM pg_stat_progress_copy WHERE tuples_processed > 0"):
                victim.kill("postgres")
                return

    killer = threading.Thread(target=cut_power)
    killer.start()
    with pytest.raises(PostgresUnavailableError):
        publish(PostgresSink(victim.postgres, Ids()), RECORD, made, passed, 7)
    done.set()
    killer.join()
    assert not [s for s in servers.status(victim.folder) if s.name == "postgres" and s.running]
    servers.up(victim.folder)
    assert victim.live() == before
    run(victim)
    assert victim.live() == before
    victim.check_nothing_is_left_over()


def test_mongo_killed_before_it_is_read_hurts_nothing(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = victim.live()
    victim.lake.clear()
    plan = extraction._plan

    def planned_then_killed(*arguments: Any) -> Any:
        plans = plan(*arguments)
        victim.kill("mongo")
        return plans

    monkeypatch.setattr(extraction, "_plan", planned_then_killed)
    result = CliRunner().invoke(app, victim.command()[1:], env=victim.environment)
    assert result.exit_code == MongoUnavailableError.exit_code
    monkeypatch.undo()
    assert victim.live() == before
    assert victim.lake.partitions() == []
    victim.endpoints = servers.up(victim.folder)
    run(victim)
    assert victim.live() == before
    victim.check_nothing_is_left_over()


def test_mongo_killed_between_two_batches_hurts_nothing(victim: Victim) -> None:
    before = victim.live()
    victim.lake.clear()
    repeat_an_event(victim, 2 * ROWS_PER_BATCH)
    done = threading.Event()

    def cut_power() -> None:
        while not done.wait(0.01):
            if any(file.stat().st_size > PARQUET_HEAD for file in parts(victim, "raw/events")):
                victim.kill("mongo")
                return

    killer = threading.Thread(target=cut_power)
    killer.start()
    result = CliRunner().invoke(app, victim.command()[1:], env=victim.environment)
    done.set()
    killer.join()
    assert not [s for s in servers.status(victim.folder) if s.name == "mongo" and s.running]
    assert result.exit_code == MongoUnavailableError.exit_code, result.output
    assert "error: MongoDB does not answer (" in result.output
    assert victim.live() == before
    assert victim.lake.partitions() == []
    assert list(parts(victim, "")) == []
    victim.endpoints = servers.up(victim.folder)
    run(victim)
    assert victim.live() == before
    victim.check_nothing_is_left_over()


def repeat_an_event(victim: Victim, times: int) -> None:
    """Makes the collection longer than one batch; an event delivered again changes no list."""
    with database(SecretStr(victim.endpoints.mongo_uri)) as mongo:
        event = mongo["events"].find_one({"type": "view"}, {"_id": False}) or {}
        for _ in range(times // 10_000):
            mongo["events"].insert_many([dict(event) for _ in range(10_000)], ordered=False)


def parts(victim: Victim, table: str) -> Iterator[UPath]:
    """Files of a table that are being written or have been."""
    return (victim.lake.root / table).glob("**/gen-*/part-*.parquet")
