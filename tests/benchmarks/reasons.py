"""Cost of keeping reasons with lists: ranking and publishing with and without, and bytes a list.

    python -m tests.benchmarks.reasons --size S --generators shipped

One night is run on the made-up market of `tests.benchmarks.pipeline`; then its last steps are run
again with reasons and without, in turn. Nothing is asserted on time.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from jobs.app.nightly import run_steps
from jobs.db.postgres import connect
from jobs.run.entrypoint import Job, RunArguments
from jobs.sandbox import servers
from jobs.sinks.postgres.migrations import migrate
from jobs.steps import publish_lists, rank_lists
from recsys.schemas import LISTS
from recsys.sections.ids import Ids
from tests.benchmarks.market import fill, in_parts
from tests.benchmarks.pipeline import GENERATORS, SIZES, config_text, write
from tests.benchmarks.ways import arguments_of, start_spark
from tests.logins import as_admin

ROUNDS: Final = 3
KINDS: Final = ("off", "strongest")


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="S")
    parser.add_argument("--generators", choices=GENERATORS, default="shipped")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, size: str, generators: str, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        root = Path(folder)
        uri = SecretStr(servers.up(root).postgres_uri)
        try:
            (root / "recsys.toml").write_text(config_text(generators), encoding="utf-8")
            migrate(uri, Ids())
            fill(uri, in_parts(*SIZES[size], seed))
            arguments = arguments_of(root)
            start_spark(arguments.settings)
            for _ in run_steps(arguments, lambda _: None):
                pass
            write(f"size {size}, {generators}, seed {seed}: {SIZES[size][0]:,} users")
            for line in compared(arguments, uri):
                write(line)
        finally:
            servers.down(root)


def compared(arguments: RunArguments, uri: SecretStr) -> Iterator[str]:
    """Seconds with and without, their ratios, and bytes."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for kind in KINDS:
            lists = arguments.config.lists.model_copy(update={"reasons": kind})
            own = replace(arguments, config=arguments.config.model_copy(update={"lists": lists}))
            for name, job in (("rank", rank_lists.main), ("publish", publish_lists.main)):
                seconds.setdefault((name, kind), []).append(timed(job, own))
            yield f"{kind}: {own.lake.as_of(LISTS.name, own.as_of).manifest().rows} lists, " + size(
                uri
            )
    for name in ("rank", "publish"):
        off, on = (statistics.median(seconds[name, kind]) for kind in KINDS)
        yield f"{name}: {off:.2f} s without, {on:.2f} s with, {on / off:.2f} times"


def timed(job: Job, arguments: RunArguments) -> float:
    begin = time.monotonic()
    job(arguments)
    return time.monotonic() - begin


def size(uri: SecretStr) -> str:
    """Bytes of the newest run's table, and a list of it."""
    with connect(as_admin(uri)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT max(run_id) FROM recs.run")
        (run,) = cursor.fetchone() or (0,)
        table = f"recs.user_list_run_{run}"
        cursor.execute(f"SELECT pg_table_size('{table}') / count(*) FROM {table}")  # noqa: S608
        (each,) = cursor.fetchone() or (0,)
    return f"{each} bytes a list in Postgres"


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
