"""The archive for `spark-submit --py-files`."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from jobs.spark import package

CODE = (
    "import recsys, jobs.db.statements as found; from recsys.generators.registry import GENERATORS;"
    "print(recsys.__file__, found.__file__, found.statement('extract/count')[:2], *GENERATORS)"
)
SUMS = (
    "from scipy import sparse; from recsys.generators.products import dense_product;"
    "one = sparse.identity(2, 'f4', 'csr'); print(dense_product(one, one).tolist())"
)


def test_it_holds_every_package_and_statement(tmp_path: Path) -> None:
    with zipfile.ZipFile(package.pack(tmp_path / "deep" / package.ARCHIVE)) as archive:
        names = set(archive.namelist())
    for folder, pattern in (
        ("recsys", "py"),
        ("data_contracts", "py"),
        ("jobs", "py"),
        ("jobs/sql", "sql"),
    ):
        there = {
            str(p.relative_to(package.ROOT)) for p in (package.ROOT / folder).rglob(f"*.{pattern}")
        }
        assert there
        packed = {name for name in names if Path(name).match(f"*.{pattern}")}
        assert {name for name in packed if name.startswith(f"{folder}/")} == there


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    first = package.pack(tmp_path / "first.zip").read_bytes()
    os.utime(package.__file__)
    assert package.pack(tmp_path / "second.zip").read_bytes() == first


def test_the_code_runs_out_of_it(tmp_path: Path) -> None:
    archive = package.pack(tmp_path / package.ARCHIVE)
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
    )
    recsys, statements, head, *generators = done.stdout.split()
    assert recsys == f"{archive}/recsys/__init__.py"
    assert statements == f"{archive}/jobs/db/statements.py"
    assert head == "--"
    assert {"als", "content"} <= set(generators)


def test_loops_run_out_of_it_where_nothing_compiled_can_be_kept(tmp_path: Path) -> None:
    archive, taken = package.pack(tmp_path / package.ARCHIVE), tmp_path / "taken"
    taken.touch()
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(taken / "home"))
    done = subprocess.run(
        [sys.executable, "-c", SUMS],
        cwd=tmp_path,
        env=os.environ | nowhere | {"PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[[1.0, 0.0], [0.0, 1.0]]\n", "")
