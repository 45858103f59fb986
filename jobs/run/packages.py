"""Installed packages against what the project needs, and against the versions it is tested with."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from recsys.errors import PrerequisiteError

_PROJECT: Final = "recsys"
_PINS: Final = Path(__file__).parents[2] / "constraints.txt"
"""Exact versions; only a checkout has them."""


def check_packages(needed: Iterable[str] | None = None) -> None:
    """Raises PrerequisiteError for a package that is missing or of a version that is not taken.

    needed: requirements; by default those of the project.
    """
    wrong = list(_unsuitable(requires(_PROJECT) or [] if needed is None else needed))
    if wrong:
        raise PrerequisiteError(f"{'; '.join(wrong)}; {_remedy()}")


def untested(pins: Path = _PINS) -> str:
    """Packages of other versions than the pinned ones, in words; nothing where there is none."""
    if not pins.is_file():
        return ""
    pinned = (line.split(" ")[0] for line in pins.read_text(encoding="utf-8").splitlines())
    wanted = dict(line.split("==") for line in pinned if "==" in line)
    other = list(_other(wanted))
    return f"not of the tested versions: {', '.join(other)}; {_remedy()}" if other else ""


def python_version() -> str:
    """The running Python."""
    return ".".join(map(str, sys.version_info[:3]))


def _unsuitable(needed: Iterable[str]) -> Iterator[str]:
    python = Requirement(f"python {metadata(_PROJECT)['Requires-Python']}")
    if not python.specifier.contains(python_version()):
        yield f"Python {python_version()} does not suit {python.specifier}"
    for each in map(Requirement, needed):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            found = _installed(each.name)
            if found is None:
                yield f"{each.name} is missing"
            elif not each.specifier.contains(found, prereleases=True):
                yield f"{each.name} {found} does not suit {each.specifier}"


def _other(wanted: Mapping[str, str]) -> Iterator[str]:
    for name, pinned in wanted.items():
        found = _installed(name)
        # Extras that are not installed are nobody's mistake.
        if found not in (None, pinned):
            yield f"{name} {found} for {pinned}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _remedy() -> str:
    if _PINS.is_file():
        return f"run `make setup`, or `pip install --constraint {_PINS.name} --editable .`"
    return f"run `pip install --upgrade {_PROJECT}`"
