"""What make does to the machine and to data that somebody has."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_openmp_that_is_there_is_not_installed(tmp_path: Path) -> None:
    listed = "for i in {1..20000}; do echo 'another.so.1 => /lib/another.so.1'; done"
    program(tmp_path, "ldconfig", f"echo 'libgomp.so.1 => /lib/libgomp.so.1'\n{listed}")
    program(tmp_path, "apt-get", "echo called; exit 1")
    program(tmp_path, "java", "echo 'openjdk version \"17.0.1\"' >&2")
    # In a folder of its own, because make puts the .venv beside it first on the PATH.
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("JAVA_HOME", None)
    said = subprocess.run(
        ["make", "java"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout + said.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "config"),
    [([], "recsys.toml"), (["KIND=people"], "jobs/sandbox/people.toml")],
)
def test_the_demo_has_servers_a_lake_and_a_configuration_of_its_own(
    arguments: list[str], config: str, tmp_path: Path
) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".airflow").mkdir()
    for ready in (".venv/.ready", ".airflow/.ready"):
        (tmp_path / ready).touch()
    program(programs, "recsys", 'echo "$1 in $RECSYS_SANDBOX and $RECSYS_LAKE" >> used')
    program(programs, "airflow", "exit 0")
    program(programs, "java", "echo 'openjdk version \"17.0.1\"' >&2")
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    mine = {"RECSYS_SANDBOX": str(tmp_path / "mine"), "RECSYS_LAKE": str(tmp_path / "my-lake")}
    environment = {k: v for k, v in os.environ.items() if k != "JAVA_HOME"} | mine
    subprocess.run(
        ["make", "demo", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    used = (tmp_path / "used").read_text(encoding="utf-8").splitlines()
    place = f" in {tmp_path}/.demo/sandbox and {tmp_path}/.demo/lake"
    commands = ("sandbox", "sandbox", "migrate", "seed", "demo-report")
    assert used == [f"{name}{place}" for name in commands]
    program(programs, "activate", f"export PATH={programs}:$PATH")
    command = "source .demo/env && echo $RECSYS_LAKE in $RECSYS_CONFIG"
    said = subprocess.run(
        ["bash", "-euc", command],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == f"{tmp_path}/.demo/lake in {tmp_path}/{config}\n"
