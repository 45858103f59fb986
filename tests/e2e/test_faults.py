"""A night that is stopped, loses Spark or finds no room: one message, nothing half visible, nothing
left running, and the next night right."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from upath import UPath

from jobs.sandbox.processes import wait_until
from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from tests.e2e.conftest import Pipeline

DAY = AsOf.parse("2026-01-01")
RECSYS = str(Path(sys.executable).parent / "recsys")
SECONDS = 120.0


@dataclass
class Night:
    """`recsys nightly` as a process, and what it says."""

    process: subprocess.Popen[str]
    said: str = ""

    def wait_for(self, text: str) -> None:
        """Reads on until a line has the text."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if text in line:
                return
        raise AssertionError(f"no {text!r} in: {self.said}")

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, list[str]]:
        """Exit code and messages, once it has ended without a traceback of its own."""
        _, rest = self.process.communicate(timeout=SECONDS)
        self.said += rest
        messages = re.findall(r"^error: .*$", self.said, re.MULTILINE)
        return self.process.returncode, messages


def start(environment: dict[str, str], **options: int) -> Night:
    def limit() -> None:
        for name, value in options.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    process = subprocess.Popen(
        [RECSYS, "nightly", "--as-of", str(DAY)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=limit,  # noqa: PLW1509 - nothing else runs in this process yet
    )
    return Night(process)


def terminate(night: Night) -> None:
    night.process.terminate()


def press_ctrl_c(night: Night) -> None:
    """As a terminal does: to the whole group."""
    os.killpg(night.process.pid, signal.SIGINT)


def kill_java(night: Night) -> None:
    (java,) = [each for each in night.descendants() if each.name() == "java"]
    java.kill()


@pytest.fixture
def seeded(pipeline: Pipeline) -> dict[int, list[int]]:
    """A marketplace with lists that are live, and a lake that has to be made again."""
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    return pipeline.lists()


def drafts(lake: Path) -> list[Path]:
    """Folders that no manifest names."""
    return [f for f in lake.glob("**/gen-*") if not (f.parent / "manifest.json").exists()]


def test_a_night_is_stopped_or_loses_spark(
    pipeline: Pipeline, seeded: dict[int, list[int]], environment: dict[str, str], tmp_path: Path
) -> None:
    lake = tmp_path / "stopped"
    faults: list[tuple[Callable[[Night], None], int, str]] = [
        (terminate, 143, "stopped by SIGTERM before the end"),
        (press_ctrl_c, 130, "stopped by Ctrl-C before the end"),
        (kill_java, 35, "Spark was lost while it was at work"),
    ]
    for fault, code, message in faults:
        night = start(environment | {"RECSYS_LAKE": str(lake)})
        night.wait_for("✓ start")
        assert wait_until(lambda: bool(drafts(lake)), SECONDS)
        running = night.descendants()
        fault(night)
        found, messages = night.end()
        assert (found, len(messages)) == (code, 1), night.said
        assert message in messages[0]
        assert "Traceback" not in night.said
        _, left = psutil.wait_procs(running, timeout=10)
        assert left == []
        assert pipeline.lists() == seeded
    pipeline.settings = pipeline.settings.model_copy(update={"lake": UPath(lake)})
    pipeline.run(DAY)
    assert pipeline.lists() == seeded
    # Tasks that end later than their driver may leave files: the next night clears them up.
    assert len(list(lake.glob("**/gen-*"))) == len(list(lake.glob("**/manifest.json")))


def test_a_signal_ends_what_cannot_be_unwound(tmp_path: Path) -> None:
    """Code outside Python does not look at signals, nor does a thread that is waited for."""
    program = tmp_path / "stuck.py"
    program.write_text(
        "import time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from jobs.run import interruptions\n"
        "interruptions.GRACE_SECONDS = 0.5\n"
        "with interruptions.interruptible(), ThreadPoolExecutor(1) as threads:\n"
        "    threads.submit(time.sleep, 600)\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(600)\n",
        encoding="utf-8",
    )
    stuck = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert stuck.stdout is not None
    assert stuck.stdout.readline() == "ready\n"
    stuck.terminate()
    _, said = stuck.communicate(timeout=SECONDS)
    assert (stuck.returncode, said) == (
        143,
        "error: stopped by SIGTERM before the end; run it again\n",
    )


@pytest.mark.chaos
def test_a_file_that_has_no_room_is_named(
    pipeline: Pipeline, seeded: dict[int, list[int]], environment: dict[str, str], tmp_path: Path
) -> None:
    lake = tmp_path / "small"
    night = start(environment | {"RECSYS_LAKE": str(lake)}, RLIMIT_FSIZE=2_000)
    code, messages = night.end()
    assert (code, len(messages)) == (43, 1), night.said
    assert f"no room left to write {lake}/raw/" in messages[0]
    assert "File too large" in messages[0]
    assert list(lake.glob("**/manifest.json")) == drafts(lake) == []
    assert pipeline.lists() == seeded
