"""A command loads what it needs when it needs it, and the list of commands needs nothing."""

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from jobs.cli.deferred import Deferred
from jobs.cli.main import app

HEAVY = {
    "adbc_driver_postgresql", "airflow", "faiss", "great_expectations", "implicit", "lightgbm",
    "numpy", "optuna", "pandas", "pyarrow", "pymongo", "pyspark", "scipy", "sklearn",
}  # fmt: skip
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
DEFERRED = {name: c for name, c in COMMANDS.items() if isinstance(c, Deferred)}


def test_the_command_line_starts_without_any_library_of_the_jobs() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, jobs.cli.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY & set(said.stdout.split()) == set()


def test_every_command_is_one_that_is_loaded_when_called() -> None:
    assert [name for name in COMMANDS if name not in DEFERRED] == []


@pytest.mark.parametrize("name", DEFERRED)
def test_the_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    listed, itself = DEFERRED[name], DEFERRED[name].load()
    assert " ".join(itself.help.split("\n\n")[0].split()) == listed.help


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"recsys {version('recsys')}\n"
