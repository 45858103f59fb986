"""The lists before they are published: the `lists` table of the lake."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Bounds, Figures, Rule
from recsys import columns as c
from recsys.people.eligibility import Eligibility
from recsys.schemas import LISTS

LENGTHS: Final = (
    f"lists with other numbers of {c.ITEM_IDS}, {c.SCORES}, {c.SOURCES} and {c.PROPENSITIES}"
)
TOO_LONG: Final = "lists that are too long"
EMPTY: Final = "share of empty lists"
SCORES: Final = f"{c.SCORES} that are not finite"
UNORDERED: Final = f"{c.SCORES} above the one before them"
CHANCES: Final = f"{c.PROPENSITIES} that are not above 0 and at most 1"
REPEATED: Final = "items that a list holds twice"
UNAVAILABLE: Final = "entries of items that are not available"
NON_MEMBERS: Final = "lists of users who are no active members"
UNLISTED: Final = "share of active members without a list"
EXCLUDED: Final = "entries that the user has seen or blocked"

THEMSELVES: Final = "entries that show people to themselves"
EITHER: Final = "entries of two people of whom either has blocked, passed by or matched the other"


def broken_name(wish: str) -> str:
    """The name of the rule about a wish of `[people.wishes]`."""
    return f"entries that break the wish {wish} of either"


_LISTS_AT_ONCE: Final = 16_384
"""Enough for looking up items to pay, and few enough for sorting them to be quick."""
_NONE: Final[Bounds] = (None, 0)
_REMEDY: Final = "run rank_lists again; such lists must not be published"


def rules(context: CheckContext) -> list[Rule]:
    """Size, unique users, well-formed lists, and items that may be shown."""
    of_lists = (LENGTHS, TOO_LONG, SCORES, UNORDERED, CHANCES)
    names = (*of_lists, REPEATED, UNAVAILABLE, NON_MEMBERS, EXCLUDED, *_pair_rules(context))
    few = "see whether items are available, or raise contracts.max_empty_lists"
    bound = (None, context.limits.max_empty_lists)
    return [
        *m.size_rules(context.limits, context.trailing),
        *(Rule(name, "fail", _NONE, _REMEDY) for name in (m.DUPLICATES, *names)),
        Rule(UNLISTED, "fail", _NONE, _REMEDY),
        Rule(EMPTY, "fail", bound, few),
    ]


def _pair_rules(context: CheckContext) -> tuple[str, ...]:
    """Names of the rules about pairs of people."""
    people = context.related.people
    if people is None:
        return ()
    return (THEMSELVES, EITHER, *map(broken_name, people.wishes))


def figures(rows: pa.Table, context: CheckContext) -> Figures:
    """The figures that the rules limit."""
    lengths = pc.list_value_length(rows[c.ITEM_IDS]).to_numpy()
    beside = (c.SCORES, c.SOURCES, c.PROPENSITIES)
    others = [pc.list_value_length(rows[name]).to_numpy() for name in beside]
    uneven = np.any([lengths != other for other in others], axis=0)
    return {
        **m.sizes(rows.num_rows),
        m.DUPLICATES: m.duplicate_share(rows, LISTS.key),
        LENGTHS: m.apart(uneven),
        TOO_LONG: m.apart(lengths > (context.longest or np.iinfo(np.int64).max)),
        EMPTY: m.share(m.apart(lengths == 0), len(lengths)),
        **_scores(rows),
        **_members(rows, context),
        **_entries(rows, context),
        **_pairs(rows, context),
    }


def _scores(rows: pa.Table) -> Figures:
    lengths, scores = m.flat(rows[c.SCORES])
    line = np.repeat(np.arange(len(lengths)), lengths)
    rising = (line[1:] == line[:-1]) & (scores[1:] > scores[:-1])
    _, chances = m.flat(rows[c.PROPENSITIES])
    return {
        CHANCES: m.apart(~((chances > 0.0) & (chances <= 1.0))),
        SCORES: m.apart(~np.isfinite(scores.astype(np.float32))),
        UNORDERED: m.apart(rising),
    }


def _members(rows: pa.Table, context: CheckContext) -> Figures:
    members = context.related.users
    if members is None:
        return {}
    listed = pc.unique(rows[c.USER_ID])
    found = pc.sum(pc.is_in(listed, value_set=members)).as_py() or 0
    return {
        NON_MEMBERS: float(len(listed) - found),
        UNLISTED: m.share(len(members) - found, len(members)),
    }


def _entries(rows: pa.Table, context: CheckContext) -> Figures:
    """Counts of single entries that break a rule, some lists at a time, on all cores."""
    index = context.related.items
    if index is None:
        index = pc.unique(pc.list_flatten(rows[c.ITEM_IDS]))
    listed, barred = rows[c.ITEM_IDS], _barred(rows, context.related.matrix)

    def count(start: int) -> tuple[int, int, int]:
        lists, *others = (each.slice(start, _LISTS_AT_ONCE) for each in (listed, *barred))
        return _counted(lists, others, index, context.related.available)

    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        counted = list(threads.map(count, range(0, rows.num_rows, _LISTS_AT_ONCE)))
    names = (REPEATED, UNAVAILABLE, *([EXCLUDED] if barred else []))
    return {name: float(sum(counts[i] for counts in counted)) for i, name in enumerate(names)}


def _pairs(rows: pa.Table, context: CheckContext) -> Figures:
    """Counts of the pairs of people that break a rule, some lists at a time, on all cores.

    They are compared with what the matrix says of either, whichever way it was read.
    """
    known, names = context.related, _pair_rules(context)
    if known.people is None or known.matrix is None or known.items is None:
        return {}
    people, items = known.people, known.items
    ended = _ended(known.matrix, people)
    users = pc.index_in(rows[c.USER_ID], value_set=known.matrix[c.USER_ID].combine_chunks())
    owners = pc.fill_null(users, -1).combine_chunks().to_numpy()

    def count(start: int) -> list[int]:
        lists = rows[c.ITEM_IDS].slice(start, _LISTS_AT_ONCE)
        lengths = m.lengths(lists)
        own = np.repeat(owners[start : start + _LISTS_AT_ONCE], lengths).astype(np.int64)
        shown = pc.fill_null(pc.index_in(pc.list_flatten(lists), value_set=items), -1).to_numpy()
        there = (own >= 0) & (shown >= 0)
        own, shown = own[there], shown[there].astype(np.int64)
        others = people.persons[shown]
        oneself = own == others
        barred = _among(np.sort(_pair_codes(own, others)), ended)
        broken = people.broken(own, shown)
        return [int(np.count_nonzero(each)) for each in (oneself, barred, *broken.values())]

    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        counted = list(threads.map(count, range(0, rows.num_rows, _LISTS_AT_ONCE)))
    return {name: float(sum(each[i] for each in counted)) for i, name in enumerate(names)}


def _ended(matrix: pa.Table, people: Eligibility) -> npt.NDArray[np.int64]:
    """Ascending codes of the pairs of people, either way, one of whom has the other as blocked."""
    lengths, blocked = m.flat(matrix[c.BLOCKED_ROWS])
    one, other = np.repeat(np.arange(len(lengths)), lengths), people.persons[blocked]
    return np.unique(np.concatenate([_pair_codes(one, other), _pair_codes(other, one)]))


def _pair_codes(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(pairs,) one number for a pair of rows of people."""
    codes: npt.NDArray[np.int64] = one << 32 | other
    return codes


