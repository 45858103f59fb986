"""The command line of every job: arguments, log, exit code."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, get_args

from jobs.lake.disk import full_disk
from jobs.lake.files import fresh, is_local
from jobs.lake.locks import by_postgres
from jobs.lake.partitions import Lake
from jobs.run.interruptions import interruptible
from jobs.run.openmp import let_idle_threads_sleep
from jobs.run.reporting import report, start_log
from jobs.run.settings import Settings, load_config, load_settings
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import LakeUnavailableError, RecsysError


@dataclass(frozen=True)
class RunArguments:
    """Arguments of a run: as-of, configuration, places, and the one clock reading."""

    as_of: AsOf
    config: Config
    settings: Settings
    observed_at: datetime
    """When the sources are read; a timestamp at or after it lies in the future."""
    promote: bool | None = None
    """Whether the run goes live; otherwise it is published as history. None: it goes live unless
    the live run is of a later instant."""
    full: bool = False
    """Whether everything is made anew, whatever `nights.full_every` says."""
    outcome: Path | None = None
    """Where the fate of a published run is written, held back or not; nowhere if None."""

    @cached_property
    def lake(self) -> Lake:
        return lake_of(self.settings)


def lake_of(settings: Settings) -> Lake:
    """The lake, with locks that all who write to it see.

    Raises LakeUnavailableError where it is elsewhere and does not answer.
    """
    root = settings.lake
    if is_local(root):
        return Lake(root)
    try:
        fresh(root).exists()
    except Exception as error:  # each file system has its own
        raise LakeUnavailableError(
            f"the lake {root} does not answer ({error}); check RECSYS_LAKE, and address and "
            "credentials of its server in the environment"
        ) from error
    return Lake(root, by_postgres(settings.require_postgres))


Job = Callable[[RunArguments], None]
Option = Literal["full", "observed_at", "outcome", "promote"]
"""An argument that some jobs take."""
_OPTIONS: Final = get_args(Option)


def job_parser(doc: str | None, *options: Option) -> argparse.ArgumentParser:
    """The arguments that every job takes, and those that this one reads besides.

    doc: the docstring of its module.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--as-of",
        type=_as_of,
        required=True,
        metavar="DATE|INSTANT",
        help="exclusive UTC bound: only what was known before it counts; 2026-01-01 means its "
        "midnight, 2026-01-01T06:00Z any minute",
    )
    parser.add_argument("--config", type=Path, help="configuration file (default: $RECSYS_CONFIG)")
    if "observed_at" in options:
        parser.add_argument(
            "--observed-at",
            type=_instant,
            metavar="INSTANT",
            help="when the sources are read, ISO 8601 with zone (default: now)",
        )
    if "promote" in options:
        parser.add_argument(
            "--promote",
            action=argparse.BooleanOptionalAction,
            help="go live, whatever is live; or be published as history and leave the live run "
            "alone (default: go live unless the live run is of a later instant)",
        )
    if "outcome" in options:
        parser.add_argument(
            "--outcome",
            type=Path,
            metavar="FILE",
            help="write what became of the run as JSON, held back or not",
        )
    if "full" in options:
        parser.add_argument(
            "--full",
            action="store_true",
            help="make everything anew, whatever nights.full_every says",
        )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _as_of(text: str) -> AsOf:
    try:
        return AsOf.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; append Z")
    return instant


def run(parser: argparse.ArgumentParser, job: Job, argv: Sequence[str] | None = None) -> None:
    """Parses the command line, runs the job and ends the process with the error's exit code."""
    arguments = parser.parse_args(argv)
    start_log()
    let_idle_threads_sleep()
    try:
        with interruptible(), full_disk():
            config, settings = load_config(arguments.config), load_settings()
            read = {name: getattr(arguments, name) for name in _OPTIONS if hasattr(arguments, name)}
            read["observed_at"] = read.get("observed_at") or datetime.now(UTC)
            parsed = RunArguments(arguments.as_of, config, settings, **read)
            with parsed.lake.in_use():
                job(parsed)
    except RecsysError as error:
        sys.exit(report(error, debug=arguments.debug))
