"""`recsys import` and `recsys seed`: fill the source databases with public or made-up data."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from jobs.cli.output import number, show_table, word, words
from jobs.db.postgres import connect
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sandbox import market as demo
from jobs.sandbox.importers.deskdrop import read_deskdrop
from jobs.sandbox.importers.goodbooks import read_goodbooks
from jobs.sandbox.importers.movielens import read_movielens
from jobs.sandbox.importers.pairs import read_pairs
from jobs.sandbox.market import Market
from jobs.sandbox.people import CONFIG, make_people
from jobs.sandbox.people import DIRTY as DIRTY_OF_PEOPLE
from jobs.sandbox.replacing import check_replaceable, mark_demo
from jobs.sandbox.seed import DIRTY, MIN_ITEMS, make_market
from jobs.sinks.postgres.migrations import migrate
from jobs.sources.mongo import database
from jobs.stores.reports import remove_reports
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import ConfigError

_HELP: Final = """Load a public data set into the source databases.

It replaces what an earlier import or seed put into the Postgres schema `market` and the MongoDB
collections `events`, `item_profiles` and `user_profiles`, and empties the lake and the published
lists, which came from them. Where those came from other sources, it refuses.
"""
_DAY: Final = ["%Y-%m-%d"]
_MOST: Final = 10_000_000
_ITEMS: Final = 800

import_app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False)

Day = Annotated[
    datetime,
    typer.Option(
        "--date",
        formats=_DAY,
        show_default="2017-01-01",
        help="UTC day on which rows without a time happen.",
    ),
]


Replace = Annotated[
    bool,
    typer.Option(
        "--replace-published",
        help="Destroy published runs and a lake that no seed or import made.",
    ),
]


@import_app.command()
def movielens(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the CSV files.")],
    *,
    replace_published: Replace = False,
) -> None:
    """Load MovieLens: ratings, movies with their genres, and members' tags.

    Example: recsys import movielens ../shared/data/ml-latest-small
    """
    _load(read_movielens(folder), replace_published=replace_published)


@import_app.command()
def deskdrop(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="users_interactions.csv[.gz]")],
    *,
    replace_published: Replace = False,
) -> None:
    """Load Deskdrop: views of articles as events; likes, bookmarks and so on as interactions.

    Example: recsys import deskdrop ../shared/data/deskdrop/users_interactions.csv.gz
    """
    _load(read_deskdrop(file), replace_published=replace_published)


@import_app.command()
def goodbooks(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the two files.")],
    day: Day = datetime(2017, 1, 1),  # noqa: DTZ001 - typer parses days without a zone
    *,
    replace_published: Replace = False,
) -> None:
    """Load goodbooks-10k: the books that readers want to read.

    Example: recsys import goodbooks ../shared/data/goodbooks --date 2017-01-01
    """
    _load(
        read_goodbooks(folder, AsOf.midnight(day.date()).instant),
        replace_published=replace_published,
    )


@import_app.command()
def pairs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .parquet, .csv or .csv.gz file.")],
    day: Day = datetime(2017, 1, 1),  # noqa: DTZ001 - typer parses days without a zone
    *,
    replace_published: Replace = False,
) -> None:
    """Load any table of users and items.

    Columns: user (or user_id), item (or item_id), and if there are such,
    weight (or value; else 1) and timestamp (or created_at; ISO 8601 or
    seconds since 1970; else the --date). Others are ignored. Ids must be of
    the types in the ids section of recsys.toml.

    Example: recsys import pairs ../shared/data/amazon-cds/train.parquet
    """
    _load(
        read_pairs(file, load_config().ids, AsOf.midnight(day.date()).instant),
        replace_published=replace_published,
    )


def seed(  # noqa: PLR0913 - options of the command line
    users: Annotated[int, typer.Option(min=10, max=_MOST, help="Members.")] = 2000,
    items: Annotated[
        int | None,
        typer.Option(
            min=MIN_ITEMS, max=_MOST, show_default=str(_ITEMS), help="Items, where there are such."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Length of the history.")] = 60,
    events: Annotated[
        int, typer.Option(min=10, max=_MOST, help="Usable events; about so many of people.")
    ] = 60_000,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Another one, another market.")
    ] = 7,
    end: Annotated[
        datetime,
        typer.Option(formats=_DAY, show_default="2026-01-01", help="Exclusive UTC bound of it."),
    ] = datetime(2026, 1, 1),  # noqa: DTZ001 - typer parses days without a zone
    kind: Annotated[
        Literal["items", "people"],
        typer.Option(help="What is recommended: items, or people to each other."),
    ] = "items",
    *,
    replace_published: Replace = False,
) -> None:
    """Make up a marketplace with planted taste groups, newcomers, blocks and dirty rows.

    It replaces what an earlier import or seed put into the source databases, and empties the
    lake and the published lists, which came from them. Where those came from other sources,
    it refuses. A market of people comes with a configuration of its own, which RECSYS_CONFIG
    must name: jobs/sandbox/people.toml.

    Example: recsys seed --users 2000 --items 800 --events 60000 --seed 7
    """
    config, until = load_config(), AsOf.midnight(end.date())
    _check_kind(kind, items, config)
    if kind == "people":
        market, dirty = (
            make_people(users, days, events, seed, until, config.ids.user),
            DIRTY_OF_PEOPLE,
        )
    else:
        market = make_market(users, items or _ITEMS, days, events, seed, until, config.ids)
        dirty = DIRTY
    _load(market, replace_published=replace_published)
    planted = ", ".join(f"{count} {what}" for what, count in dirty.items())
    typer.echo(f"planted rows that cannot be used: {planted}")


def _check_kind(kind: str, items: int | None, config: Config) -> None:
    """Raises where no night could read such a market by the configuration."""
    if kind == "people" and items is not None:
        raise typer.BadParameter("a market of people has no items", param_hint="--items")
    if config.of_people == (kind == "people"):
        return
    if kind == "people":
        raise ConfigError(
            "--kind people: the configuration has no sources.people; take the one that comes with "
            f"this market: export RECSYS_CONFIG={CONFIG}"
        )
    raise ConfigError(
        "--kind items: the configuration has sources.people; take --kind people, or another "
        "configuration by RECSYS_CONFIG"
    )


def _load(market: Market, *, replace_published: bool) -> None:
    settings, config = load_settings(), load_config()
    uri, lake = settings.require_postgres(), lake_of(settings)
    with lake.alone():
        if not replace_published:
            check_replaceable(uri, lake, config)
        with (
            connect(uri) as connection,
            database(settings.require_mongo()) as mongo,
            _bars() as progress,
        ):
            demo.load(market, config.ids, connection, mongo, progress)
        lake.clear()
        remove_reports(lake)
        migrate(uri, config.ids, recreate=True)
        mark_demo(uri, lake)
    show_table((word("loaded"), number("rows"), words("of"), word("days (UTC)")), _summary(market))
    typer.echo(f"next: recsys nightly --as-of {market.as_of}")


@contextmanager
def _bars() -> Iterator[demo.Progress]:
    """A bar for each table and collection."""
    columns = (TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _summary(market: Market) -> Iterator[tuple[str, ...]]:
    kinds = {"interactions": ("kind", "created_at"), "events": ("type", "ts")}
    for name, rows in market.sizes().items():
        details = (
            _details(getattr(market, name), *kinds[name], market) if name in kinds else ("", "")
        )
        yield name, f"{rows:,}", *details


def _details(table: pa.Table, kind: str, time: str, market: Market) -> tuple[str, str]:
    """The kinds with their counts, and the days of those that lie before the as-of."""
    counts = sorted(table[kind].value_counts().to_pylist(), key=lambda entry: -entry["counts"])
    times = table[time].filter(pc.less(table[time], pa.scalar(market.as_of.instant)))
    days = [f"{bound.as_py():%F}" for bound in pc.min_max(times).values() if bound.is_valid]
    return "\n".join(f"{each['counts']:,} {each['values']}" for each in counts), " to ".join(days)
