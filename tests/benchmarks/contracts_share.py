"""How much of a night's time the checks of the data contracts take (limit: 20 %).

    python -m tests.benchmarks.contracts_share                 # all jobs in one process
    python -m tests.benchmarks.contracts_share --processes     # each in its own, as Airflow does

Starts servers of its own, fills them with a made-up market, runs the nightly jobs and prints the
seconds of each. Times are printed and never asserted: they are the machine's.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from upath import UPath

from jobs.app.nightly import run_steps
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings, load_config
from jobs.sandbox import servers
from jobs.sinks.postgres.migrations import migrate
from jobs.steps import NAMES
from recsys.sections.ids import Ids
from tests.benchmarks.market import CONFIG, DAY, fill, market

LIMIT = 0.2


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--interactions", type=int, default=4_200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", action="store_true", help="a process a job")
    return parser


def main(*, users: int, items: int, interactions: int, seed: int, processes: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        root = Path(folder)
        uri = SecretStr(servers.up(root).postgres_uri)
        try:
            (root / "recsys.toml").write_text(CONFIG, encoding="utf-8")
            migrate(uri, Ids())
            begin = time.monotonic()
            fill(uri, [market(users, items, interactions, seed)])
            say("load the market", time.monotonic() - begin)
            report(in_processes(root, uri) if processes else in_this_process(root, uri))
        finally:
            servers.down(root)


def in_this_process(root: Path, uri: SecretStr) -> Iterator[tuple[str, float]]:
    """Seconds of each job; only the first to need a library waits for its import."""
    settings = Settings(
        postgres_uri=uri,
        mongo_uri=None,
        lake=UPath(root / "lake"),
        sandbox=root,
        config=root / "recsys.toml",
        submitted=False,
    )
    arguments = RunArguments(DAY, load_config(settings.config), settings, datetime.now(UTC))
    return run_steps(arguments, lambda _: None)


def in_processes(root: Path, uri: SecretStr) -> Iterator[tuple[str, float]]:
    """Seconds of each job with the start of its process."""
    environment = os.environ | {
        "RECSYS_POSTGRES_URI": uri.get_secret_value(),
        "RECSYS_LAKE": str(root / "lake"),
        "RECSYS_CONFIG": str(root / "recsys.toml"),
    }
    for step in NAMES:
        begin = time.monotonic()
        command = [sys.executable, "-m", f"jobs.steps.{step}", "--as-of", f"{DAY}"]
        subprocess.run(command, env=environment, check=True)
        yield step, time.monotonic() - begin


def report(steps: Iterable[tuple[str, float]]) -> None:
    total = checks = 0.0
    for name, seconds in steps:
        say(name, seconds)
        total += seconds
        checks += seconds if name.startswith("check_") else 0.0
    say("all steps", total)
    say("contracts", checks)
    print(f"share of the contracts: {checks / total:.1%} (limit {LIMIT:.0%})")  # noqa: T201


def say(what: str, seconds: float) -> None:
    print(f"{seconds:8.1f} s  {what}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
