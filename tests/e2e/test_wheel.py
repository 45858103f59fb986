"""The wheel in an empty environment: the README's way from pip to a list of one's own table.

Other packages come from a folder of wheels, so that nothing of this checkout's environment and no
extra is there.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from jobs.db.postgres import connect
from tests.architecture.documents import README, REPOSITORY

pytestmark = pytest.mark.wheel
#: One table of purchases that refers to two others, as a shop might have it; two taste groups.
SHOP: Final = """
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id bigint PRIMARY KEY, since timestamptz NOT NULL);
CREATE TABLE shop.book (id bigint PRIMARY KEY, title text NOT NULL, added timestamptz NOT NULL);
CREATE TABLE shop.sale (
    customer bigint NOT NULL REFERENCES shop.customer,
    book bigint NOT NULL REFERENCES shop.book,
    kind text NOT NULL,
    sold_at timestamptz NOT NULL
);
INSERT INTO shop.customer SELECT u, '2025-01-01' FROM generate_series(1, 120) AS u;
INSERT INTO shop.book SELECT i, 'Book ' || i, '2025-01-01' FROM generate_series(1, 60) AS i;
INSERT INTO shop.sale
SELECT
    u,
    1 + u % 2 * 30 + (u * 7 + k * k) % 30,
    CASE WHEN k % 3 = 0 THEN 'purchase' ELSE 'view' END,
    timestamptz '2025-12-01' + k * interval '1 day' + u * interval '1 minute'
FROM generate_series(1, 120) AS u, generate_series(1, 28) AS k;
"""
EVERY_MODULE: Final = """
import importlib, pkgutil, sys
missing = {}
for root in ("recsys", "data_contracts", "jobs"):
    for found in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            missing[found.name] = error.name
assert "airflow" not in sys.modules
print(missing)
"""
BLOCK: Final = re.search(r"## On your own tables\n.*?```sh\n(.*?)```", README, re.DOTALL)


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        command, capture_output=True, text=True, check=False, timeout=900, **options
    )
    return done


def pip(*arguments: str | Path, python: str | Path = sys.executable) -> None:
    done = run(python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def wheels() -> Iterator[Path]:
    """The wheel and all that it needs, in the tested versions."""
    with tempfile.TemporaryDirectory(prefix="recsys-test-") as name:
        folder = Path(name)
        index = run(sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder, "wheel")
        if index.returncode:
            pytest.skip(f"no package index: {index.stderr.strip().splitlines()[-1]}")
        made = run("make", "wheel", cwd=REPOSITORY)
        assert made.returncode == 0, made.stderr
        wheel = REPOSITORY / made.stdout.split()[-1]
        pip("wheel", "-c", REPOSITORY / "constraints.txt", "-w", folder, wheel)
        yield folder


@pytest.fixture(scope="module")
def programs(wheels: Path) -> Path:
    """`bin` of an environment that had nothing in it before."""
    environment = wheels / "environment"
    assert run(sys.executable, "-m", "venv", environment).returncode == 0
    python = environment / "bin" / "python"
    pip("install", "--no-index", "--find-links", wheels, "recsys", python=python)
    return environment / "bin"


def outside(programs: Path, **variables: str) -> dict[str, str]:
    """An environment that knows nothing of this checkout."""
    ours = ("RECSYS_", "PYTHONPATH", "PYSPARK_PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PATH": f"{programs}:{os.environ['PATH']}"} | variables


def test_no_module_needs_an_extra_but_the_embedded_server_and_airflows_own_parts(
    programs: Path, tmp_path: Path
) -> None:
    # A file, because a program without one is a doctest to pyspark, which then ends it.
    program = tmp_path / "every_module.py"
    program.write_text(EVERY_MODULE, encoding="utf-8")
    done = run(programs / "python", program, cwd=tmp_path, env=outside(programs))
    assert done.returncode == 0, done.stderr
    missing = dict(re.findall(r"'([\w.]+)': '(\w+)", done.stdout))
    missing.pop("jobs.airflow_plugin", None)
    assert missing == {"jobs.sandbox.nx_socket": "nx_27017"}
    refused = run("recsys", "sandbox", "up", cwd=tmp_path, env=outside(programs))
    assert "pip install 'recsys[sandbox]'" in refused.stderr
    assert refused.returncode == 40


def test_it_holds_the_dags_and_all_statements(programs: Path, tmp_path: Path) -> None:
    said = run("recsys", "dags", cwd=tmp_path, env=outside(programs)).stdout.strip()
    assert said.startswith(str(programs.parent))
    for here, there in (("dags", Path(said)), ("sql", Path(said).with_name("sql"))):
        for kind in ("*.py", "*.sql"):
            names = {
                path.relative_to(REPOSITORY / here) for path in (REPOSITORY / here).rglob(kind)
            }
            assert {path.relative_to(there) for path in there.rglob(kind)} == names


def test_from_pip_to_a_list_in_six_commands(
    programs: Path, bare_postgres_uri: SecretStr, tmp_path: Path
) -> None:
    assert BLOCK is not None
    commands = BLOCK[1].splitlines()
    assert len(commands) <= 6
    assert commands[0].startswith("pip install ")
    assert commands[1].startswith("export RECSYS_POSTGRES_URI=")
    with connect(bare_postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute(SHOP)
    env = outside(programs, RECSYS_POSTGRES_URI=bare_postgres_uri.get_secret_value())
    script = "\n".join(["set -e", *commands[2:]])
    done = run("bash", "-c", script, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout.rpartition("rank")[2]
    titles = {int(title) for title in re.findall(r"\bBook (\d+)", said)}
    # User 42 is of the first group, whose books are the first thirty.
    assert len(titles) >= 5
    assert sum(title <= 30 for title in titles) > len(titles) / 2
