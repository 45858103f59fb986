"""`recsys status`: how things are, on one screen."""

from collections.abc import Iterator
from datetime import UTC, datetime

import typer

from jobs.app.status import Status, status
from jobs.cli.output import (
    Json,
    minute,
    number,
    show_json,
    show_table,
    size,
    span,
    word,
    words,
)
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_settings


def show_status(*, as_json: Json = False) -> None:
    """Show what is live, what became of the last nights, what waits, and what comes next.

    A night that a contract stopped has its rule; what to do about a held run stands
    with it. Times are in UTC. Whether something is wrong is what `recsys doctor` says.

    Example: recsys status
    """
    settings = load_settings()
    found = status(settings.require_postgres(), lake_of(settings), datetime.now(UTC))
    if as_json:
        show_json(found)
        return
    show_table((word(""), words("")), _facts(found))
    if found.nights:
        typer.echo()
        rows = (
            (str(night.as_of), str(night.run or ""), night.outcome, night.why)
            for night in found.nights
        )
        show_table((word("last nights"), number("run"), word("outcome"), words("why")), rows)


def _facts(found: Status) -> Iterator[tuple[str, str]]:
    yield "now (UTC)", minute(found.now)
    if found.live is None:
        yield "live", "none; run `recsys nightly --as-of DATE`"
    else:
        live = found.live
        age = span(found.now - live.as_of.instant)
        yield (
            "live",
            f"run {live.run_id} as of {live.as_of}, {age} old, live since {minute(live.since)}",
        )
        places = "" if live.places is None else f" of {live.places:,} items"
        yield "lists", f"{live.users:,}{places}"
        through = found.data_through
        yield "data until", "unknown to this lake" if through is None else minute(through)
    for held in found.held:
        yield "held", f"run {held.run}: {'; '.join(held.gates_not_passed)}; {held.remedy}"
    yield "next night", f"{minute(found.next_due)}, as of {found.next_as_of} ({found.schedule})"
    yield "lake", _disk(found)
    sizes = found.published
    yield "published", f"{size(sizes.published)}, of {size(sizes.database)} of the database"


def _disk(found: Status) -> str:
    lake = found.lake
    if lake.bytes is None or lake.disk_free is None or lake.disk_total is None:
        return lake.place
    free = f"{size(lake.disk_free)} of {size(lake.disk_total)} free"
    return f"{lake.place}: {size(lake.bytes)}, {free}"
