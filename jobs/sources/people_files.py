"""Reader of user-supplied files on two-sided data: decisions with answers, or messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
import pyarrow as pa

from jobs.sources.column_files import refuse, times
from jobs.sources.pair_files import NAMES, ids_as_text, read_columns
from recsys.arrays import Ints, Mask
from recsys.errors import ImportFileError
from recsys.evaluation.splits import Pairs
from recsys.ids import IdIndex
from recsys.matching.decisions import Decisions

Sides = Literal["one", "two"]
_OUTCOMES: Final = ("yes", "yes_back")
_SAID: Final = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_COLUMNS: Final = {
    **{name: NAMES[name] for name in ("user", "item", "timestamp")},
    **{name: (name,) for name in _OUTCOMES},
}


@dataclass(frozen=True)
class TwoSided:
    """What files of two-sided data hold."""

    users: IdIndex
    """Everybody, or those of the first side."""
    items: IdIndex | None
    """Those of the other side; None where all are one pool of people."""
    known: Decisions | Pairs
    """Decisions, or messages of the one pool."""
    test: Decisions | None
    notes: Sequence[str]
    """How the files were understood."""


def read_two_sided(path: Path, test: Path | None, sides: Sides | None) -> TwoSided:
    """Read decisions (user, item, yes, yes_back) or messages (user, item, timestamp).

    test: decisions to be judged. sides: whether users and items are of one pool; where it lacks,
    the ids tell. Raises ImportFileError with the row for a value that cannot be used.
    """
    table = read_columns(path, _COLUMNS)
    lacking = [name for name in _OUTCOMES if name not in table.column_names]
    if not lacking:
        others = [] if test is None else [(test, read_columns(test, _COLUMNS))]
        return _decisions([_Rows.of(*each) for each in [(path, table), *others]], sides)
    if len(lacking) == 1:
        raise ImportFileError(
            f"{path}: there is no column {lacking[0]}; decisions need yes (1 or 0, what the user "
            "said of the item) and yes_back (what the item said of the user)"
        )
    if "timestamp" not in table.column_names:
        raise ImportFileError(
            f"{path}: has neither the columns yes and yes_back nor timestamp; decisions have user, "
            "item, yes and yes_back (1 or 0), messages user, item and timestamp"
        )
    if test is not None or sides == "two":
        option = "--test" if test is not None else "--sides two"
        raise ImportFileError(
            f"{path}: has no columns yes and yes_back, so it holds messages of one pool of people, "
            f"which are split by time; leave out {option}"
        )
    return _messages(path, table)


def _messages(path: Path, table: pa.Table) -> TwoSided:
    one, other = (ids_as_text(path, role, table[role]) for role in ("user", "item"))
    index = IdIndex.build(pa.chunked_array([*one.chunks, *other.chunks]), "text")
    when = times(path, "timestamp", table["timestamp"]).cast(pa.int64()).to_numpy()
    rows, others = index.places(one), index.places(other)
    own = rows == others
    known = Pairs(rows, others, np.ones(len(rows), np.float32), when).take(~own)
    notes = [f"{path.name}: messages of {len(index):,} people, a row each"]
    if own.any():
        notes.append(f"{path.name}: {own.sum():,} messages to oneself are left out")
    return TwoSided(index, None, known, None, notes)


@dataclass(frozen=True)
class _Rows:
    """Decisions as they stand in a file."""

    path: Path
    users: pa.ChunkedArray
    """(n,) ids as text"""
    items: pa.ChunkedArray
    yes: Mask
    yes_back: Mask

    @classmethod
    def of(cls, path: Path, table: pa.Table) -> Self:
        """Raises ImportFileError for an id or an outcome that is none."""
        users, items = (ids_as_text(path, role, table[role]) for role in ("user", "item"))
        yes, yes_back = (_outcomes(path, table, name) for name in _OUTCOMES)
        return cls(path, users, items, yes, yes_back)

    def pairs(self, users: IdIndex, items: IdIndex) -> Decisions:
        """Row by row."""
        return Decisions(
            users.places(self.users), items.places(self.items), self.yes, self.yes_back
        )

    def merged(self, pairs: Decisions) -> Decisions:
        """Each pair once, in the order of pairs, whatever that of the rows.

        Raises ImportFileError with the row where a pair is there in two ways.
        """
        order, starts = _groups(pairs)
        row = _conflict(pairs)
        if row is not None:
            refuse(
                self.path,
                row,
                f"user {self.users[row]} and item {self.items[row]} are there before with another "
                "outcome; leave one of the rows out, or pass --sides two if an id is one person "
                "as user and another as item",
            )
        return pairs.take(order[starts])


def _decisions(files: Sequence[_Rows], sides: Sides | None) -> TwoSided:
    users, items = (_index([getattr(f, role) for f in files]) for role in ("users", "items"))
    pool = _index([ids for file in files for ids in (file.users, file.items)])
    shared, notes = len(users) + len(items) - len(pool), []
    alone = [file.pairs(pool, pool) for file in files]
    if sides is None:
        two = not shared or any(
            (each.one == each.other).any() or _conflict(each.sorted()) is not None for each in alone
        )
        if shared:
            taken = (
                "two sides with ids of their own, since some rows would contradict others"
                if two
                else "one pool of people"
            )
            other = "one" if two else "two"
            notes.append(
                f"{shared:,} ids are both user and item: taken as {taken} (else --sides {other})"
            )
    else:
        two = sides == "two"
    if two:
        parts = [file.pairs(users, items) for file in files]
        # The rows of the other side follow those of the first.
        parts = [replace(each, other=each.other + len(users)) for each in parts]
    else:
        for file, each in zip(files, alone, strict=True):
            own = np.flatnonzero(each.one == each.other)
            if len(own):
                row = int(own[0])
                refuse(file.path, row, f"{file.users[row]} decides about itself; leave the row out")
        parts = [each.sorted() for each in alone]
    known, *others = [file.merged(each) for file, each in zip(files, parts, strict=True)]
    test = None
    for each in others:
        fresh = ~np.isin(_keys(each), _keys(known))
        test = each.take(fresh)
        if not fresh.all():
            notes.append(f"{(~fresh).sum():,} pairs of --test are in --people and are left out")
        if not fresh.any():
            raise ImportFileError(f"{files[1].path}: has no pair that --people does not have")
    return TwoSided(users if two else pool, items if two else None, known, test, notes)


def _index(columns: Sequence[pa.ChunkedArray]) -> IdIndex:
    return IdIndex.build(pa.chunked_array([c for ids in columns for c in ids.chunks]), "text")


def _keys(pairs: Decisions) -> Ints:
    return pairs.one << 32 | pairs.other


def _groups(pairs: Decisions) -> tuple[Ints, Ints]:
    """(n,) rows ordered by pair, and where each pair begins."""
    keys = _keys(pairs)
    order = np.argsort(keys, kind="stable")
    return order, np.flatnonzero(np.diff(keys[order], prepend=-1))


def _conflict(pairs: Decisions) -> int | None:
    """The first row whose pair is there before with another outcome."""
    order, starts = _groups(pairs)
    said = (2 * pairs.yes + pairs.yes_back)[order]
    first = np.repeat(said[starts], np.diff(starts, append=len(said)))
    wrong = order[said != first]
    return int(wrong.min()) if len(wrong) else None


def _outcomes(path: Path, table: pa.Table, name: str) -> Mask:
    """(n,) whether the outcome is a yes; numbers, texts or truth values."""
    if name not in table.column_names:
        raise ImportFileError(
            f"{path}: there is no column {name}; --test needs it as --people does"
        )
    values = table[name].to_pylist()
    found = [_SAID.get(str(value).lower()) for value in values]
    if None in found:
        row = found.index(None)
        refuse(
            path,
            row,
            f"{name} {values[row]!r} is neither 1, a yes, nor 0, a no; leave out pairs whose "
            f"outcome is not known ({found.count(None)} rows are like this)",
        )
    return np.array(found, bool)
