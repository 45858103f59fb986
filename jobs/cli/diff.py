"""`recsys diff`: what one run's lists change for users, against another's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.titles import titles_of
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres.published import KeptRun, kept_run, read_lists
from jobs.stores.population import active_users, activity, available_items
from recsys.config import Config
from recsys.errors import MissingPartitionError
from recsys.evaluation.audit import verdict
from recsys.evaluation.diff import Change, Comparison, Difference, Mover

_MOVERS: Final = 5
_COLUMNS: Final = ("before", "after", "lost", "new", "overlap", "rbo", "churn")


def diff(
    before: Annotated[
        int, typer.Argument(help="The run to compare with, as `recsys runs` has it.")
    ],
    after: Annotated[int, typer.Argument(help="The run to look at.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="Items of each kind.")
    ] = _MOVERS,
) -> None:
    """Show what a run changes against another: users, lists by segment, items.

    Example: recsys diff 3 4
    """
    settings, config, console = load_settings(), load_config(), Console()
    uri, lake = settings.require_postgres(), lake_of(settings)
    runs = [kept_run(uri, run) for run in (before, after)]
    earlier, later = (
        read_lists(uri, run, config.ids, config.gates.depth) for run in (before, after)
    )
    difference = Difference.between(
        earlier, later, depth=config.gates.depth, persistence=config.gates.persistence
    )
    figures = _figures(difference, lake, runs[1], config)
    console.print(_totals(runs, *_verdict(runs, figures, config)))
    console.print(_segments(_by_segment(difference, lake, runs[1], config), figures))
    console.print(_items(*difference.movers(n)))


def _figures(difference: Difference, lake: Lake, run: KeptRun, config: Config) -> Comparison:
    """Counts what could be reached by the lake; where it lacks the date, by the lists alone."""
    try:
        available = available_items(lake, run.as_of)
        return difference.comparison(available, active_users(lake, run.as_of, config))
    except MissingPartitionError:
        return difference.comparison(len(difference.items), difference.after.rows)


def _verdict(
    runs: Sequence[KeptRun], figures: Comparison, config: Config
) -> tuple[Comparison, Sequence[str]]:
    """What publishing says of the pair: on record where it was asked, else by the same rule."""
    before, after = runs
    same = before.methods == after.methods
    figures, found = verdict(figures, config.gates, same_methods=same, ndcg=after.ndcg)
    if after.audited_against == before.run_id:
        return figures, after.violations
    return figures, [str(violation) for violation in found]


def _by_segment(
    difference: Difference, lake: Lake, run: KeptRun, config: Config
) -> Mapping[str, Change]:
    """By how much users had done; where the lake lacks the date, by the length of their lists."""
    try:
        return difference.by_segment(activity(lake, run.as_of, config))
    except MissingPartitionError:
        return difference.by_segment(difference.length_bands())


def _totals(runs: Sequence[KeptRun], figures: Comparison, found: Sequence[str]) -> Table:
    before, after = runs
    title = f"run {after.run_id} ({after.as_of}) against run {before.run_id} ({before.as_of})"
    table = Table("figure", "value", title=title)
    for name, value in figures.as_dict().items():
        table.add_row(name.replace("_", " "), _figure(value))
    held = "\n".join(found) or "none"
    table.add_row("gates not passed", held)
    return table


def _segments(segments: Mapping[str, Change], everybody: Change) -> Table:
    table = Table("segment", *_COLUMNS, title="users and their lists")
    for name, change in (*segments.items(), ("all users", everybody)):
        counts = (change.users_before, change.users_after, change.users_lost, change.users_new)
        shares = (change.overlap, change.rbo, change.churn)
        table.add_row(name, *map(_figure, (*counts, *shares)))
    return table


def _items(gained: Iterable[Mover], lost: Iterable[Mover]) -> Table:
    movers = [*gained, *reversed(tuple(lost))]
    titles = titles_of([str(mover.item_id) for mover in movers])
    table = Table("item", "title", "before", "after", "change", title="share of all exposure")
    for mover in movers:
        item = str(mover.item_id)
        shares = (f"{mover.before:.3%}", f"{mover.after:.3%}", f"{mover.gain:+.3%}")
        table.add_row(item, titles.get(item, ""), *shares)
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