def _barred(rows: pa.Table, matrix: pa.Table | None) -> list[pa.Array]:
    """(lists,) item rows that the matrix of the same run has as touched, and as blocked, by the
    list's user; null where it does not know the user."""
    if matrix is None:
        return []
    places = pc.index_in(rows[c.USER_ID], value_set=matrix[c.USER_ID].combine_chunks())
    names = (c.ITEM_ROWS, c.BLOCKED_ROWS)
    return [matrix[n].combine_chunks().take(places.combine_chunks()) for n in names]


def _counted(
    lists: pa.ChunkedArray,
    barred: Sequence[pa.Array],
    index: pa.Array,
    available: npt.NDArray[np.bool_] | None,
) -> tuple[int, int, int]:
    """Entries that repeat one of the same list, that are not available, that are barred.

    Each entry is taken as one number: place of its list, row of its item.
    """
    rows = pc.fill_null(pc.index_in(pc.list_flatten(lists), value_set=index), -1).to_numpy()
    hidden = rows < 0 if available is None else (rows < 0) | ~available[rows]
    listed = np.sort(_codes(m.lengths(lists), rows, len(index)))
    known = listed % (len(index) + 1) > 0
    repeated = (listed[1:] == listed[:-1]) & known[1:]
    codes = (_codes(*m.flat(each), len(index)) for each in barred)
    found = sum(np.count_nonzero(_among(listed, each)) for each in codes)
    return int(np.count_nonzero(repeated)), int(np.count_nonzero(hidden)), int(found)


def _codes(
    lengths: npt.NDArray[np.int64], items: npt.NDArray[np.integer], size: int
) -> npt.NDArray[np.int64]:
    """(entries,) one number a place of a list and row of an item; -1 stays apart from every row."""
    return np.repeat(np.arange(len(lengths)) * (size + 1), lengths) + (items + 1)


def _among(codes: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(codes,) True where a code is one of the others. codes: ascending."""
    if not len(others):
        return np.zeros(len(codes), np.bool_)
    # Most tables are in order as they are, and looking is ten times cheaper than sorting.
    ordered = others if np.all(others[1:] >= others[:-1]) else np.sort(others)
    places = np.minimum(np.searchsorted(ordered, codes), len(ordered) - 1)
    among: npt.NDArray[np.bool_] = ordered[places] == codes
    return among


CONTRACT: Final = Contract(LISTS, rules, figures)
