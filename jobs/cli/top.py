"""`recsys top`: a user's list."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final

import pyarrow as pa
import typer
from pydantic import SecretStr

from jobs.cli.output import Json, number, show_json, show_table, words
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres import lookup
from jobs.sinks.postgres.reasons import ListedReason, listed_reasons
from recsys.errors import DataError
from recsys.ids import canonical_ids
from recsys.sections.base import READ_PLACES
from recsys.sections.ids import Ids

_SHOWN: Final = 10
"""Segments that a message names."""


def top(
    user: Annotated[str, typer.Argument(help="The user's id, as the source has it.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="Length of the list.")
    ] = READ_PLACES,
    segment: Annotated[
        str | None,
        typer.Option(help="Segment, as path=value, whose list answers for a user without one."),
    ] = None,
    *,
    as_json: Json = False,
    why: Annotated[
        bool, typer.Option("--why", help="Say in one line why each item is there.")
    ] = False,
) -> None:
    """Show a user's list, as an app gets it.

    Example: recsys top 42 -n 10 --segment home.country=IT
    """
    settings, ids = load_settings(), load_config().ids
    (known,) = canonical_ids(pa.array([user], pa.string()), ids.user).to_pylist()
    if known is None:
        raise DataError(f"{user!r} is not a {ids.user}, which [ids] says user ids are")
    uri = settings.require_postgres()
    items = lookup.top_n(uri, str(known), n, segment)
    if segment is not None and segment not in (there := lookup.segments(uri)):
        typer.echo(_no_segment(segment, there), err=True)
    if why:
        reasons = listed_reasons(uri, str(known), n, segment)
        _show_reasons(uri, ids, user, reasons, as_json=as_json)
        return
    titles = lookup.titles(uri, ids, [item.item_id for item in items])
    if as_json:
        show_json([{**asdict(item), "title": titles.get(item.item_id)} for item in items])
    elif items:
        columns = (number("rank"), words("item"), words("title"), number("score"), words("source"))
        show_table(
            columns,
            (
                (str(i.rank), i.item_id, titles.get(i.item_id, ""), f"{i.score:.3f}", i.source)
                for i in items
            ),
        )
    else:
        typer.echo(f"nothing to recommend to {user}")


def _show_reasons(
    uri: SecretStr, ids: Ids, user: str, listed: Sequence[ListedReason], *, as_json: bool
) -> None:
    because = [place.reason.because for place in listed if place.reason.because]
    titles = lookup.titles(uri, ids, [*(place.item_id for place in listed), *because])
    lines = [place.reason.in_words(titles) for place in listed]
    if as_json:
        pairs = zip(listed, lines, strict=True)
        show_json(
            [
                {**asdict(place), "title": titles.get(place.item_id), "why": line}
                for place, line in pairs
            ]
        )
    elif listed:
        columns = (number("rank"), words("item"), words("title"), words("why"))
        show_table(
            columns,
            (
                (str(place.place), place.item_id, titles.get(place.item_id, ""), line)
                for place, line in zip(listed, lines, strict=True)
            ),
        )
    else:
        typer.echo(f"nothing to recommend to {user}")


def _no_segment(segment: str, there: Sequence[str]) -> str:
    """Names the segments that may have been meant."""
    begin = f"the live run has no list of segment {segment!r}"
    if not there:
        return f"{begin}, nor of another; segments.attribute of the configuration gives them"
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    return f"{begin}, only of {', '.join(there[:_SHOWN])}{more}"
