"""Fits every candidate generator on what was known before a date (plain Python)."""

import argparse
import logging
import time

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.features import Known, write_model
from recsys.models.registry import GENERATORS

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    config, known = arguments.config, Known(arguments)
    for name, section in config.generators.used().items():
        begin = time.monotonic()
        model = GENERATORS[name].fit(known.training, section, config.seed)
        write_model(arguments.lake, name, arguments.as_of, model)
        log.info("%s fitted in %.1f s", name, time.monotonic() - begin)


if __name__ == "__main__":
    run(arg_parser(), main)
