"""Trains the ALS model on the interactions of a date (plain Python)."""

import argparse

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.features import training_matrix, write_model
from recsys.models.als import fit_als


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    config = arguments.config
    weights = training_matrix(arguments.lake, arguments.as_of, config.ids)
    model = fit_als(weights, config.als, config.seed)
    write_model(arguments.lake, "als", arguments.as_of, model)


if __name__ == "__main__":
    run(arg_parser(), main)
