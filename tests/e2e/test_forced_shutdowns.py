"""The machine goes down during nights: the next night makes what it makes after undisturbed ones.

Each shutdown kills every process of a night at a random instant and takes from the lake what the
system was not asked to keep. `make chaos` runs the long form; `--chaos-kills` and `--chaos-seed`
choose it.
"""

import os
import random
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import psutil
import pytest

from jobs.sandbox.seed import make_market
from tests.e2e.conftest import OBSERVED_AT, Pipeline
from tests.e2e.test_backfill import arguments, into_an_empty_lake, night
from tests.lake.test_power_cut import RECORDER, cut_power

END = date(2026, 1, 1)
LATEST = "SELECT list_hash FROM recs.run WHERE as_of = %s ORDER BY run_id DESC LIMIT 1"


class Machine:
    """Nights in processes of their own, of which everything that they sync is noted."""

    def __init__(self, pipeline: Pipeline, environment: dict[str, str], folder: Path) -> None:
        self.lake = Path(pipeline.settings.lake.path)
        self.synced = folder / "synced"
        hooks = folder / "hooks"
        hooks.mkdir()
        (hooks / "sitecustomize.py").write_text(RECORDER, encoding="utf-8")
        more = {"RECSYS_LAKE": str(self.lake), "SYNCED": str(self.synced), "PYTHONPATH": str(hooks)}
        self.environment = os.environ | environment | more

    def start(self, day: date) -> "subprocess.Popen[bytes]":
        recsys = str(Path(sys.executable).parent / "recsys")
        return subprocess.Popen(
            [recsys, "nightly", "--no-promote", "--as-of", str(day)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def shut_down(self, running: "subprocess.Popen[bytes]") -> str:
        """Ends all that a night has started; gives the last step that it had completed."""
        driver = psutil.Process(running.pid)
        family = [driver, *driver.children(recursive=True)]
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=20)
        _, said = running.communicate()
        cut_power(self.lake, self.synced.read_text().splitlines(keepends=True))
        steps = [line.split()[1] for line in said.decode().splitlines() if line.startswith("✓")]
        return steps[-1] if steps else "start"


def test_the_night_after_a_forced_shutdown_is_right(
    pipeline: Pipeline,
    environment: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kills, seed = (request.config.getoption(f"--chaos-{what}") for what in ("kills", "seed"))
    chance = random.Random(seed)  # noqa: S311 - a plan, not a secret
    pipeline.load(make_market(60, 40, 40, 2_000, 5, END))
    days = [END - timedelta(days=n) for n in reversed(range(min(kills, 20) + 2))]
    undisturbed = {}
    for day in days:
        night(arguments(pipeline, OBSERVED_AT, day))
        undisturbed[day] = pipeline.query(LATEST, (day,))
    assert len({str(found) for found in undisturbed.values()}) == len(days)

    machine = Machine(into_an_empty_lake(pipeline, tmp_path / "second"), environment, tmp_path)
    begin = time.monotonic()
    finish(machine, days[0])
    length = time.monotonic() - begin
    assert pipeline.query(LATEST, (days[0],)) == undisturbed[days[0]]
    for number in range(kills):
        # The night that was cut off is run again, or left out.
        cut = days[1 + number % (len(days) - 2)]
        after = chance.choice([cut, cut + timedelta(days=1)])
        running = machine.start(cut)
        seconds = chance.uniform(0.5, length)
        time.sleep(seconds)
        last = machine.shut_down(running)
        finish(machine, after)
        with capsys.disabled():
            which = "the same" if after == cut else "the next"
            print(f"\nshutdown {number + 1} at {seconds:4.1f} s, after {last}: {which} ", end="")  # noqa: T201
            assert pipeline.query(LATEST, (after,)) == undisturbed[after]
            print("night is right", end="", flush=True)  # noqa: T201


def finish(machine: Machine, day: date) -> None:
    running = machine.start(day)
    _, said = running.communicate()
    assert running.returncode == 0, said.decode()
