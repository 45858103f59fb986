"""Fits every candidate generator on what was known before a date (plain Python)."""

import argparse

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.fitting import fit_generators
from jobs.io.features import Known, write_model


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    training = Known(arguments).training
    for name, model in fit_generators(training, arguments.config, arguments.settings):
        write_model(arguments.lake, name, arguments.as_of, model)


if __name__ == "__main__":
    run(arg_parser(), main)
