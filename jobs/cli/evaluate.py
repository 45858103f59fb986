"""`recsys evaluate`: how good the lists are, on any data that can be split."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from jobs.app.evaluation import BLEND, Steps, Trial, try_stack
from jobs.run.settings import load_config
from jobs.sources.pair_files import read_descriptions, read_ids, read_numbered
from recsys.arrays import Ints
from recsys.config import Config
from recsys.dataset.segments import segments_of
from recsys.dataset.trial import DataSet
from recsys.errors import DataError, SettingsError
from recsys.evaluation.report import ALL, Figures
from recsys.evaluation.splits import Pairs, Split, at_quantile, given, random_per_user
from recsys.sections.base import READ_PLACES

_COLUMNS = ("recall", "ndcg", "average_precision", "reciprocal_rank", "hit", "novelty")
_HEADERS = ("recall", "NDCG", "precision", "MRR", "hit", "novelty", "coverage", "Gini")
_WIDE = 200
"""Columns of a terminal that shows intervals too; `--json` always has them."""


class How(StrEnum):
    """Split of one file of pairs."""

    TEMPORAL = "temporal"
    RANDOM = "random"


def evaluate(  # noqa: PLR0913 - the options of a command
    train: Annotated[Path, typer.Option(help="Pairs to learn from.")],
    test: Annotated[
        Path | None, typer.Option(help="Pairs to be found; without it --train is split.")
    ] = None,
    users: Annotated[Path | None, typer.Option(help="What is written of users.")] = None,
    items: Annotated[Path | None, typer.Option(help="What is written of items.")] = None,
    split: Annotated[
        How, typer.Option(help="How --train is split where --test lacks.")
    ] = How.TEMPORAL,
    k: Annotated[
        int, typer.Option("--k", min=1, max=1000, help="Places that count.")
    ] = READ_PLACES,
    out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    tune_minutes: Annotated[
        float, typer.Option(min=0, max=1440, help="Time to search for better parameters.")
    ] = 0.0,
) -> None:
    """Fit both stages on one part of some pairs and measure the lists on the other.

    Tuning and the choice of the blend see a part of the training pairs alone.
    Every item that a user has not in the training part is ranked; nothing is sampled.
    Files are Parquet or CSV. Pairs have the columns user and item, and may have weight
    and timestamp; a file of users or items has their id and may have text, tags (a list,
    or divided by |) and any others, which are attributes.

    Example: recsys evaluate --train train.parquet --test test.parquet --k 20
    """
    _check_writable(out)
    chosen, files = load_config(config), [f for f in (train, test) if f is not None]
    index = {role: read_ids(files, role) for role in ("user", "item")}
    pairs = read_numbered(train, index["user"], index["item"])
    members = read_descriptions(users, "user", index["user"])
    catalogue = read_descriptions(items, "item", index["item"])
    segments, _ = segments_of(members.entries.attributes, chosen.segments.attribute or "")
    data = DataSet(pairs, members.entries, catalogue.entries, segments)
    notes = [note for note in (members.note, catalogue.note) if note]
    if test is None:
        parts, label = _cut(pairs, split, chosen), split.value
    else:
        wanted = read_numbered(test, index["user"], index["item"])
        notes += [
            _known(test, "user", wanted.user_rows, pairs.user_rows, users),
            _known(test, "item", wanted.item_rows, pairs.item_rows, items),
        ]
        parts, label = given(pairs, wanted), "given"
    for note in notes:
        typer.echo(note)
    with _progress() as steps:
        trial = try_stack(data, parts, label, chosen, k, steps, tune_minutes)
    show(trial)
    if out is not None:
        text = json.dumps(trial.as_dict(), indent=1, allow_nan=False)
        out.write_text(text + "\n", encoding="utf-8")


def _check_writable(out: Path | None) -> None:
    """Refuses a file that could not be written after all the work."""
    if out is None:
        return
    try:
        there = out.exists()
    except OSError as error:
        raise SettingsError(f"--json {out}: {error.strerror}") from None
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise SettingsError(f"--json {out}: {out.parent} is no folder that can be written to")
    if there and not (out.is_file() and os.access(out, os.W_OK)):
        raise SettingsError(f"--json {out}: is no file that can be written to")


def _known(test: Path, role: str, wanted: Ints, learnt: Ints, described: Path | None) -> str:
    """Share of the wanted users or items that the training part has.

    Raises DataError where none is, and no file describes them: their ids have another form.
    """
    found, known = np.unique(wanted), np.isin(np.unique(wanted), learnt).sum()
    if len(found) and not known and described is None:
        raise DataError(
            f"{test}: none of its {len(found)} {role}s is in --train; give the ids of both files "
            f"the same form, or describe the {role}s with --{role}s"
        )
    return f"{test.name}: {known} of {len(found)} {role}s are in the training part"


def _cut(pairs: Pairs, split: How, config: Config) -> Split:
    if split is How.RANDOM:
        return random_per_user(pairs, 0.2, config.seed, 5)
    if pairs.times is None:
        raise DataError("the pairs have no timestamp to split them by; pass --split random")
    parts = at_quantile(pairs)
    if not len(parts.train):
        raise DataError(
            "at least four fifths of the pairs have the same, earliest timestamp, so time cannot "
            "split them; pass --split random"
        )
    return parts


@contextmanager
def _progress() -> Iterator[Steps]:
    console = Console(stderr=True)
    with console.status("starting") as status:
        yield Steps(lambda name: status.update(f"{name} …"))


def show(trial: Trial) -> None:
    """Prints the figures of every model, the choice and its reason, and where the time went."""
    console = Console()
    for table in _figures(trial, intervals=console.width >= _WIDE):
        console.print(table)
    for name, outcome in trial.tuned.items():
        console.print(f"tuning {name}: {outcome}", highlight=False)
    console.print(trial.choice.summary(), highlight=False)
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in trial.steps.seconds.items())
    most = max(trial.steps.peak_gib.values())
    console.print(f"{times}; peak memory {most:.2f} GiB", highlight=False)


def _figures(trial: Trial, *, intervals: bool) -> Iterator[Table]:
    """A table for each group of users, with bootstrap intervals where there is room for them."""
    k = next(iter(trial.reports.values())).k
    segments = trial.reports[BLEND].segments
    for segment, total in segments.items():
        if total.users and not (segment != ALL and total.users == segments[ALL].users):
            title = f"{segment}: {total.users} users, at {k}"
            table = Table("model", *_HEADERS, title=title, padding=(0, int(intervals)))
            for name, report in trial.reports.items():
                table.add_row(name, *_row(report.segments[segment], intervals=intervals))
            yield table


def _row(figures: Figures, *, intervals: bool) -> list[str]:
    shown = []
    for mean in (figures.means[column] for column in _COLUMNS):
        estimate = "" if mean is None else f"{mean.estimate:.4f}"
        around = f" ({mean.low:.4f}-{mean.high:.4f})" if mean and intervals else ""
        shown.append(estimate + around)
    over = ["" if v is None else f"{v:.3f}" for v in (figures.coverage, figures.gini)]
    return [*shown, *over]
