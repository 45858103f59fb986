"""Writing the report of a run into the lake, by hand or as a night leaves it."""

import logging
from collections.abc import Callable
from functools import wraps

from pydantic import SecretStr
from upath import UPath

from jobs.lake.partitions import Lake
from jobs.report.facts import gathered
from jobs.report.page import render
from jobs.run.entrypoint import Job, RunArguments
from jobs.sinks.postgres.report import Asked
from jobs.stores.reports import write_report
from recsys.config import Config
from recsys.errors import HeldError, RecsysError

log = logging.getLogger(__name__)


def report_run(uri: SecretStr, lake: Lake, config: Config, asked: Asked = None) -> UPath:
    """Writes the report of a run and gives its file.

    Raises RunNotThereError where there is no such run.
    """
    facts = gathered(uri, lake, config, asked)
    return write_report(lake, facts.run.run_id, render(facts))


def leaves_report(job: Job) -> Callable[[RunArguments], None]:
    """Decorator of the step that publishes: its run gets a report, held back or not.

    The lists are published by then, so that a report which cannot be written fails nothing.
    """

    @wraps(job)
    def reported(arguments: RunArguments) -> None:
        try:
            job(arguments)
        except HeldError:
            _leave(arguments)
            raise
        _leave(arguments)

    return reported


def _leave(arguments: RunArguments) -> None:
    uri = arguments.settings.require_postgres()
    try:
        file = report_run(uri, arguments.lake, arguments.config, arguments.as_of)
        log.info("the report of the run is %s", file)
    except RecsysError as error:
        log.warning("no report of the run: %s; `recsys report` makes it", error)
