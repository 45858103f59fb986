"""The nightly run without a scheduler: the same jobs, in order, in one process."""

import importlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from jobs.entrypoint import RunArguments

#: Modules of the jobs. They are imported when they run: some take seconds to load.
STEPS: Final = (
    "extract_sources",
    "check_sources",
    "build_interactions",
    "check_matrix",
    "train_generators",
    "choose_ranking",
    "rank_lists",
    "check_lists",
    "publish_lists",
)


def run_steps(
    arguments: RunArguments, started: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    """Runs each job; `started` hears of it before, and its name and seconds come after."""
    for name in STEPS:
        started(name)
        begin = time.monotonic()
        importlib.import_module(f"jobs.{name}").main(arguments)
        yield name, time.monotonic() - begin
