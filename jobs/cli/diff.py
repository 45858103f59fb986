"""`recsys diff`: what one run's lists change for users, against another's."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from jobs.cli.output import Json, figure, number, show_json, show_table, words
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres import lookup
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
_SIDES: Final = ("before", "after", "lost", "new")
_SHARES: Final = ("overlap", "rbo", "churn")


def diff(
    before: Annotated[
        int, typer.Argument(help="The run to compare with, as `recsys runs` has it.")
    ],
    after: Annotated[int, typer.Argument(help="The run to look at.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="Items of each kind.")
    ] = _MOVERS,
    *,
    as_json: Json = False,
) -> None:
    """Show what a run changes against another: users, lists by band, items.

    Example: recsys diff 3 4
    """
    settings, config = load_settings(), load_config()
    uri, lake = settings.require_postgres(), lake_of(settings)
    earlier, later = (
        run_facts(uri, run, config.ids, config.gates.depth) for run in (before, after)
    )
    verdict = audit(later, earlier, config.gates)
    groups = _by_group(verdict.difference, lake, later.as_of, config)
    gained, lost = verdict.difference.movers(n)
    movers = [*gained, *reversed(lost)]
    names = [str(mover.item_id) for mover in movers]
    titles = lookup.titles(uri, config.ids, names, [before, after])
    if as_json:
        show_json(_as_dict(earlier, later, verdict, groups, movers, titles))
        return
    _show_totals(earlier, later, verdict)
    typer.echo()
    _show_groups(groups, verdict.figures)
    typer.echo()
    _show_items(movers, titles)


def _by_group(
    difference: Difference, lake: Lake, as_of: AsOf, config: Config
) -> Mapping[str, Change]:
    """By how much users had done; where the lake lacks the date, by the length of their lists."""
    try:
        return difference.by_group(activity(lake, as_of, config))
    except MissingPartitionError:
        return difference.by_group(difference.by_length())


def _show_totals(before: RunFacts, after: RunFacts, verdict: AuditVerdict) -> None:
    figures = {**verdict.figures.as_dict(), "ndcg": verdict.ndcg, **verdict.market}
    rows = [(name.replace("_", " "), figure(value)) for name, value in figures.items()]
    rows.append(("gates not passed", "\n".join(map(str, verdict.violations)) or "none"))
    rows.append(("published over it", _OUTCOMES[verdict.outcome]))
    title = f"run {after.run_id} ({after.as_of}) against run {before.run_id} ({before.as_of})"
    show_table((words(""), words("")), rows, title)


def _show_groups(groups: Mapping[str, Change], everybody: Change) -> None:
    rows = []
    for name, change in (*groups.items(), ("all users", everybody)):
        counts = (getattr(change, f"users_{side}") for side in _SIDES)
        shares = (getattr(change, share) for share in _SHARES)
        rows.append((name, *map(figure, (*counts, *shares))))
    columns = (words("band"), *map(number, (*_SIDES, *_SHARES)))
    show_table(columns, rows, "users and their lists")


def _show_items(movers: Sequence[Mover], titles: Mapping[str, str]) -> None:
    rows = []
    for mover in movers:
        item = str(mover.item_id)
        shares = (f"{mover.before:.3%}", f"{mover.after:.3%}", f"{mover.gain:+.3%}")
        rows.append((item, titles.get(item, ""), *shares))
    columns = (words("item"), words("title"), *map(number, ("before", "after", "change")))
    show_table(columns, rows, "share of all exposure")


def _as_dict(
    before: RunFacts,
    after: RunFacts,
    verdict: AuditVerdict,
    groups: Mapping[str, Change],
    movers: Sequence[Mover],
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """The figures as JSON has them; those of the verdict as they are kept with a run."""
    return {
        "before": {"run": before.run_id, "as_of": before.as_of},
        "after": {"run": after.run_id, "as_of": after.as_of},
        **verdict.as_dict(),
        "bands": groups,
        "items": [
            {
                "item": mover.item_id,
                "title": titles.get(str(mover.item_id)),
                "before": mover.before,
                "after": mover.after,
            }
            for mover in movers
        ],
    }
