"""`recsys why`: the reasons of one item for one user."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any, Final

import pyarrow as pa
import typer

from jobs.app.why import Answer, ExplainedRun, Pair, Said
from jobs.cli.as_of import as_of_option
from jobs.cli.output import Json, number, show_json, show_table, words
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import load_config, load_settings
from jobs.sinks.postgres.reasons import AskedRun, asked_run, kept_reason
from recsys.as_of import AsOf
from recsys.errors import DataError, MissingPartitionError
from recsys.ids import canonical_ids
from recsys.sections.ids import IdType

_FEATURES: Final = 5
"""Features that are shown."""
_WIDE: Final = 80


def why(
    user: Annotated[str, typer.Argument(help="The user's id, as the source has it.")],
    item: Annotated[str, typer.Argument(help="The item's id, as the source has it.")],
    *,
    as_of: Annotated[AsOf | None, as_of_option("As-of of the run; else the live one.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    as_json: Json = False,
) -> None:
    """Say why an item is on a user's list, or what dropped it.

    What was kept with the list comes from Postgres, the rest from the run's models in the lake:
    each generator's score and rank, the user's own items behind it, the place after each stage.

    Example: recsys why 42 17
    """
    settings, known = load_settings(), load_config(config)
    pair = Pair(_id(user, known.ids.user, "user"), _id(item, known.ids.item, "item"))
    uri = settings.require_postgres()
    run = asked_run(uri, as_of)
    kept = kept_reason(uri, str(pair.user), str(pair.item), run.run_id)
    arguments = RunArguments(run.as_of, known, settings, datetime.now(UTC))
    try:
        with arguments.lake.in_use():
            found = ExplainedRun(arguments, run).answer(pair, kept)
    except MissingPartitionError:
        _show(Answer(kept.verdict, kept), pair, run, as_json=as_json)
        raise
    _show(found, pair, run, as_json=as_json)


def _show(found: Answer, pair: Pair, run: AskedRun, *, as_json: bool) -> None:
    if as_json:
        asked = {"user": pair.user, "item": pair.item, "run": run.run_id, "as_of": run.as_of}
        show_json(asked | asdict(found))
        return
    title = found.titles.get(str(pair.item), "")
    name = f"{pair.item}{f' ({title})' if title else ''}"
    lines = [f"user {pair.user}, item {name}, run {run.run_id} as of {run.as_of}", _headline(found)]
    for line in [*lines, *(f"note: {remark}" for remark in found.remarks)]:
        typer.echo("\n".join(wrap(line, _WIDE)))
    if found.said:
        typer.echo()
        _show_generators(found.said)
    if found.stages:
        typer.echo()
        places = ((s.name, "-" if s.place is None else str(s.place)) for s in found.stages)
        show_table((words("after"), number("place")), places)
        for stage in found.stages:
            if stage.remark:
                typer.echo("\n".join(wrap(f"{stage.name}: {stage.remark}", _WIDE)))
    if found.chances:
        typer.echo()
        added = [*found.chances.items(), ("score", sum(found.chances.values()))]
        shown = ((name, f"{part:+.4f}") for name, part in added)
        show_table((words("chance of"), number("added to the score")), shown)
    if found.features:
        typer.echo()
        strongest = list(found.features.items())[:_FEATURES]
        moves = ((name, f"{part:+.3f}") for name, part in strongest)
        show_table((words("feature"), number("moved the ranker's score by")), moves)


def _headline(found: Answer) -> str:
    kept = found.kept
    if found.verdict != "listed":
        return f"not shown - {found.verdict}"
    place = "" if kept.rank is None else f" at place {kept.rank}"
    moved = kept.place_before not in (None, kept.rank)
    before = f", ranked {kept.place_before} before the list steps" if moved else ""
    return f"listed{place}{before} - {kept.in_words(found.titles)}"


def _show_generators(said: Sequence[Said]) -> None:
    columns = (
        words("generator"),
        number("score"),
        number("in deviations"),
        number("rank"),
        words("you liked"),
    )
    rows = []
    for voice in said:
        liked = "\n".join(f"{own.title or own.item_id} {own.part:+.3f}" for own in voice.because)
        rank = "-" if voice.rank is None else str(voice.rank)
        scaled = "-" if voice.standardised is None else f"{voice.standardised:+.2f}"
        rows.append((voice.generator, f"{voice.score:.4f}", scaled, rank, liked))
    show_table(columns, rows)


def _id(text: str, kind: IdType, role: str) -> Any:
    (known,) = canonical_ids(pa.array([text], pa.string()), kind).to_pylist()
    if known is None:
        raise DataError(f"{text!r} is not a {kind}, which [ids] says {role} ids are")
    return known
