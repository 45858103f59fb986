"""Trains the content model on profiles and the interactions of a date (plain Python)."""

import argparse

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.features import descriptions, interactions, read_profiles, write_model
from recsys import columns as c
from recsys.ids import IdIndex
from recsys.interactions.matrices import weight_matrix
from recsys.models.content import fit_content
from recsys.schemas import ITEMS, RAW_ITEM_PROFILES, RAW_USER_PROFILES


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    users = interactions(lake, as_of, config.ids)
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, config.ids)
    item_index = IdIndex(items[c.ITEM_ID].combine_chunks())
    user_index = IdIndex(users[c.USER_ID].combine_chunks())
    sources = config.sources
    item_profiles = read_profiles(
        lake, RAW_ITEM_PROFILES, as_of, config.ids, configured=sources.item_profiles is not None
    )
    user_profiles = read_profiles(
        lake, RAW_USER_PROFILES, as_of, config.ids, configured=sources.user_profiles is not None
    )
    model = fit_content(
        weight_matrix(users, len(item_index)),
        descriptions(item_profiles, c.ITEM_ID, item_index),
        descriptions(user_profiles, c.USER_ID, user_index),
        config.content,
        config.seed,
    )
    write_model(lake, "content", as_of, model)


if __name__ == "__main__":
    run(arg_parser(), main)
