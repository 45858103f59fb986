"""Computes what is popular on a date (plain Python)."""

import argparse

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.features import training_matrix, write_model
from recsys.models.popularity import fit_popularity


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    weights = training_matrix(arguments.lake, arguments.as_of, arguments.config.ids)
    write_model(arguments.lake, "popularity", arguments.as_of, fit_popularity(weights))


if __name__ == "__main__":
    run(arg_parser(), main)
