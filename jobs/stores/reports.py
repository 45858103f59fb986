"""Where the reports of runs lie: one file a run, below the lake."""

from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from markupsafe import escape
from upath import UPath

from jobs.lake.files import fresh, put, remove
from jobs.lake.partitions import Lake
from recsys.ids import UserId

_FOLDER: Final = "reports"


def report_file(lake: Lake, run_id: int) -> UPath:
    """The report of a run, which may not be there."""
    return lake.root / _FOLDER / f"run-{run_id}.html"


def write_report(lake: Lake, run_id: int, page: str) -> UPath:
    """Replaces the report of a run as a whole."""
    file = report_file(lake, run_id)
    with lake.locked(file.parent):
        put(file, page.encode(), file.with_name(f".{file.name}.{uuid4().hex}"))
    return file


def reported_runs(lake: Lake) -> set[int]:
    """Runs that have a report."""
    return {int(file.stem.removeprefix("run-")) for file in _reports(lake)}


def reports_naming(lake: Lake, user: UserId) -> list[UPath]:
    """Reports that show the list of a user."""
    named = user_attribute(user).encode()
    return [file for file in _reports(lake) if named in file.read_bytes()]


def remove_reports(lake: Lake) -> None:
    """Removes all reports."""
    remove(lake.root / _FOLDER)


def user_attribute(user: UserId) -> str:
    """The text by which a report names a user whose list it shows."""
    return f'data-user="{escape(str(user))}"'


def _reports(lake: Lake) -> Iterator[UPath]:
    yield from sorted(fresh(lake.root / _FOLDER).glob("run-*.html"), key=str)
