"""`recsys doctor`: what is well, what is not, and what to do about it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from jobs.app.doctor import examine
from jobs.cli.output import Json, show_json, show_table, word, words


def doctor(
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Examine everything a night rests on, and say what to do about what is not well.

    Looks at Java, packages, configuration, lake and its disk, servers and their
    clocks, sources, rights, migrations, sinks, and the age of the live run; each by
    itself, whatever ails the others. `recsys check`, with which every night begins,
    is the part of it that would stop one. Ends with 0 only if nothing is wrong,
    else with the exit code of the first error.

    Example: recsys doctor
    """
    found = examine(config, datetime.now(UTC))
    if as_json:
        show_json(found)
    else:
        rows = ((each.level, each.place, each.message) for each in found)
        show_table((word(""), word(""), words("")), rows)
    wrong = [each for each in found if each.level == "wrong"]
    if wrong:
        places = ", ".join(dict.fromkeys(each.place for each in wrong))
        typer.echo(f"error: not well: {places}; each line says what to do", err=True)
        raise typer.Exit(wrong[0].exit_code)
