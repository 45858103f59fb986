"""Chooses how candidates are ordered, on the days before a date that are held back (plain Python).

The generators are fitted once more on what was known before those days.
"""

import argparse
import logging

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.fitting import fit_generators
from jobs.io.features import Known, write_choice
from recsys.ranking.stack import choose_blend

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    config, known = arguments.config, Known(arguments)
    held = known.held_back()
    models = dict(fit_generators(held.training, config, arguments.settings))
    choice = choose_blend(held, models, known.available, config)
    write_choice(arguments.lake, arguments.as_of, choice)
    for line in choice.summary().splitlines():
        log.info("%s", line)


if __name__ == "__main__":
    run(arg_parser(), main)
