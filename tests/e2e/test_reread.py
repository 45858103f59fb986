"""A day that a source lost and got back: read again by the next night, or by command."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from jobs.app.reread import plan
from jobs.cli.main import app
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from jobs.steps import check_sources, extract_sources
from jobs.stores.checks import doubted_windows
from recsys.as_of import AsOf
from recsys.errors import ConfigError, ContractError, MissingPartitionError
from recsys.schemas import LISTS, RAW
from recsys.sections.contracts import Contracts
from recsys.window import Window
from tests.e2e.conftest import OBSERVED_AT, Pipeline

END = AsOf.parse("2026-01-01")
LOST = END - timedelta(days=1)
A_DAY = timedelta(days=1)
LIMITS = Contracts(
    needed_runs=1, max_rejected=1, max_unknown_users=1, max_unknown_items=1, max_age_days=30
)


@pytest.fixture
def shop(pipeline: Pipeline) -> Pipeline:
    """A market whose nights up to the one before last have been read."""
    pipeline.load(make_market(60, 50, 20, 6_000, 7, END + A_DAY))
    for day in (LOST - A_DAY, LOST):
        read(pipeline, day)
    return pipeline


def arguments(shop: Pipeline, day: AsOf) -> RunArguments:
    config = shop.config.model_copy(update={"contracts": LIMITS})
    return RunArguments(day, config, shop.settings, OBSERVED_AT)


def read(shop: Pipeline, day: AsOf) -> None:
    extract_sources.main(arguments(shop, day))
    check_sources.main(arguments(shop, day))


def execute(shop: Pipeline, text: str) -> None:
    shop.query(f"{text} RETURNING 1", {"start": LOST.instant, "end": END.instant})


def lose(shop: Pipeline) -> None:
    shop.query("CREATE TABLE market.kept AS SELECT * FROM market.interactions; SELECT 1")
    execute(
        shop,
        "DELETE FROM market.interactions WHERE received_at >= %(start)s AND received_at < %(end)s",
    )


def restore(shop: Pipeline) -> None:
    execute(shop, "DELETE FROM market.interactions")
    execute(
        shop, "INSERT INTO market.interactions OVERRIDING SYSTEM VALUE SELECT * FROM market.kept"
    )


def rows(shop: Pipeline, day: AsOf = LOST) -> int:
    run = arguments(shop, day)
    place = run.lake.events_of(
        RAW["interactions"].name, run.config.source_fingerprint("interactions")
    )
    return run.lake.window(place, Window.day_from(day)).manifest().rows


@pytest.mark.parametrize("night", [END, END + A_DAY], ids=["the same night", "the next night"])
def test_a_lost_day_that_came_back_is_read_again(shop: Pipeline, night: AsOf) -> None:
    lose(shop)
    with pytest.raises(ContractError, match=r"raw/interactions: events a day .*recsys reread"):
        read(shop, END)
    assert rows(shop) == 0
    restore(shop)
    read(shop, night)
    assert rows(shop) > 50
    assert doubted_windows(arguments(shop, night).lake, "interactions") == frozenset()


def test_a_night_that_passed_reads_nothing_again(shop: Pipeline) -> None:
    read(shop, END)
    before = rows(shop)
    lose(shop)
    read(shop, END + A_DAY)
    assert rows(shop) == before


def test_a_command_reads_days_again_and_says_what_was_made_of_them(
    shop: Pipeline, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = arguments(shop, END)
    lose(shop)
    extract_sources.main(run)
    with run.lake.as_of(LISTS.name, END).replace():
        pass
    restore(shop)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = ["reread", "--source=interactions", f"--from={LOST}", f"--to={LOST}"]
    refused = CliRunner().invoke(app, command, input="n\n")
    assert refused.exit_code == 1
    assert rows(shop) == 0
    done = CliRunner().invoke(app, [*command, "--yes"])
    assert done.exit_code == 0, done.output
    assert f"{LOST}..{END}: 0 rows, from market.interactions" in done.output
    assert f"made from it: {END}" in done.output
    assert rows(shop) > 50


def test_snapshots_are_read_again_for_their_dates(shop: Pipeline) -> None:
    chosen = plan(arguments(shop, LOST), "blocks", Window.day_from(LOST))
    assert [each.partition.label for each in chosen.reads] == [f"raw/blocks as of {LOST}"]
    assert chosen.nights == []


def test_what_is_not_there_cannot_be_read_again(shop: Pipeline) -> None:
    with pytest.raises(ConfigError, match="no source 'clicks' in the configuration but"):
        plan(arguments(shop, LOST), "clicks", Window.day_from(LOST))
    with pytest.raises(MissingPartitionError, match="nothing of raw/users from 2027"):
        plan(arguments(shop, LOST), "users", Window.day_from(AsOf.parse("2027-01-01")))
