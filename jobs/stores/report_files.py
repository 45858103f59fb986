"""Where the reports of runs lie: one file a run, below the lake."""

import re
from typing import Final

from upath import UPath

FOLDER: Final = "reports"
_NAME: Final = re.compile(r"run-(\d+)\.html")


def report_file(root: UPath, run_id: int) -> UPath:
    """The report of a run, which may not be there. root: of the lake."""
    return root / FOLDER / f"run-{run_id}.html"


def reported_runs(root: UPath) -> set[int]:
    """Runs that have a report."""
    names = (_NAME.fullmatch(file.name) for file in (root / FOLDER).glob("run-*.html"))
    return {int(name[1]) for name in names if name}
