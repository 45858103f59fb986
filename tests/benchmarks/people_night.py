"""A night of a made-up market of people, step by step, and the parts of the lists.

    python -m tests.benchmarks.people_night --people 25000
    python -m tests.benchmarks.people_night --people 100000

Lists of 20 from pools of 100, with the generators and the choice of the shipped configuration for
people. Elapsed and processor seconds, and the peak memory, of all processes but the servers.
Nothing is asserted on times.
"""

import argparse
import json
import logging
import os
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Final

import psutil
import pyarrow as pa
from psycopg2.extras import execute_values
from pydantic import SecretStr
from upath import UPath

from jobs.app.nightly import run_steps
from jobs.db.postgres import connect
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings, load_config
from jobs.sandbox import servers
from jobs.sandbox.people import CONFIG, make_people
from jobs.sinks.postgres.migrations import migrate
from recsys.as_of import AsOf
from recsys.sections.ids import Ids
from tests.benchmarks.market import fill
from tests.benchmarks.pipeline import sampled, write

DAY: Final = AsOf.parse("2026-01-01")
POOL: Final = 100
_DAYS: Final = 60
_WATCH_SECONDS: Final = 0.5
_EVENTS_A_PERSON: Final = 20


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=25_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, people: int, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        root = Path(folder)
        uri = SecretStr(servers.up(root).postgres_uri)
        try:
            (root / "recsys.toml").write_text(config_text(), encoding="utf-8")
            migrate(uri, Ids())
            # In a process of its own, so that its memory does not count.
            planting = get_context("spawn").Process(target=plant, args=(uri, people, seed))
            planting.start()
            planting.join()
            night(root)
        finally:
            servers.down(root)


def config_text() -> str:
    """The configuration for people, with all sources in Postgres: the embedded MongoDB is no place
    for so many documents."""
    text = CONFIG.read_text(encoding="utf-8").replace("pool = 80", f"pool = {POOL}")
    text = text.replace('collection = "user_profiles"', 'table = "market.profiles"')
    before, _, rest = text.partition("[sources.events]")
    return before + rest[rest.index("[sources.blocks]") :]


def plant(uri: SecretStr, people: int, seed: int) -> None:
    """Loads the market of `recsys seed --kind people` into Postgres."""
    made = make_people(people, _DAYS, _EVENTS_A_PERSON * people, seed, DAY)
    events = made.events.rename_columns(made.interactions.column_names)
    interactions = pa.concat_tables([made.interactions, events])
    fill(uri, [{"users": made.users, "blocks": made.blocks, "interactions": interactions}])
    profiles = [
        (each["user_id"], each["text"], each["tags"], json.dumps(each["attributes"]))
        for each in made.user_profiles
    ]
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE market.profiles"
            " (user_id bigint PRIMARY KEY, text text, tags text[], attributes jsonb)"
        )
        execute_values(cursor, "INSERT INTO market.profiles VALUES %s", profiles)


def night(root: Path) -> None:
    """Runs the steps and tells what each took."""
    endpoints = servers.endpoints(root)
    settings = Settings(
        postgres_uri=SecretStr(endpoints.postgres_uri),
        mongo_uri=None,
        lake=UPath(root / "lake"),
        sandbox=root,
        config=root / "recsys.toml",
        submitted=False,
    )
    arguments = RunArguments(DAY, load_config(settings.config), settings, datetime.now(UTC))
    with sampled(os.getpid()) as memory:
        meter = Meter(memory)
        parts = Parts(meter)
        for name in ("jobs", "recsys"):
            logging.getLogger(name).addHandler(parts)
            logging.getLogger(name).setLevel(logging.INFO)
        for name, _ in run_steps(arguments, lambda _: meter.begin()):
            meter.tell(name)
        meter.since = meter.begun
        meter.tell("the night")


class Meter:
    """Seconds and memory since the last time it was asked."""

    def __init__(self, memory: list[int]) -> None:
        self.memory, self.processors = memory, Processors()
        self.begun = time.monotonic(), self.processors.spent()
        self.begin()

    def begin(self) -> None:
        self.memory.clear()
        self.since = time.monotonic(), self.processors.spent()

    def tell(self, name: str) -> None:
        elapsed, used = time.monotonic() - self.since[0], self.processors.spent() - self.since[1]
        peak = max(self.memory, default=0) / 2**30
        write(f"{elapsed:8.1f} s {used:8.1f} s of processors {peak:6.2f} GiB  {name}")
        self.begin()


class Parts(logging.Handler):
    """Tells the time at each line of the log."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(logging.INFO)
        self.meter = meter

    def emit(self, record: logging.LogRecord) -> None:
        self.meter.tell(f"  {record.getMessage()}")


class Processors:
    """Processor seconds of this process and all that it started, also of those that have ended:
    Spark's workers end while they idle, and nobody inherits their times."""

    def __init__(self) -> None:
        self._known: dict[int, float] = {}
        Thread(target=self._watch, daemon=True).start()

    def spent(self) -> float:
        own = psutil.Process()
        for each in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                self._known[each.pid] = sum(each.cpu_times()[:2])
        return sum(self._known.values())

    def _watch(self) -> None:
        while True:
            self.spent()
            time.sleep(_WATCH_SECONDS)


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
