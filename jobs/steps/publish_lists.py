"""Loads the lists of an as-of into Postgres, audits them and lets them go live (plain Python).

The rows that the run could not use go with them, for analysts to look at.
One process streams the Parquet files through binary COPY: it is faster than starting Spark.
"""

import argparse
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from jobs.lake.facts import ListsFacts
from jobs.lake.files import parquet
from jobs.lake.partitions import Partition
from jobs.night_log import night_step
from jobs.report.facts import ReadLists
from jobs.report.writing import leave_report
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.sinks.base import RunRecord, RunTables
from jobs.sinks.following import follow_all
from jobs.sinks.postgres.analysis import RunAnalysis
from jobs.sinks.postgres.published import live_before, run_facts
from jobs.sinks.postgres.published_side import require_publishable
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import Published, publish
from jobs.sinks.registry import open_sinks
from jobs.steps import NAMES
from jobs.stores.models import read_policy
from jobs.stores.population import available_items, population
from jobs.stores.realised import realised_metrics
from jobs.stores.run_items import run_items
from jobs.stores.run_metrics import run_metrics, step_seconds
from jobs.stores.run_stats import run_stats
from jobs.stores.stages import STAGES, rule_results
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import IncompleteReadError
from recsys.evaluation.audit import AuditVerdict, RunFacts, audit
from recsys.evaluation.run_metrics import of_audit
from recsys.ranking.policy import RankingPolicy
from recsys.schemas import FALLBACK, LISTS, QUARANTINE
from recsys.sections.ids import Ids

_NAME: Final = "publish_lists"

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__, "promote", "outcome")


@night_step(_NAME)
def main(arguments: RunArguments) -> None:
    begin = time.monotonic()
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    uri = arguments.settings.require_postgres()
    partition = lake.as_of(LISTS.name, as_of)
    for file in partition.files():
        LISTS.check(parquet(file).schema_arrow, config.ids)
    run_record = RunRecord(
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
    found = _Findings(arguments, run_record.stats, begin)
    record = PostgresSink(uri, config.ids)
    sinks = open_sinks(config.sinks, uri)
    published = publish(
        record, run_record, tables, found.audit, config.lists.keep_runs, found.analysis
    )
    if arguments.outcome is not None:
        arguments.outcome.write_text(json.dumps(_outcome(published, as_of)), encoding="utf-8")
    difference = published.verdict.difference
    leave_report(arguments, published.run_id, ReadLists(found.lists, difference))
    published.require_not_held()
    _say(published, as_of)
    follow_all(record, sinks, config.lists.keep_runs, published.run_id)


def lists_of(partition: Partition, ids: Ids) -> ds.Dataset:
    """The lists; raises IncompleteReadError where the files hold another number than were made."""
    lists, made = partition.dataset(LISTS, ids), partition.manifest().rows
    if (found := lists.count_rows()) != made:
        raise IncompleteReadError(
            f"{partition.label}: the files hold {found} lists, {made} were made; make them again "
            "with jobs.steps.rank_lists"
        )
    return lists


def _outcome(published: Published, as_of: AsOf) -> dict[str, Any]:
    """The record for whoever ordered the publication, ready for JSON."""
    return {
        "run": published.run_id,
        "as_of": str(as_of),
        "live": published.live,
        "users": published.users,
        **published.verdict.as_dict(),
    }


def _say(published: Published, as_of: AsOf) -> None:
    state = "live" if published.live else "published as history"
    message = "run %d is %s: %d lists, checksum %s"
    log.info(message, published.run_id, state, published.users, published.list_hash)
    verdict = published.verdict
    if verdict.older:
        log.warning(
            "run %d is not live: it is of %s, the live run %d of %s; --promote lets an older date "
            "go live, and so does `recsys rollback %d` now",
            published.run_id,
            as_of,
            verdict.live_run,
            verdict.live_as_of,
            published.run_id,
        )
    if verdict.violations and not published.live:
        found = "; ".join(map(str, verdict.violations))
        log.warning("run %d would not have gone live: %s", published.run_id, found)


@dataclass(frozen=True)
class _Findings:
    """What the audit and analysts find in a run's lists, which are read once."""

    arguments: RunArguments
    stats: Mapping[str, Any]
    begin: float
    """When the step began, by the monotonic clock."""

    @cached_property
    def lists(self) -> pa.Table:
        partition = self.arguments.lake.as_of(LISTS.name, self.arguments.as_of)
        read = lists_of(partition, self.arguments.config.ids)
        return read.to_table([c.USER_ID, c.ITEM_IDS, c.SCORES])

    @cached_property
    def policy(self) -> RankingPolicy:
        return read_policy(self.arguments.lake, self.arguments.as_of)

    def audit(self, live_run: int | None) -> AuditVerdict:
        arguments, config = self.arguments, self.arguments.config
        new = RunFacts(
            as_of=arguments.as_of,
            lists=self.lists,
            methods=self.policy.methods,
            ndcg=self.policy.measured,
            available_items=available_items(arguments.lake, arguments.as_of),
            active_users=self.stats["active_users"],
            market=self.stats["market"],
        )
        # What is to be history replaces nothing, so it is measured by itself.
        live = None
        if live_run is not None and arguments.promote is not False:
            uri = arguments.settings.require_postgres()
            live = run_facts(uri, live_run, config.ids, config.gates.depth)
        if live is not None and live.methods != new.methods:
            log.info("ordered by other methods than run %d, so scores are not compared", live_run)
        return audit(new, live, config.gates, promote=arguments.promote)

    def analysis(self, verdict: AuditVerdict) -> RunAnalysis:
        arguments, config = self.arguments, self.arguments.config
        lake, as_of = arguments.lake, arguments.as_of
        items = run_items(lake, as_of, config, verdict.difference.exposure())
        users = population(lake, as_of, config, self.lists, self.stats["active_users"])
        earlier = live_before(arguments.settings.require_postgres(), as_of, config.lists.keep_runs)
        realised = realised_metrics(arguments, earlier)
        seconds = step_seconds(lake, NAMES, as_of)
        seconds[_NAME] = round(time.monotonic() - self.begin, 3)
        metrics = [
            *self.policy.metrics(),
            *of_audit(verdict, config.gates, available_items(lake, as_of)),
            *run_metrics(lake, as_of, config, self.stats, seconds),
            *realised,
        ]
        return RunAnalysis(items, users, metrics, rule_results(lake, as_of, *STAGES))


if __name__ == "__main__":
    run(arg_parser(), main)
