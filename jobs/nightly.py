"""The nightly run without a scheduler: the same jobs, in order, in one process."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from jobs import (
    build_interactions,
    extract_sources,
    publish_lists,
    rank_lists,
    train_als,
    train_content,
    train_popularity,
)
from jobs.entrypoint import Job, RunArguments

STEPS: Final[tuple[tuple[str, Job], ...]] = (
    ("extract_sources", extract_sources.main),
    ("build_interactions", build_interactions.main),
    ("train_als", train_als.main),
    ("train_content", train_content.main),
    ("train_popularity", train_popularity.main),
    ("rank_lists", rank_lists.main),
    ("publish_lists", publish_lists.main),
)


def run_steps(
    arguments: RunArguments, started: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    """Runs each job; `started` hears of it before, and its name and seconds come after."""
    for name, job in STEPS:
        started(name)
        begin = time.monotonic()
        job(arguments)
        yield name, time.monotonic() - begin
