"""Seconds of each query of `sql/examples` at 50,000 users x 100, over as many runs as are kept.

    python -m tests.benchmarks.analysts
    python -m tests.benchmarks.analysts --users 5000 --rounds 1

Starts a server of its own, publishes lists with their items and figures, adds tombstones, and asks
each question as an analyst, round after round. Nothing is asserted: times are the machine's.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import SQL
from jobs.sandbox import servers
from jobs.sinks.postgres.analysis import RunAnalysis
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.evaluation.audit import AuditVerdict, RunFacts, audit
from recsys.evaluation.run_metrics import RunMetric, of_audit
from recsys.sections.gates import Gates
from recsys.sections.ids import Ids
from tests.benchmarks.lookup import ITEMS, KEEP, TOMBSTONES, made_up_lists
from tests.logins import as_admin
from tests.postgres.publications import RECORD, popular, tables

RUNS: Final = 30
"""Runs of which figures are kept; of the newest the lists are kept too."""
STEPS: Final = ("extract_sources", "build_matrix", "train_generators", "rank_lists")


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def main(*, users: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        uri = SecretStr(servers.up(Path(folder)).postgres_uri)
        try:
            fill(uri, users)
            with as_analyst(uri) as connection:
                for path in sorted((SQL / "examples").glob("*.sql")):
                    seconds = [asked(connection, path) for _ in range(rounds)]
                    print(f"{path.stem:34} {median(seconds):7.3f} {max(seconds):7.3f}")  # noqa: T201
                size(connection, "user_list", KEEP)
                # The room of the items of earlier runs is still there, to be used again.
                size(connection, "item", RUNS)
        finally:
            servers.down(Path(folder))


def fill(uri: SecretStr, users: int) -> None:
    """Publishes the runs; the first ones of a few users, since their lists are not kept."""
    migrate(uri, Ids())
    earlier = None
    for seed in range(RUNS):
        lists = made_up_lists(users if seed >= RUNS - KEEP else 100, seed)
        later = RunFacts(AsOf.parse("2026-01-01"), lists.to_table(), {}, run_id=seed + 1)
        verdict = audit(later, earlier, Gates(), promote=True)
        verdict = replace(verdict, outcome=type(verdict.outcome).LIVE)
        made = tables(Ids(), lists, popular(Ids(), *range(1, 101)))

        def judged(_: int | None, found: AuditVerdict = verdict) -> AuditVerdict:
            return found

        publish(PostgresSink(uri, Ids()), RECORD, made, judged, KEEP, analysis)
        earlier = later
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(TOMBSTONES, {"users": users})
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE)")


def analysis(verdict: AuditVerdict) -> RunAnalysis:
    """Items with titles and labels, users of 200 segments, and as many figures as a night has."""
    shown = verdict.difference.exposure()
    ids = pa.array(range(1, ITEMS + 1))
    place = pc.index_in(ids, value_set=shown[c.ITEM_ID].combine_chunks())
    counted = {name: pc.fill_null(shown[name].take(place), 0) for name in ("lists", "exposure")}
    items = pa.table(
        {
            c.ITEM_ID: ids.cast(pa.string()),
            c.TITLE: [f"An item of number {n}, with a title" for n in range(ITEMS)],
            c.AVAILABLE: [True] * ITEMS,
            c.TAGS: [[f"tag {n % 100}", f"kind {n % 7}"] for n in range(ITEMS)],
            c.ATTRIBUTES: [[f"brand={n % 500}", f"price.band={n % 5}"] for n in range(ITEMS)],
            **counted,
        }
    )
    counts = {"users": 80, "listed": 70, "empty": 2, "fallback": 8, "inactive": 9}
    population = [
        {"segment": f"home.country={n}", "band": band, **counts}
        for n in range(200)
        for band in ("warm", "cold", "unseen")
    ]
    metrics = of_audit(verdict, Gates(), ITEMS)
    metrics += [RunMetric("seconds", 10.0, label=step) for step in STEPS]
    metrics += [RunMetric("rows_rejected", 9.0, label=f"events: rule {n}") for n in range(20)]
    metrics += [RunMetric("ndcg_of", 0.1, "warm", f"way {n}", 0.09, 0.11) for n in range(40)]
    return RunAnalysis(items, population, metrics, ())


@contextmanager
def as_analyst(uri: SecretStr) -> Iterator[Connection]:
    with connect(as_admin(uri)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE recsys_analyst")
        yield connection


def asked(connection: Connection, path: Path) -> float:
    with connection.cursor() as cursor:
        begin = time.perf_counter()
        cursor.execute(path.read_text(encoding="utf-8"))
        cursor.fetchall()
        return time.perf_counter() - begin


def size(connection: Connection, table: str, runs: int) -> None:
    """Prints the bytes of a table and its partitions, with indexes, a run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size(%(table)s) + (SELECT coalesce(sum("
            "pg_total_relation_size(i.inhrelid)), 0) FROM pg_inherits AS i "
            "WHERE i.inhparent = %(table)s::regclass)",
            {"table": f"recs.{table}"},
        )
        (found,) = cursor.fetchone() or (0,)
    print(f"recs.{table}: {int(found) / runs / 2**20:.2f} MiB a run")  # noqa: T201


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
