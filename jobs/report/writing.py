"""Writing the report of a run into the lake, by hand or as a night leaves it."""

import logging

from pydantic import SecretStr
from upath import UPath

from jobs.lake.partitions import Lake
from jobs.report.facts import ReadLists, gathered
from jobs.report.page import render
from jobs.run.entrypoint import RunArguments
from jobs.stores.reports import write_report
from recsys.config import Config
from recsys.errors import RecsysError

log = logging.getLogger(__name__)


def report_run(
    uri: SecretStr,
    lake: Lake,
    config: Config,
    run_id: int | None = None,
    read: ReadLists | None = None,
) -> UPath:
    """Writes the report of a run and gives its file; see `gathered`."""
    facts = gathered(uri, lake, config, run_id, read)
    return write_report(lake, facts.run.run_id, render(facts))


def leave_report(arguments: RunArguments, run_id: int, read: ReadLists) -> None:
    """Writes the report of a run that has just been published.

    Its lists are complete by then, so that a report which cannot be written fails nothing.
    """
    uri = arguments.settings.require_postgres()
    try:
        file = report_run(uri, arguments.lake, arguments.config, run_id, read)
        log.info("the report of run %d is %s", run_id, file)
    except RecsysError as error:
        log.warning("no report of run %d: %s; `recsys report` makes it", run_id, error)
    except Exception:
        log.exception("no report of run %d", run_id)
