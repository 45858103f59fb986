"""Nothing that a login plants in a schema of its own is called by any statement of the pipeline."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession
from upath import UPath

from jobs.app.backfill import backfill, plan
from jobs.app.forgetting import erase
from jobs.db.postgres import connect
from jobs.lake.partitions import Lake
from jobs.run.settings import Settings
from jobs.sandbox.postgres_server import LOGIN
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres import lookup, switching
from jobs.sinks.postgres.migrations import MIGRATIONS, apply, migrate
from jobs.sinks.postgres.published import read_lists, run_facts
from jobs.sinks.postgres.published_side import published_problems
from jobs.sinks.postgres.sink import PostgresSink
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.sections.ids import Ids
from tests.e2e.conftest import OPEN_CONTRACTS, Pipeline
from tests.e2e.night_runs import in_this_process
from tests.logins import as_admin
from tests.postgres.publications import go, query

DAY = AsOf.parse("2026-01-01")

#: Each has a better match for a call that the pipeline might make without a schema, or did make.
FUNCTIONS = (
    ("pg_advisory_xact_lock(integer)", "void"),
    ("pg_advisory_lock(integer)", "void"),
    ("hash_record_extended(record, integer)", "bigint"),
    ("hashtext(unknown)", "integer"),
    ("set_config(text, text, text)", "text"),
    ("set_config(text, text, boolean)", "text"),
    ("to_regclass(unknown)", "regclass"),
    ("array_agg(integer)", "integer[]"),
    ("unnest(text[])", "SETOF text"),
    ("coalesce_all(integer)", "integer"),
    ("format(text, bigint)", "text"),
    ("greatest_of(integer, integer)", "integer"),
    ("now(integer)", "timestamptz"),
    ("concat(text, name)", "text"),
    ("pg_has_role(name, oid, text)", "boolean"),
    ("count(bigint)", "bigint"),
    ("array_position(text[], text)", "integer"),
    ("clock_timestamp()", "timestamptz"),
    ("current_setting(text)", "text"),
    ("format_type(oid, integer)", "text"),
    ("hashtextextended(text, bigint)", "bigint"),
    ("pg_backend_pid()", "integer"),
    ("pg_export_snapshot()", "text"),
    ("pg_relation_filenode(regclass)", "oid"),
    ("pg_relation_size(regclass)", "bigint"),
)
OPERATORS = (
    ("=", "bigint", "integer"),
    ("=", "name", "text"),
    ("=", "text", "text"),
    ("=", "bigint", "bigint"),
    ("<>", "regproc", "integer"),
    ("||", "text", "bigint"),
    ("~~", "name", "text"),
    (">", "bigint", "integer"),
    ("/", "bigint", "bigint"),
    ("<", "tid", "tid"),
    (">=", "tid", "tid"),
    ("<", "timestamptz", "timestamptz"),
    (">=", "timestamptz", "timestamptz"),
    ("=", "oid", "oid"),
    ("=", '"char"', '"char"'),
)
RETURNED = {"||": "text", "/": "bigint"}


def plant(uri: SecretStr, login: str) -> None:
    """Functions and operators in public that note each call, made by a login that may create."""
    with connect(as_admin(uri)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {login}; GRANT CREATE ON SCHEMA public TO {login}")
        cursor.execute("CREATE SEQUENCE public.calls; GRANT ALL ON public.calls TO public")
        cursor.execute(f"SET ROLE {login}; SET search_path = public, pg_catalog")
        for signature, returned in FUNCTIONS:
            if "unknown" in signature:
                signature = signature.replace("unknown", "text")  # noqa: PLW2901
            cursor.execute(
                f"""CREATE FUNCTION public.{signature} RETURNS {returned} LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_catalog.nextval('public.calls'); RETURN {
                    "" if "SETOF" in returned or returned == "void" else "NULL"
                }; END $$"""
            )
        for number, (name, left, right) in enumerate(OPERATORS):
            types = left.replace("unknown", "text"), right.replace("unknown", "text")
            cursor.execute(
                f"""CREATE FUNCTION public.planted_{number}({types[0]}, {types[1]})
                RETURNS {RETURNED.get(name, "boolean")} LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_catalog.nextval('public.calls'); RETURN NULL; END $$"""
            )
            cursor.execute(
                f"""CREATE OPERATOR public.{name} (FUNCTION = public.planted_{number},
                LEFTARG = {types[0]}, RIGHTARG = {types[1]})"""
            )


@pytest.fixture
def planted(bare_postgres_uri: SecretStr) -> Iterator[SecretStr]:
    """A database at the last migration but one, in which somebody has planted things.

    They come first for a session that does not say where it looks names up.
    """
    migrate(bare_postgres_uri, Ids())
    with connect(bare_postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA recs CASCADE")
        for path in sorted(MIGRATIONS.glob("*.sql"))[:-1]:
            apply(connection, path, Ids())
    plant(bare_postgres_uri, "gardener")
    query(bare_postgres_uri, f"ALTER ROLE {LOGIN} SET search_path = public, pg_catalog; SELECT 1")
    yield bare_postgres_uri
    query(bare_postgres_uri, f"ALTER ROLE {LOGIN} RESET search_path; SELECT 1")
    query(bare_postgres_uri, "DROP OWNED BY gardener; DROP ROLE gardener; SELECT 1")


def calls(uri: SecretStr) -> bool:
    return query(uri, "SELECT is_called FROM public.calls") == [(True,)]


def test_nothing_planted_is_called(planted: SecretStr, config: Config, tmp_path: Path) -> None:
    migrate(planted, Ids())
    assert published_problems(planted, Ids()) == []
    for item in (10, 11, 12):
        go(planted, (1, [item]), (2, [item]), keep=2)
    switching.rollback(planted, None)
    switching.release(planted, 3, "why")
    run_facts(planted, 3, Ids(), 5)
    read_lists(planted, 3, Ids(), 5)
    lookup.runs(planted, 5)
    assert [i.item_id for i in lookup.top_n(planted, "1", 5)] == ["12"]
    assert erase(PostgresSink(planted, Ids()), [], Lake(UPath(tmp_path)), config, 1).left == 0
    assert not calls(planted)
    with connect(planted) as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = pg_catalog, public; SELECT pg_advisory_xact_lock(1)")
    assert calls(planted)


@pytest.fixture
def pipeline(
    planted: SecretStr, settings: Settings, config: Config, spark: SparkSession
) -> Pipeline:
    del spark  # started once, found by every job
    migrate(planted, Ids())
    there = settings.model_copy(update={"postgres_uri": planted})
    return Pipeline(there, config.model_copy(update={"contracts": OPEN_CONTRACTS}))


def test_nothing_planted_is_called_by_nights_and_backfills(
    pipeline: Pipeline, planted: SecretStr
) -> None:
    pipeline.load(make_market(60, 40, 20, 2_000, 5, DAY))
    run = pipeline.run(DAY)
    days = plan(run, DAY - timedelta(days=1), timedelta(days=1), promote=False)
    for _ in backfill(run, days, 1, in_this_process(run)):
        pass
    assert pipeline.query("SELECT as_of FROM recs.run ORDER BY as_of") == [
        ((DAY - timedelta(days=1)).instant,),
        (DAY.instant,),
    ]
    assert not calls(planted)
