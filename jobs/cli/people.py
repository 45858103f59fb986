"""The part of `recsys evaluate` that is about lists of people for people."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import typer

from jobs.app.decisions import try_decisions
from jobs.app.evaluation import Steps
from jobs.app.messages import try_messages
from jobs.app.people import Direction, People, PeopleTrial
from jobs.cli.output import number, show_table, show_text, words
from jobs.sources.pair_files import read_descriptions
from jobs.sources.people_files import TwoSided, read_two_sided
from recsys.config import Config
from recsys.dataset.segments import segments_of
from recsys.dataset.training import Descriptions
from recsys.errors import SettingsError
from recsys.evaluation.significance import Interval
from recsys.evaluation.splits import Pairs
from recsys.matching.realised import ONE_SIDED, RECIPROCAL, JudgedLists

ANSWER_DAYS: Final = 7.0
_OF_DECISIONS: Final = (3, 5)
"""Lengths of lists that are compared where none is asked for."""
_OF_MESSAGES: Final = (5, 20)
_COLUMNS: Final = (
    words("lists"),
    *map(number, ("matches", "95 % interval", "rate", "95 % interval", "Gini", "none")),
)


class Sides(StrEnum):
    """Whether users and items are the same people."""

    ONE = "one"
    TWO = "two"


class DescriptionFiles(NamedTuple):
    """Files of what is written of users and items."""

    users: Path | None
    items: Path | None


def try_people(  # noqa: PLR0913 - the options of a command
    path: Path,
    test: Path | None,
    described: DescriptionFiles,
    sides: Sides | None,
    answer_days: float,
    lengths: Sequence[int] | None,
    config: Config,
    steps: Steps,
) -> PeopleTrial:
    """Reads the files, says how they were understood, and tries all ways to make lists."""
    data = read_two_sided(path, test, sides.value if sides else None)
    people, notes = _people(data, described, config)
    for note in [*data.notes, *notes]:
        typer.echo(note)
    if isinstance(data.known, Pairs):
        asked = sorted(set(lengths or _OF_MESSAGES))
        return try_messages(data.known, answer_days, people, config, asked, steps)
    asked = sorted(set(lengths or _OF_DECISIONS))
    return try_decisions(data.known, data.test, people, config, asked, steps)


def _people(data: TwoSided, files: DescriptionFiles, config: Config) -> tuple[People, list[str]]:
    """Everybody with what is written of them, and how many files describe."""
    if data.items is None and files.items is not None:
        raise SettingsError(
            "--items: users and items are one pool of people; describe all of them with --users"
        )
    indices = [("user", files.users, data.users), ("item", files.items, data.items)]
    parts = [read_descriptions(f, role, index) for role, f, index in indices if index is not None]
    texts, tags, attributes = (
        [entry for part in parts for entry in getattr(part.entries, name)]
        for name in ("text", "tags", "attributes")
    )
    segments, _ = segments_of(attributes, config.segments.attribute or "")
    first = None if data.items is None else len(data.users)
    people = People(Descriptions(texts, tags, attributes), segments, first)
    return people, [part.note for part in parts if part.note]


def show_people(trial: PeopleTrial) -> None:
    """Prints the figures of every way to make lists, what they mean, and where the time went."""
    for lists in trial.lists:
        see = "both see lists" if lists.found else "the other sees an inbox"
        show_table(_COLUMNS, _rows(lists), f"lists of {lists.length}, {see}")
        typer.echo()
    for line in _texts(trial):
        show_text(line)


def _rows(lists: JudgedLists) -> Iterator[tuple[str, ...]]:
    for name, figures in lists.figures.items():
        means = (figures.gini, figures.none)
        yield (
            name,
            *_with_interval(figures.matches, 3),
            *_with_interval(figures.rate, 4),
            *("" if mean is None else f"{mean.estimate:.3f}" for mean in means),
        )


def _with_interval(mean: Interval | None, digits: int) -> tuple[str, str]:
    if mean is None:
        return "", ""
    low, high = f"{mean.low:.{digits}f}", f"{mean.high:.{digits}f}"
    return f"{mean.estimate:.{digits}f}", f"{low}-{high}"


def _texts(trial: PeopleTrial) -> Iterator[str]:
    """Everything but the tables, a paragraph each."""
    yield (
        f"{trial.people:,} people are judged, {trial.pairs:,} pairs could be listed, "
        f"{trial.candidates:,.0f} a person (median); {trial.matches:,} times both said yes"
    )
    if any(lists.length >= trial.candidates for lists in trial.lists):
        yield (
            "lists are as long as there are people to list, so all ways list the same; a lower --k "
            "tells them apart"
        )
    found = any(lists.found for lists in trial.lists)
    if found:
        yield (
            "matches: people whom a person finds, a mean: each is on the other's list where both "
            "see lists, and both said yes"
        )
    yield (
        "rate: share of a list's places at which both said yes; Gini: of exposure; none: share of "
        "people without a match"
    )
    yield from map(_gain, trial.lists)
    yield from map(_direction, trial.directions)
    yield _times(trial.steps)


def _gain(lists: JudgedLists) -> str:
    """Reciprocal lists against one-sided ones."""
    gain, figures = lists.gains[RECIPROCAL], lists.figures
    see = "both see lists" if lists.found else "with an inbox"
    ratio = ""
    if gain.ratio is not None:
        ratio = f"{gain.ratio.estimate:.2f} times the matches "
        ratio += f"({gain.ratio.low:.2f}-{gain.ratio.high:.2f}), "
    ginis = [
        "" if found is None else f"{found.estimate:.3f}"
        for found in (figures[RECIPROCAL].gini, figures[ONE_SIDED].gini)
    ]
    change = f"{gain.difference.estimate:+.3f} ({gain.difference.low:+.3f} to "
    change += f"{gain.difference.high:+.3f}, p {gain.p_value:.3f}) a person"
    return (
        f"{RECIPROCAL} against {ONE_SIDED}, lists of {lists.length}, {see}: {ratio}{change}; "
        f"Gini {ginis[0]} against {ginis[1]}"
    )


def _direction(found: Direction) -> str:
    kinds = " and ".join(sorted(set(found.calibrations)))
    return (
        f"chances of {found.name} ({kinds}): mean {found.mean:.4f}, came out "
        f"{found.share:.4f}, expected calibration error {found.error:.4f}"
    )


def _times(steps: Steps) -> str:
    """Seconds of the steps, those of all parts together, and the greatest memory."""
    sums: dict[str, float] = {}
    for name, seconds in steps.seconds.items():
        last = name.rpartition(": ")[2].removeprefix("inner ")
        key = "fits" if last.startswith("fit ") else last
        sums[key] = sums.get(key, 0.0) + seconds
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in sums.items())
    peak = float(np.max(list(steps.peak_gib.values())))
    return f"seconds: {listed}; {sum(sums.values()):.1f} in all; peak memory {peak:.2f} GiB"
