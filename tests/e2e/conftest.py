"""Whole runs, as `recsys nightly` does them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession
from upath import UPath

from jobs.app.nightly import run_steps
from jobs.db.postgres import connect
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from jobs.sandbox.market import Market, load
from jobs.sandbox.seed import make_market
from jobs.sandbox.servers import Endpoints
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.generators.registry import GENERATORS, Generators
from recsys.sections.contracts import Contracts
from recsys.sections.gates import Gates
from tests.conftest import REPOSITORY, cloned

#: When the sources are read: later than anything but what lies in the future on purpose.
OBSERVED_AT = datetime(2026, 6, 1, tzinfo=UTC)
#: For runs whose lists differ on purpose.
OPEN_GATES = Gates(min_users_kept=0, min_overlap=0, max_fallback_share=1, max_score_drift=1e9)
#: For made-up markets of a few dozen rows, of which a handful is planted to be wrong.
OPEN_CONTRACTS = Contracts(
    max_rejected=1, max_unknown_users=1, max_unknown_items=1, max_duplicates=1, max_empty_lists=1
)


def only(name: str) -> Generators:
    """One generator by itself."""
    return Generators.model_validate({n: {"weight": float(n == name)} for n in GENERATORS})


class Pipeline:
    """A test's own databases and lake, and the runs on them."""

    def __init__(self, settings: Settings, config: Config) -> None:
        self.settings = settings
        self.config = config

    def load(self, market: Market) -> None:
        with (
            connect(self.settings.require_postgres()) as connection,
            database(self.settings.require_mongo()) as mongo,
        ):
            load(market, self.config.ids, connection, mongo, lambda *_: None)

    def run(self, as_of: AsOf, **changes: Any) -> RunArguments:
        """Runs a night; `changes` replace sections of the configuration."""
        config = self.config.model_copy(update=changes)
        arguments = RunArguments(as_of, config, self.settings, OBSERVED_AT)
        for _ in run_steps(arguments, lambda _: None):
            pass
        return arguments

    def query(self, text: str, values: Any = None) -> list[tuple[Any, ...]]:
        with (
            connect(self.settings.require_postgres()) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(text, values)
            return cursor.fetchall()

    def lists(self) -> dict[Any, list[Any]]:
        """The live lists by user."""
        rows = self.query(
            "SELECT user_id, item_ids FROM recs.user_list JOIN recs.live USING (run_id)"
        )
        return dict(rows)


@pytest.fixture
def pipeline(settings: Settings, config: Config, spark: SparkSession) -> Pipeline:
    del spark  # started once, found by every job
    return Pipeline(settings, config.model_copy(update={"contracts": OPEN_CONTRACTS}))


@pytest.fixture(scope="session")
def two_nights(
    endpoints: Endpoints,
    template: str,
    config: Config,
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pipeline]:
    """The nights as of the last day of 2025 and the first of 2026, for tests that only read."""
    del spark
    folder = tmp_path_factory.mktemp("two-nights")
    for uri in cloned(endpoints, template):
        settings = Settings(
            postgres_uri=uri,
            mongo_uri=SecretStr(f"{endpoints.mongo_uri.rpartition('/')[0]}/two_nights"),
            lake=UPath(folder / "lake"),
            sandbox=folder / "sandbox",
            config=REPOSITORY / "recsys.toml",
            submitted=False,
        )
        made = Pipeline(settings, config.model_copy(update={"contracts": OPEN_CONTRACTS}))
        day = AsOf.parse("2026-01-01")
        made.load(make_market(150, 120, 30, 4_000, 7, day))
        for night in (day - timedelta(days=1), day):
            made.run(night, gates=OPEN_GATES)
        yield made


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a command that does as the pipeline of this test does."""
    return environment_of(settings)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of a command that does as a pipeline with these settings does."""
    limits = "\n".join(f"{name} = 1" for name in OPEN_CONTRACTS.model_fields_set)
    file = Path(settings.sandbox).with_name("open.toml")
    shipped = settings.config.read_text(encoding="utf-8")
    file.write_text(f"{shipped}\n[contracts]\n{limits}\n", encoding="utf-8")
    return {
        "RECSYS_POSTGRES_URI": settings.require_postgres().get_secret_value(),
        "RECSYS_MONGO_URI": settings.require_mongo().get_secret_value(),
        "RECSYS_LAKE": str(settings.lake),
        "RECSYS_CONFIG": str(file),
        "RECSYS_SANDBOX": str(Path(settings.sandbox)),
    }
