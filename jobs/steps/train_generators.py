"""Fits every candidate generator on what was known before an as-of (plain Python).

Between full nights those that cost most are taken over from the last one and brought up to date.
"""

import argparse
import logging
from collections.abc import Iterator
from functools import partial

from jobs.fitting import fit_generators, updated_generators
from jobs.lake.facts import ModelFacts
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.stores.models import TrainingData, read_model, write_model
from jobs.stores.nights import alignment_since, decided
from jobs.stores.tunings import (
    TUNING,
    night_tuning,
    settle_tuning,
    standing_tuning,
    with_night_tuning,
)
from jobs.stores.warm_start import warm_start
from jobs.tuning.kept import tune_as_of
from jobs.tuning.tuner import Budget
from recsys.as_of import AsOf
from recsys.errors import DataError
from recsys.generators.contract import Model

log = logging.getLogger(__name__)

Made = Iterator[tuple[str, Model, AsOf | None]]
"""Name, generator, and the run whose vectors its fit began with."""


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__, "full")


def main(arguments: RunArguments) -> None:
    arguments = _tuned(arguments)
    known, night = TrainingData(arguments), decided(arguments)
    if night.base is None:
        made = _fitted(arguments, known)
    else:
        log.info("items as of %s, lists as of %s where kept", night.base, night.previous)
        moved = alignment_since(arguments, known, night.base)
        base = partial(read_model, arguments.lake, as_of=night.base)
        updated = updated_generators(known.training, arguments.config, base, moved)
        made = ((name, model, None) for name, model in updated)
    for name, model, began in made:
        facts = ModelFacts(night=night, started_from=began)
        write_model(arguments.lake, name, arguments.as_of, model, facts)


def _tuned(arguments: RunArguments) -> RunArguments:
    """The arguments with tuned parameters: those that the night used before, if it was made."""
    if not night_tuning(arguments.lake, arguments.as_of).exists():
        tuning = _first_tuning(arguments) or standing_tuning(arguments)
        settle_tuning(arguments, tuning)
        log.info("parameters: %s", f"tuned as of {tuning}" if tuning else "as configured")
    return with_night_tuning(arguments)


def _first_tuning(arguments: RunArguments) -> AsOf | None:
    """The as-of if it was tuned here and now, which happens in a lake without a tuning alone.

    Backfilled dates run in any order, so they begin none.
    """
    wanted = arguments.config.tuning
    if wanted.first_minutes is None or wanted.use != "latest" or arguments.full:
        return None
    if arguments.lake.instants(TUNING):
        return None
    try:
        tune_as_of(arguments, Budget(wanted.first_minutes), lambda line: log.info("%s", line))
    except DataError as error:
        log.warning("not tuned: %s", error)
        return None
    return arguments.as_of


def _fitted(arguments: RunArguments, known: TrainingData) -> Made:
    start = warm_start(arguments, known)
    if start is not None:
        log.info("als starts from the item vectors as of %s", start.as_of)
    fitted = fit_generators(known.training, arguments.config, arguments.settings, start)
    for name, model in fitted:
        yield name, model, start.as_of if start and name == "als" else None


if __name__ == "__main__":
    run(arg_parser(), main)
