"""`recsys evaluate`: how good the lists are, on any data that can be split."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console

from jobs.app.evaluation import BLEND, PUBLISHED, Quality, Steps, Trial, try_stack
from jobs.cli.output import check_writable, number, show_table, show_text, words, write_json
from jobs.cli.people import ANSWER_DAYS, DescriptionFiles, Sides, show_people, try_people
from jobs.run.settings import load_config
from jobs.sources.pair_files import read_descriptions, read_ids, read_numbered
from recsys.arrays import Ints
from recsys.config import Config
from recsys.dataset.bands import UNSEEN
from recsys.dataset.segments import segments_of
from recsys.dataset.trial import DataSet
from recsys.errors import DataError, SettingsError
from recsys.evaluation.report import ALL, Figures
from recsys.evaluation.significance import ERRORS, Interval
from recsys.evaluation.splits import Pairs, Split, at_quantile, given, random_per_user
from recsys.sections.base import READ_PLACES

_COLUMNS: Final = (
    words("model"),
    *map(number, ("NDCG", "95 % interval", "recall", "coverage", "Gini", "reach")),
)


class How(StrEnum):
    """Split of one file of pairs."""

    TEMPORAL = "temporal"
    RANDOM = "random"


def evaluate(  # noqa: PLR0913 - the options of a command
    *,
    train: Annotated[Path | None, typer.Option(help="Pairs to learn from.")] = None,
    people: Annotated[
        Path | None,
        typer.Option(help="In place of --train: decisions with answers, or messages, of people."),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Pairs to be found; without it the others are split.")
    ] = None,
    users: Annotated[Path | None, typer.Option(help="What is written of users.")] = None,
    items: Annotated[Path | None, typer.Option(help="What is written of items.")] = None,
    split: Annotated[
        How | None,
        typer.Option(help="How --train is split where --test lacks; temporal if not said."),
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            "--k",
            min=1,
            max=1000,
            help=f"Places that count; {READ_PLACES} if not said. With --people several times.",
        ),
    ] = None,
    sides: Annotated[
        Sides | None,
        typer.Option(help="With --people: whether users and items are of one pool, or two sides."),
    ] = None,
    answer_days: Annotated[
        float,
        typer.Option(min=0, help="With --people: days in which a message back is a yes back."),
    ] = ANSWER_DAYS,
    bands: Annotated[
        bool, typer.Option("--bands", help="Show warm, cold and new users by themselves too.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    tune_minutes: Annotated[
        float, typer.Option(min=0, max=1440, help="Time to search for better parameters.")
    ] = 0.0,
) -> None:
    """Fit both stages on one part of some pairs and measure the lists on the other.

    Tuning and the choice of the blend see a part of the training pairs alone.
    Every item that a user has not in the training part is ranked; nothing is sampled.
    The table shows NDCG, recall, coverage, Gini and reach; --json has the other figures.
    Files are Parquet or CSV. Pairs have the columns user and item, and may have weight
    and timestamp; a file of users or items has their id and may have text, tags (a list,
    or divided by |) and any others, which are attributes.

    With --people, lists of people for people, in which both must say yes, made one-sided
    and for both sides, side by side. Decisions have the columns user, item, yes (1 or 0,
    of the user about the item) and yes_back (of the item about the user); each half is
    listed by what the other teaches, or --test by all. Messages have user, item (who wrote
    to whom) and timestamp, and are split by time.

    Example: recsys evaluate --train train.parquet --test test.parquet --k 20
    Example: recsys evaluate --people decisions.csv --k 3 --k 5
    """
    check_writable(out, "--json")
    chosen = load_config(config)
    if people is not None:
        _check_alone(train, split, bands=bands, tune_minutes=tune_minutes)
        with _progress() as steps:
            tried = try_people(
                people, test, DescriptionFiles(users, items), sides, answer_days, k, chosen, steps
            )
        show_people(tried)
        write_json(out, tried.as_dict())
        return
    if train is None:
        raise SettingsError("there is nothing to evaluate; pass --train or --people")
    places, described = _one_of(k), DescriptionFiles(users, items)
    data, parts, label = _read_pairs(train, test, described, split or How.TEMPORAL, chosen)
    with _progress() as steps:
        trial = try_stack(data, parts, label, chosen, places, steps, tune_minutes)
    show(trial, bands=bands)
    write_json(out, trial.as_dict())


def _read_pairs(
    train: Path, test: Path | None, described: DescriptionFiles, how: How, config: Config
) -> tuple[DataSet, Split, str]:
    """Pairs with what is written of both sides, their two parts, and a name of how they were
    split."""
    files = [f for f in (train, test) if f is not None]
    index = {role: read_ids(files, role) for role in ("user", "item")}
    pairs = read_numbered(train, index["user"], index["item"])
    members = read_descriptions(described.users, "user", index["user"])
    catalogue = read_descriptions(described.items, "item", index["item"])
    segments, _ = segments_of(members.entries.attributes, config.segments.attribute or "")
    notes = [note for note in (members.note, catalogue.note) if note]
    if test is None:
        parts, label = _cut(pairs, how, config), how.value
    else:
        wanted = read_numbered(test, index["user"], index["item"])
        notes += [
            _known(test, "user", wanted.user_rows, pairs.user_rows, described.users),
            _known(test, "item", wanted.item_rows, pairs.item_rows, described.items),
        ]
        parts, label = given(pairs, wanted), "given"
    for note in notes:
        typer.echo(note)
    return DataSet(pairs, members.entries, catalogue.entries, segments), parts, label


def _one_of(places: list[int] | None) -> int:
    """Places that count where lists are of one length."""
    if places and len(places) > 1:
        raise SettingsError("--k is there more than once; only --people takes several")
    return places[0] if places else READ_PLACES


def _check_alone(
    train: Path | None, split: How | None, *, bands: bool, tune_minutes: float
) -> None:
    """Refuses options that --people has no use for."""
    others = {"train": train, "split": split, "bands": bands, "tune-minutes": tune_minutes}
    for name, value in others.items():
        if value:
            raise SettingsError(f"--{name} does not go with --people; leave one of both out")


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


def show(trial: Trial, *, bands: bool = False) -> None:
    """Prints the figures of every model, the choice and its reason, and where the time went.

    bands: whether each band of users gets a table of its own.
    """
    whole = trial.quality.reports[BLEND]
    for name, total in whole.segments.items():
        if name == ALL or (bands and total.users):
            title = f"{name} users: {total.users:,}, lists of {whole.k}"
            show_table(_COLUMNS, _rows(trial.quality, name), title)
            typer.echo()
    for line in _texts(trial, bands=bands):
        show_text(line)


def _texts(trial: Trial, *, bands: bool) -> Iterator[str]:
    """Everything but the tables, a paragraph each."""
    clear = trial.quality.clear_best
    if any(clear[group] for group in (clear if bands else [ALL])):
        yield f"* ahead of all others by more than {ERRORS:g} standard errors of the difference"
    reports = trial.quality.reports
    silent = [name for name, report in reports.items() if not report.segments[ALL].reach]
    if silent:
        yield f"nothing to say of what was relevant: {', '.join(silent)}"
    yield from _newcomers(trial.quality)
    yield from (f"tuning {name}: {outcome}" for name, outcome in trial.tuned.items())
    yield from trial.choice.summary().splitlines()
    yield from (f"list step {name}: {told}" for name, told in trial.list_steps.items())
    yield _times(trial.steps)


def _newcomers(quality: Quality) -> Iterator[str]:
    """What becomes of users and of items that the training part does not have."""
    blend = quality.reports[BLEND]
    unseen, users = blend.segments[UNSEEN], blend.segments[ALL].users
    if 0 < unseen.users < users:
        yield f"new users, {unseen.users:,} of {users:,}: blend {_in_short(unseen)}"
    if blend.new_items is not None:
        reach = blend.segments[ALL].reach or 0.0
        yield (
            f"new items: {quality.new_share:.0%} of what was relevant has no event in the training "
            f"part, {reach:.0%} is in reach of the generators; found of new items alone, for "
            f"{blend.new_items.users:,} users: blend {_in_short(blend.new_items)}"
        )


def _in_short(figures: Figures) -> str:
    ndcg, recall = figures.means["ndcg"], figures.means["recall"]
    if ndcg is None or recall is None:
        return "no figures"
    return f"NDCG {ndcg.estimate:.4f} ({_interval(ndcg)}), recall {recall.estimate:.4f}"


def _times(steps: Steps) -> str:
    """Seconds of the steps, all fits of a kind together, and the greatest memory."""
    sums: dict[str, float] = {}
    for name, seconds in steps.seconds.items():
        kind, fit, _ = name.rpartition("fit ")
        key = f"{kind}fits" if fit else name
        sums[key] = sums.get(key, 0.0) + seconds
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in sums.items())
    peak = max(steps.peak_gib.values())
    return f"seconds: {listed}; {sum(sums.values()):.1f} in all; peak memory {peak:.2f} GiB"


def _rows(quality: Quality, group: str) -> Iterator[tuple[str, ...]]:
    """The blend, what list steps make of it, and the generators from the best down.

    A generator that reaches nothing lists items by chance, and has no row.
    """
    found = {name: report.segments[group] for name, report in quality.reports.items()}
    first = [name for name in (BLEND, PUBLISHED) if name in found]
    others = [name for name in found if name not in first and found[name].reach]
    for name in [*first, *sorted(others, key=lambda n: (-_ndcg(found[n]), n))]:
        mark = " *" if name == quality.clear_best.get(group) else ""
        yield (f"{name}{mark}", *_row(found[name]))


def _ndcg(figures: Figures) -> float:
    mean = figures.means["ndcg"]
    return mean.estimate if mean else 0.0


def _row(figures: Figures) -> list[str]:
    ndcg, recall = figures.means["ndcg"], figures.means["recall"]
    over = (figures.coverage, figures.gini, figures.reach)
    return [
        "" if ndcg is None else f"{ndcg.estimate:.4f}",
        "" if ndcg is None else _interval(ndcg),
        "" if recall is None else f"{recall.estimate:.4f}",
        *("" if value is None else f"{value:.3f}" for value in over),
    ]


def _interval(mean: Interval) -> str:
    return f"{mean.low:.4f}-{mean.high:.4f}"
