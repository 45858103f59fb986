"""`recsys diff`: what one run's lists change for users, against another's."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.titles import titles_of
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres.published import run_facts
from jobs.stores.population import activity
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import MissingPartitionError
from recsys.evaluation.audit import AuditVerdict, Outcome, RunFacts, audit
from recsys.evaluation.diff import Change, Difference, Mover

_MOVERS: Final = 5
_OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.LIVE: "live",
    Outcome.HELD: "held back",
    Outcome.HISTORY: "history, since its as-of is before",
}
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
    """Show what a run changes against another: users, lists by band, items.

    Example: recsys diff 3 4
    """
    settings, config, console = load_settings(), load_config(), Console()
    uri, lake = settings.require_postgres(), lake_of(settings)
    earlier, later = (
        run_facts(uri, run, config.ids, config.gates.depth) for run in (before, after)
    )
    verdict = audit(later, earlier, config.gates)
    console.print(_totals(earlier, later, verdict))
    groups = _by_group(verdict.difference, lake, later.as_of, config)
    console.print(_groups(groups, verdict.figures))
    console.print(_items(*verdict.difference.movers(n)))


def _by_group(
    difference: Difference, lake: Lake, as_of: AsOf, config: Config
) -> Mapping[str, Change]:
    """By how much users had done; where the lake lacks the date, by the length of their lists."""
    try:
        return difference.by_group(activity(lake, as_of, config))
    except MissingPartitionError:
        return difference.by_group(difference.by_length())


def _totals(before: RunFacts, after: RunFacts, verdict: AuditVerdict) -> Table:
    title = f"run {after.run_id} ({after.as_of}) against run {before.run_id} ({before.as_of})"
    table = Table("figure", "value", title=title)
    for name, value in {**verdict.figures.as_dict(), "ndcg": verdict.ndcg}.items():
        table.add_row(name.replace("_", " "), _figure(value))
    table.add_row("gates not passed", "\n".join(map(str, verdict.violations)) or "none")
    table.add_row("published over it", _OUTCOMES[verdict.outcome])
    return table


def _groups(groups: Mapping[str, Change], everybody: Change) -> Table:
    table = Table("band", *_COLUMNS, title="users and their lists")
    for name, change in (*groups.items(), ("all users", everybody)):
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
