"""The steps of a night, one module each, in the order of `STEPS`.

The DAG, `recsys nightly` and tests follow this one list. It imports nothing, so that Airflow can
read it without loading a job.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

FOLDER: Final = Path(__file__).parent
"""Of their modules, which Spark is given as files."""
Flag = Literal["full", "promote"]
"""An option that the scheduler sets for backfills."""
Part = Literal["read", "build", "train", "rank", "publish"]
"""A part of a night, as the scheduler's UI shows it: one group of tasks."""


@dataclass(frozen=True)
class Step:
    """One step of a night: a module of `jobs.steps`, and a task of the DAG."""

    name: str
    part: Part
    longest: timedelta
    """Time after which the scheduler ends it."""
    on_spark: bool = False
    """Whether it is submitted to Spark; else it is a process by itself."""
    flags: tuple[Flag, ...] = ()


_HALF_AN_HOUR: Final = timedelta(minutes=30)

STEPS: Final = (
    Step("extract_sources", "read", timedelta(hours=3), on_spark=True),
    Step("check_sources", "read", _HALF_AN_HOUR),
    Step("build_matrix", "build", timedelta(hours=1), on_spark=True),
    Step("check_matrix", "build", _HALF_AN_HOUR),
    Step("train_generators", "train", timedelta(hours=3), flags=("full",)),
    Step("choose_ranking", "train", timedelta(hours=3), flags=("full",)),
    Step("rank_lists", "rank", timedelta(hours=2), on_spark=True),
    Step("check_lists", "rank", _HALF_AN_HOUR),
    Step("publish_lists", "publish", timedelta(hours=1), flags=("promote",)),
)
NAMES: Final = tuple(step.name for step in STEPS)
