"""The lists before they are published: the `topn` table of the lake."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts import measures as m
from data_contracts.contract import Contract, Terms
from data_contracts.rules import Bounds, Figures, Rule
from recsys import columns as c
from recsys.schemas import TOP_N

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
STRANGERS: Final = "lists of users who are no active members"
FORGOTTEN: Final = "share of active members without a list"
EXCLUDED: Final = "entries that the user has seen or blocked"

_NONE: Final[Bounds] = (None, 0)
_REMEDY: Final = "run rank_lists again; such lists must not be published"


def rules(terms: Terms) -> list[Rule]:
    """Size, unique users, well-formed lists, and items that may be shown."""
    of_lists = (LENGTHS, TOO_LONG, SCORES, UNORDERED, CHANCES)
    names = (*of_lists, REPEATED, UNAVAILABLE, STRANGERS, EXCLUDED)
    few = "see whether items are available, or raise contracts.max_empty_lists"
    bound = (None, terms.limits.max_empty_lists)
    return [
        *m.size_rules(terms.limits, terms.trailing),
        *(Rule(name, "fail", _NONE, _REMEDY) for name in (m.DUPLICATES, *names)),
        Rule(FORGOTTEN, "fail", _NONE, _REMEDY),
        Rule(EMPTY, "fail", bound, few),
    ]


def figures(rows: pa.Table, terms: Terms) -> Figures:
    """The figures that the rules limit."""
    lengths = pc.list_value_length(rows[c.ITEM_IDS]).to_numpy()
    beside = (c.SCORES, c.SOURCES, c.PROPENSITIES)
    others = [pc.list_value_length(rows[name]).to_numpy() for name in beside]
    uneven = np.any([lengths != other for other in others], axis=0)
    return {
        **m.sizes(rows.num_rows),
        m.DUPLICATES: m.duplicate_share(rows, TOP_N.key),
        LENGTHS: m.apart(uneven),
        TOO_LONG: m.apart(lengths > (terms.longest or np.iinfo(np.int64).max)),
        EMPTY: m.share(m.apart(lengths == 0), len(lengths)),
        **_scores(rows),
        **_members(rows, terms),
        **_entries(rows, lengths, terms),
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


def _members(rows: pa.Table, terms: Terms) -> Figures:
    members = terms.known.users
    if members is None:
        return {}
    listed = pc.unique(rows[c.USER_ID])
    found = pc.sum(pc.is_in(listed, value_set=members)).as_py() or 0
    return {
        STRANGERS: float(len(listed) - found),
        FORGOTTEN: m.share(len(members) - found, len(members)),
    }


def _entries(rows: pa.Table, lengths: npt.NDArray[np.int64], terms: Terms) -> Figures:
    """What holds of single entries, each taken as one number: row of its user, row of its item."""
    items = pc.list_flatten(rows[c.ITEM_IDS])
    index = terms.known.items if terms.known.items is not None else pc.unique(items)
    item_rows = pc.fill_null(pc.index_in(items, value_set=index), -1).to_numpy().astype(np.int64)
    lines = np.repeat(np.arange(rows.num_rows), lengths)
    listed = np.sort(_codes(lines, item_rows, len(index)))
    return {
        REPEATED: m.apart((listed[1:] == listed[:-1]) & (listed[1:] % (len(index) + 1) > 0)),
        UNAVAILABLE: _unavailable(item_rows, terms),
        **_excluded(rows, listed, index, terms),
    }


def _unavailable(item_rows: npt.NDArray[np.int64], terms: Terms) -> float:
    available = terms.known.available
    hidden = ~available[item_rows] if available is not None else False
    return m.apart((item_rows < 0) | hidden)


def _excluded(
    rows: pa.Table, listed: npt.NDArray[np.int64], index: pa.Array, terms: Terms
) -> Figures:
    """Entries that stand in the matrix of the same run as touched or blocked.

    listed: (entries,) codes of the lists' rows and the items.
    """
    matrix = terms.known.matrix
    if matrix is None:
        return {}
    places = pc.index_in(rows[c.USER_ID], value_set=matrix[c.USER_ID].combine_chunks())
    lines, items = np.divmod(listed, len(index) + 1)
    users = pc.fill_null(places, -1).to_numpy().astype(np.int64)[lines]
    known = (users >= 0) & (items > 0)
    shown = _ascending(_codes(users, items - 1, len(index))[known])
    barred = [_matrix_codes(matrix, name, len(index)) for name in (c.ITEM_ROWS, c.BLOCKED_ROWS)]
    return {EXCLUDED: float(sum(m.apart(_among(shown, codes)) for codes in barred))}


def _matrix_codes(matrix: pa.Table, name: str, items: int) -> npt.NDArray[np.int64]:
    lengths, rows = m.flat(matrix[name])
    return _codes(np.repeat(np.arange(len(lengths)), lengths), rows.astype(np.int64), items)


def _codes(
    users: npt.NDArray[np.int64], items: npt.NDArray[np.int64], size: int
) -> npt.NDArray[np.int64]:
    """(entries,) one number a pair of rows; a row of -1 stays apart from every other."""
    return users * (size + 1) + items + 1


def _among(codes: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(codes,) whether each of the codes, which ascend, is one of the others."""
    if not len(others):
        return np.zeros(len(codes), np.bool_)
    ordered = _ascending(others)
    places = np.minimum(np.searchsorted(ordered, codes), len(ordered) - 1)
    among: npt.NDArray[np.bool_] = ordered[places] == codes
    return among


def _ascending(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The codes in order; most tables are in it as they are, and looking is ten times cheaper."""
    return codes if np.all(codes[1:] >= codes[:-1]) else np.sort(codes)


CONTRACT: Final = Contract(TOP_N, rules, figures)
