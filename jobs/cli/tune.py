"""`recsys tune`: better parameters of the generators, kept in the lake."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from jobs.cli.as_of import as_of_option
from jobs.cli.output import Json, show_json
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import load_config, load_settings
from jobs.stores.tunings import tuning_partition
from jobs.tuning.kept import tune_as_of
from jobs.tuning.tuner import Budget, Tuned
from recsys.as_of import AsOf


def tune_command(
    as_of: Annotated[AsOf, as_of_option("As-of whose matrix is in the lake.")],
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, max=600, help="Time to search.", show_default="tuning.minutes"),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, help="Trials of each generator, however long they take, instead of a time."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Search for better parameters of each generator, by NDCG on the holdout.

    The search sees the earlier half of the holdout. What it finds is taken if it is
    better on the later half by more than a standard error, and if all generators
    together are. It is kept in the lake as recsys.tuned.toml of the as-of, and
    nights after that use it; what the configuration itself says of a parameter goes
    first, and is not searched. The same command goes on where it was broken off.

    Example: recsys tune --as-of 2026-01-01 --minutes 10
    """
    settings, chosen = load_settings(), load_config(config)
    run = RunArguments(as_of, chosen, settings, datetime.now(UTC))
    time = minutes or chosen.tuning.minutes
    budget = Budget(time) if trials is None else Budget(np.inf, trials)
    console = Console(stderr=True)
    with run.lake.in_use(), console.status("starting") as status:

        def heard(line: str) -> None:
            if console.is_terminal:
                status.update(line)
            else:
                console.print(line, soft_wrap=True, highlight=False)

        found = tune_as_of(run, budget, heard)
    if as_json:
        show_json([_as_dict(each) for each in found])
        return
    for each in found:
        typer.echo(f"{each.name} {each.outcome}")
        typer.echo("  " + ", ".join(f"{name} {value}" for name, value in each.setting.items()))
    if any(each.taken for each in found):
        (file,) = tuning_partition(run.lake, as_of).files()
        typer.echo(f"nights after {as_of} use {file.path}")
    else:
        typer.echo("nothing gained enough to be taken, so the parameters stay")


def _as_dict(tuned: Tuned) -> dict[str, Any]:
    return {
        "generator": tuned.name,
        "taken": tuned.taken,
        "refusal": tuned.refusal or None,
        "ndcg_before": tuned.before,
        "ndcg_after": tuned.after,
        "gain": tuned.gain.mean,
        "standard_error": tuned.gain.error if np.isfinite(tuned.gain.error) else None,
        "users": tuned.users,
        "trials": tuned.trials,
        "setting": dict(tuned.setting),
    }
