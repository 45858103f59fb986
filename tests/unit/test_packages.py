"""Installed packages against what is needed, and against the pins."""

from importlib.metadata import version
from pathlib import Path

import pytest

from jobs.run.packages import check_packages, untested
from recsys.errors import PrerequisiteError


def test_missing_and_unsuitable_packages_are_named_and_extras_are_not() -> None:
    check_packages()
    needed = ["numpy>=99", "no-such-package", 'nor-this; extra == "s3"', "pandas"]
    said = rf"numpy {version('numpy')} does not suit >=99; no-such-package is missing; run `make"
    with pytest.raises(PrerequisiteError, match=said):
        check_packages(needed)


def test_other_versions_than_the_pinned_ones_are_named(tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text(f"numpy==0.1\npandas=={version('pandas')}\nno-such-package==1\n", "utf-8")
    assert f"tested versions: numpy {version('numpy')} for 0.1; run" in untested(pins)
    assert untested(tmp_path / "in-a-wheel") == ""
