"""`recsys tune`: better parameters of the generators, kept beside the configuration."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from jobs.app.tuning import Tuned, tune
from jobs.cli.as_of import as_of_option
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import load_config, load_settings, tuned_generators, tuned_path
from jobs.stores.models import TrainingData
from recsys.as_of import AsOf
from recsys.config import Config

_KEPT: Final = {"weight", "engine"}
"""What tuning has no say in."""


def tune_command(
    as_of: Annotated[AsOf, as_of_option("As-of whose matrix is in the lake.")],
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="Time to search.")] = 10.0,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Search for better parameters of each generator, by NDCG on the holdout.

    The search sees the earlier half of the holdout. What it finds is taken if
    it is clearly better on the later half, on at least ranking.least_users users; else
    a generator is kept as it was. What was taken is written beside the configuration,
    as recsys.tuned.toml, and every later run uses it; what the configuration itself
    says of a parameter goes first. Keep the file in version control.

    Example: recsys tune --as-of 2026-01-01 --minutes 10
    """
    settings, chosen = load_settings(), load_config(config)
    run = RunArguments(as_of, chosen, settings, datetime.now(UTC))
    known, console = TrainingData(run), Console(stderr=True)
    with console.status("starting") as status:

        def heard(line: str) -> None:
            status.update(line)

        found = list(tune(known.holdout(), known.available, chosen, minutes, heard))
    path = tuned_path(config or settings.config)
    Console().print(_table(found))
    if keep(found, path, as_of, chosen):
        typer.echo(f"written to {path}")
    else:
        typer.echo("nothing gained enough to be taken, so nothing was written")


def keep(found: Sequence[Tuned], path: Path, as_of: AsOf, config: Config) -> bool:
    """Writes what was taken, and what was tuned before; gives whether anything was taken."""
    if not any(each.taken for each in found):
        return False
    before = tuned_generators(path)
    told = [each for each in found if each.taken or each.name in before]
    path.write_text(as_toml(told, as_of, config), encoding="utf-8")
    return True


def as_toml(found: Sequence[Tuned], as_of: AsOf, config: Config) -> str:
    """The sections that were tuned, with what is known of how."""
    lines = [f"# Tuned as of {as_of}, seed {config.seed}, checked on days the search did not see."]
    for each in found:
        lines += ["", f"# {each.outcome}", f"[generators.{each.name}]"]
        values = each.section.model_dump(exclude=_KEPT)
        lines += [f"{name} = {_number(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return repr(value if isinstance(value, int) else float(f"{value:.6g}"))


def _table(found: Sequence[Tuned]) -> Table:
    table = Table("generator", "outcome", "parameters")
    for each in found:
        values = each.section.model_dump(exclude=_KEPT)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        table.add_row(each.name, each.outcome, shown)
    return table
