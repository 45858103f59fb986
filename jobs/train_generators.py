"""Fits every candidate generator on what was known before a date (plain Python)."""

import argparse
import logging

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.fitting import fit_generators
from jobs.io.features import Known, write_model
from jobs.io.warm import warm_start

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    known, config = Known(arguments), arguments.config
    start = warm_start(arguments, known)
    if start is not None:
        log.info("als starts from the item vectors as of %s", start.as_of)
    vectors = start.item_factors if start else None
    for name, model in fit_generators(known.training, config, arguments.settings, vectors):
        facts = {"started_from": f"{start.as_of}"} if start and name == "als" else {}
        write_model(arguments.lake, name, arguments.as_of, model, facts)


if __name__ == "__main__":
    run(arg_parser(), main)
