"""Reports of runs as the lake keeps them: written as a whole, found by the users they show."""

from uuid import uuid4

from markupsafe import escape
from upath import UPath

from jobs.lake.files import fresh, put, remove
from jobs.lake.partitions import Lake
from jobs.stores.report_files import FOLDER, report_file
from recsys.ids import UserId


def write_report(lake: Lake, run_id: int, page: str) -> UPath:
    """Replaces the report of a run as a whole."""
    file = report_file(lake.root, run_id)
    with lake.locked(file.parent):
        put(file, page.encode(), file.with_name(f"{file.name}.{uuid4().hex}"))
    return file


def reports_naming(lake: Lake, user: UserId) -> list[UPath]:
    """Reports that show the list of a user, by the attribute that the page gives it; also what a
    killed job has left of one."""
    named = f'data-user="{escape(str(user))}"'.encode()
    files = sorted(fresh(lake.root / FOLDER).glob("run-*"), key=str)
    return [file for file in files if named in file.read_bytes()]


def remove_reports(lake: Lake) -> None:
    """Removes all reports."""
    remove(lake.root / FOLDER)
