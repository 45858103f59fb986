"""The machine goes down during nights: the next night makes what it makes after undisturbed ones.

Each shutdown kills every process of a night at a random instant and takes from the lake what the
system was not asked to keep. Only `make chaos` runs it; `--chaos-kills` and `--chaos-seed` say
how many and when.
"""

import os
import random
import re
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from tests.e2e.conftest import OBSERVED_AT, Pipeline
from tests.e2e.night_runs import arguments, into_an_empty_lake, night
from tests.lake.power_cuts import RECORDER, cut_power

END = AsOf.parse("2026-01-01")
LATEST = "SELECT list_hash FROM recs.run WHERE as_of = %s ORDER BY run_id DESC LIMIT 1"


class Machine:
    """Nights in processes of their own, of which everything that they sync is noted."""

    def __init__(self, pipeline: Pipeline, environment: dict[str, str], folder: Path) -> None:
        self.lake = Path(pipeline.settings.lake.path)
        self.synced = folder / "synced"
        hooks = folder / "hooks"
        hooks.mkdir()
        (hooks / "sitecustomize.py").write_text(RECORDER, encoding="utf-8")
        path = f"{hooks}{os.pathsep}{Path(__file__).parents[2]}"
        more = {"RECSYS_LAKE": str(self.lake), "SYNCED": str(self.synced), "PYTHONPATH": path}
        self.environment = os.environ | environment | more

    def start(self, day: AsOf) -> "subprocess.Popen[str]":
        recsys = str(Path(sys.executable).parent / "recsys")
        return subprocess.Popen(
            [recsys, "nightly", "--no-promote", "--as-of", str(day)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def shut_down(self, running: "subprocess.Popen[str]") -> None:
        """Ends all that a night has started, and forgets what was not on the disk."""
        driver = psutil.Process(running.pid)
        family = [driver, *driver.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=20)
        running.communicate()
        cut_power(self.lake, self.synced.read_text().splitlines(keepends=True))

    def finish(self, day: AsOf) -> dict[str, float]:
        """Runs a night to its end; gives the seconds of each step, the first with the start."""
        begin = time.monotonic()
        running = self.start(day)
        _, said = running.communicate()
        assert running.returncode == 0, said
        steps = dict(found for line in said.splitlines() if (found := step(line)))
        first = next(iter(steps))
        return {**steps, first: steps[first] + time.monotonic() - begin - sum(steps.values())}


def step(line: str) -> tuple[str, float] | None:
    """The step that a line tells to be complete, and its seconds."""
    found = re.match(r"✓ (\w+) ([0-9.]+) s", line)
    return (found[1], float(found[2])) if found else None


def wait_for(step_before: str, running: "subprocess.Popen[str]") -> None:
    """Waits until a night has completed a step, if there is one before."""
    assert running.stderr is not None
    for line in running.stderr if step_before else ():
        if (found := step(line)) and found[0] == step_before:
            return


def latest(pipeline: Pipeline, as_of: AsOf) -> list[tuple[Any, ...]]:
    """The checksum of the lists that were published last as of an instant."""
    return pipeline.query(LATEST, (as_of.instant,))


@pytest.mark.chaos
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
        undisturbed[day] = latest(pipeline, day)
    assert len({str(found) for found in undisturbed.values()}) == len(days)

    machine = Machine(into_an_empty_lake(pipeline, tmp_path / "second"), environment, tmp_path)
    lengths = machine.finish(days[0])
    assert latest(pipeline, days[0]) == undisturbed[days[0]]
    for number in range(kills):
        # The night that was cut off is run again, or left out.
        cut = days[1 + number % (len(days) - 2)]
        after = chance.choice([cut, cut + timedelta(days=1)])
        before, (during, seconds) = chance.choice(
            list(zip(["", *lengths], lengths.items(), strict=False))
        )
        begun = chance.random()
        running = machine.start(cut)
        wait_for(before, running)
        time.sleep(begun * seconds)
        machine.shut_down(running)
        lengths = machine.finish(after)
        with capsys.disabled():
            which = "the same" if after == cut else "the next"
            print(f"\nshutdown {number + 1}, {begun:.0%} into {during}: {which} ", end="")  # noqa: T201
            assert latest(pipeline, after) == undisturbed[after]
            print("night is right", end="", flush=True)  # noqa: T201
