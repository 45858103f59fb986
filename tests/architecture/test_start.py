"""A command or a task loads what it needs when it needs it; the list of commands needs nothing."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from jobs.app.nightly import OF_TASKS
from jobs.cli.deferred import Deferred
from jobs.cli.main import app

HEAVY = {
    "adbc_driver_postgresql", "airflow", "faiss", "great_expectations", "implicit", "lightgbm",
    "numpy", "optuna", "pandas", "pyarrow", "pymongo", "pyspark", "scipy", "sklearn",
}  # fmt: skip
#: What the driver alone works with; each takes a good part of a second, in every worker of Spark.
OF_THE_DRIVER = {"airflow", "faiss", "great_expectations", "lightgbm", "optuna", "sklearn"}
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
DEFERRED = {name: c for name, c in COMMANDS.items() if isinstance(c, Deferred)}


@pytest.mark.parametrize("module", ["main", "runs"])
def test_what_reads_no_data_starts_without_any_library_of_the_jobs(module: str) -> None:
    assert HEAVY & loaded_by(f"jobs.cli.{module}") == set()


def test_tasks_of_spark_load_no_library_that_only_the_driver_works_with() -> None:
    assert OF_THE_DRIVER & loaded_by(*OF_TASKS) == set()


def loaded_by(*modules: str) -> set[str]:
    """Names of all modules that a new process has once it has imported some."""
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {', '.join(modules)}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(said.stdout.split())


def test_every_command_is_one_that_is_loaded_when_called() -> None:
    assert [name for name in COMMANDS if name not in DEFERRED] == []


@pytest.mark.parametrize("name", DEFERRED)
def test_the_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    listed, itself = DEFERRED[name], DEFERRED[name].load()
    assert " ".join(itself.help.split("\n\n")[0].split()) == listed.help


def paths(commands: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, found in commands.items():
        command = found.load() if isinstance(found, Deferred) else found
        yield [name]
        yield from ([name, *below] for below in paths(getattr(command, "commands", {})))


@pytest.mark.parametrize("path", list(paths(COMMANDS)), ids=" ".join)
def test_a_help_text_fills_its_lines(path: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*path, "--help"]).stdout
    paragraphs = [text.splitlines() for text in re.split(r"\n\s*\n", shown.split("╭")[0].strip())]
    # A line is short only where the next word would not have fitted.
    for above, below in (pair for lines in paragraphs for pair in pairwise(lines)):
        assert len(above.rstrip()) + len(below.split()[0]) >= 78, shown


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"recsys {version('recsys')}\n"
