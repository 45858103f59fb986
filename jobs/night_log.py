"""Account of a night's steps: how long each took, and what ended the night early."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Final

from jobs.lake.facts import RuleFacts, StepFacts
from jobs.run.entrypoint import Job, RunArguments
from jobs.run.settings import printable
from jobs.sinks.postgres.analysis import StoppedNight, add_stopped_night
from jobs.stores.run_metrics import step_partition
from jobs.stores.stages import Stage, rule_results
from recsys.errors import (
    ContractError,
    HeldError,
    InterruptedRunError,
    PostgresUnavailableError,
    RecsysError,
    TerminatedError,
)

_STAGES: Final[Mapping[str, Stage]] = {
    "check_sources": "sources",
    "check_matrix": "matrix",
    "check_lists": "lists",
}
#: A held run has a row of its own; who stops a night by hand knows why; and without Postgres there
#: is nowhere to write to.
_UNTOLD: Final = (HeldError, InterruptedRunError, TerminatedError, PostgresUnavailableError)

log = logging.getLogger(__name__)


def night_step(name: str) -> Callable[[Job], Job]:
    """Decorator of a step's `main`: it keeps its seconds in the lake, and where an error ends it,
    adds a row to `recs.stopped_night`."""

    def decorated(job: Job) -> Job:
        @wraps(job)
        def told(arguments: RunArguments) -> None:
            begin = time.monotonic()
            with stops_told(arguments, name):
                job(arguments)
            with step_partition(arguments.lake, name, arguments.as_of).replace() as draft:
                StepFacts(seconds=round(time.monotonic() - begin, 3)).note(draft)

        return told

    return decorated


@contextmanager
def stops_told(arguments: RunArguments, step: str) -> Iterator[None]:
    """Adds a row to `recs.stopped_night` where an error ends the night, and raises the error."""
    try:
        yield
    except RecsysError as error:
        if not isinstance(error, _UNTOLD):
            _tell(arguments, step, error)
        raise


def _tell(arguments: RunArguments, step: str, error: RecsysError) -> None:
    uri = arguments.settings.postgres_uri
    if uri is None:
        return
    try:
        night = StoppedNight(
            as_of=arguments.as_of,
            step=step,
            error=error,
            reason=printable(str(error)),
            config_hash=arguments.config.fingerprint(),
            rules=_rules(arguments, step) if isinstance(error, ContractError) else (),
        )
        add_stopped_night(uri, night)
    except RecsysError as second:
        log.warning("no row of this night in recs.stopped_night: %s", second)


def _rules(arguments: RunArguments, step: str) -> list[RuleFacts]:
    stages = [_STAGES[step]] if step in _STAGES else []
    return rule_results(arguments.lake, arguments.as_of, *stages)
