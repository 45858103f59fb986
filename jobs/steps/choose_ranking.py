"""Chooses how candidates are ordered, on the holdout before an as-of (plain Python).

It is measured with generators that were fitted to what was known before those days. What the latest
earlier choice came to stays unless something is clearly better; it is recorded with the new choice,
so that the date can be made again. Between full nights the choice of the last one is taken over.
"""

import argparse
import logging

from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.stores.models import (
    HOLDOUT_MODEL,
    TrainingData,
    model_partition,
    read_policy,
    write_policy,
)
from jobs.stores.nights import recorded, standing_choice
from jobs.stores.tunings import with_night_tuning
from recsys.errors import MissingPartitionError
from recsys.generators.contract import Model
from recsys.nights import Night
from recsys.objectives.learning import Ground, with_objectives
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.stack import choose_policy

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__, "full")


@night_step("choose_ranking")
def main(arguments: RunArguments) -> None:
    arguments = with_night_tuning(arguments)
    lake, config = arguments.lake, arguments.config
    first, *_ = config.generators.used()
    night = recorded(model_partition(lake, first, arguments.as_of))
    choice = _choice(arguments, night) if night.base is None else read_policy(lake, night.base)
    write_policy(lake, arguments.as_of, choice, night)
    for line in choice.summary().splitlines():
        log.info("%s", line)


def _choice(arguments: RunArguments, night: Night) -> RankingPolicy:
    config = arguments.config
    names = list(config.generators.used())
    if not config.measures():
        return RankingPolicy.only(names[0])
    known = TrainingData(arguments)
    holdout = known.holdout()
    models = {name: _measured_model(arguments, known, name, night) for name in names}
    standing = standing_choice(arguments, night.fingerprint)
    weights = config.generators.weights()
    policy = choose_policy(
        holdout, models, known.available, config.ranking, weights, config.seed, standing
    )
    if not config.objectives:
        return policy
    most, seed = config.ranking.candidates, config.seed
    ground = Ground.of(policy, holdout, models, known.available, most, known.outcomes(), seed)
    return with_objectives(policy, ground, config.objectives)


def _measured_model(arguments: RunArguments, known: TrainingData, name: str, night: Night) -> Model:
    """A generator as it was fitted for the holdout of this configuration."""
    lake, as_of = arguments.lake, arguments.as_of
    made = recorded(model_partition(lake, HOLDOUT_MODEL.format(name), as_of))
    if made != night or made.fingerprint != arguments.config.lists_fingerprint():
        raise MissingPartitionError(
            f"{name} was fitted for the holdout under another configuration; run train_generators "
            "again"
        )
    return known.holdout_model(name)


if __name__ == "__main__":
    run(arg_parser(), main)
