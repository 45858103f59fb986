"""Loads the lists of a date into Postgres, audits them and lets them go live (plain Python).

The rows that the run could not use go with them, for analysts to look at.
One process streams the Parquet files through binary COPY: it is faster than starting Spark.
"""

import argparse
import logging
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Final

import pyarrow.dataset as ds
from pydantic import SecretStr

from jobs.lake.facts import ListsFacts
from jobs.lake.files import parquet
from jobs.lake.partitions import Partition
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.sinks.postgres.published import kept_run, read_lists
from jobs.sinks.postgres.published_side import require_publishable
from jobs.sinks.postgres.publishing import Audit, GoesLive, Published, RunRecord, RunTables, publish
from jobs.stores.models import read_policy
from jobs.stores.population import active_users, available_items
from jobs.stores.run_stats import run_stats
from recsys.as_of import AsOf
from recsys.errors import IncompleteReadError
from recsys.evaluation.audit import verdict
from recsys.evaluation.diff import compare
from recsys.schemas import FALLBACK, LISTS, QUARANTINE
from recsys.sections.ids import Ids

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__, "promote")


def main(arguments: RunArguments) -> None:
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    uri = arguments.settings.require_postgres()
    partition = lake.as_of(LISTS.name, as_of)
    for file in partition.files():
        LISTS.check(parquet(file).schema_arrow, config.ids)
    record = RunRecord(
        as_of=as_of,
        config_hash=config.fingerprint(),
        code_version=version("recsys"),
        models=ListsFacts.of(partition).models,
        stats=run_stats(arguments),
    )
    refused = lake.as_of(QUARANTINE.name, as_of)
    tables = RunTables(
        lists=lists_of(partition, config.ids),
        fallback=lake.as_of(FALLBACK.name, as_of).read(FALLBACK, config.ids),
        quarantine=refused.dataset(QUARANTINE, config.ids),
    )
    require_publishable(uri, config.ids)
    audit = partial(_audit, arguments, uri)
    published = publish(
        uri, config.ids, record, tables, audit, config.lists.keep_runs, _WHEN[arguments.promote]
    )
    _say(published, as_of)


_WHEN: Final[Mapping[bool | None, GoesLive]] = {
    True: GoesLive.ALWAYS,
    None: GoesLive.UNLESS_OLDER,
    False: GoesLive.NEVER,
}


def lists_of(partition: Partition, ids: Ids) -> ds.Dataset:
    """The lists; raises IncompleteReadError where the files hold another number than were made."""
    lists, made = partition.dataset(LISTS, ids), partition.manifest().rows
    if (found := lists.count_rows()) != made:
        raise IncompleteReadError(
            f"{partition.label}: the files hold {found} lists, {made} were made; make them again "
            "with jobs.steps.rank_lists"
        )
    return lists


def _say(published: Published, as_of: AsOf) -> None:
    state = "live" if published.live else "published as history"
    message = "run %d is %s: %d lists, checksum %s"
    log.info(message, published.run_id, state, published.users, published.list_hash)
    if published.newer:
        log.warning(
            "run %d is not live: it is of %s, the live run %d of %s; --promote lets an older date "
            "go live, and so does `recsys rollback %d` now",
            published.run_id,
            as_of,
            published.newer.run_id,
            published.newer.as_of,
            published.run_id,
        )
    if published.violations and not published.live:
        found = "; ".join(published.violations)
        log.warning("run %d would not have gone live: %s", published.run_id, found)


def _audit(arguments: RunArguments, uri: SecretStr, live: int | None) -> Audit:
    """The run's figures against the live run's, and the gates that they do not pass."""
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    gates = config.gates
    lists = lake.as_of(LISTS.name, as_of).read(LISTS, config.ids)
    before = None if live is None else read_lists(uri, live, config.ids, gates.depth)
    figures = compare(
        before,
        lists,
        available_items(lake, as_of),
        active_users(lake, as_of, config),
        depth=gates.depth,
        persistence=gates.persistence,
    )
    choice = read_policy(lake, as_of)
    same = live is None or kept_run(uri, live).methods == choice.methods
    if not same:
        log.info("ordered by other methods than run %d, so scores are not compared", live)
    figures, found = verdict(figures, gates, same_methods=same, ndcg=choice.measured)
    return Audit(
        {"live_run": live, **figures.as_dict(), "ndcg": choice.measured}, [str(v) for v in found]
    )


if __name__ == "__main__":
    run(arg_parser(), main)
