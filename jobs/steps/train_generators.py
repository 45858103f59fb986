"""Fits every candidate generator on what was known before an as-of (plain Python).

Where an order of candidates is to be chosen, first on what was known some days earlier. Between
full nights those that cost most are taken over from the last one and brought up to date.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping
from functools import partial

from jobs.fitting import Fitted, fit_generators, is_start, updated_generators
from jobs.lake.facts import ModelFacts
from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.stores.models import HOLDOUT_MODEL, TrainingData, read_model, write_model
from jobs.stores.nights import alignment_since, decided
from jobs.stores.tunings import (
    TUNING,
    night_tuning,
    settle_tuning,
    standing_tuning,
    with_night_tuning,
)
from jobs.tuning.kept import tune_as_of
from jobs.tuning.tuner import Budget
from recsys.as_of import AsOf
from recsys.errors import DataError
from recsys.generators.contract import Model
from recsys.nights import Night

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__, "full")


@night_step("train_generators")
def main(arguments: RunArguments) -> None:
    arguments = _tuned(arguments)
    known, night = TrainingData(arguments), decided(arguments)
    if night.base is None:
        made = _fitted(arguments, known, night)
    else:
        log.info("items as of %s, lists as of %s where kept", night.base, night.previous)
        moved = alignment_since(arguments, known, night.base)
        base = partial(read_model, arguments.lake, as_of=night.base)
        made = updated_generators(known.training, arguments.config, base, moved)
    for each in made:
        facts = ModelFacts(night=night, fit_seconds=round(each.seconds, 3))
        write_model(arguments.lake, each.name, arguments.as_of, each.model, facts)


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


def _fitted(arguments: RunArguments, known: TrainingData, night: Night) -> Iterator[Fitted]:
    """Everything anew."""
    earlier = _without_the_last_days(arguments, known, night) if arguments.config.measures() else {}
    yield from fit_generators(known.training, arguments.config, arguments.settings, earlier)


def _without_the_last_days(
    arguments: RunArguments, known: TrainingData, night: Night
) -> Mapping[str, Model]:
    """Fits and keeps what the choice of the ranking is measured with; gives what fits on everything
    can go on from."""
    config, lake = arguments.config, arguments.lake
    holdout, judged = known.holdout(), known.judged()
    log.info("first without the last %d days, to measure on them", config.ranking.holdout_days)
    fitted = {}
    measured = fit_generators(holdout.training, config, arguments.settings, explained=False)
    for name, model, seconds in measured:
        fitted[name] = model.of_users(judged)
        facts = ModelFacts(night=night, fit_seconds=round(seconds, 3))
        write_model(lake, name, arguments.as_of, fitted[name], facts, HOLDOUT_MODEL)
    return fitted if is_start(holdout.training, known.training) else {}


if __name__ == "__main__":
    run(arg_parser(), main)
