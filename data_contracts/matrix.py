"""The user-item matrix before models are trained on it: the `histories` table of the lake."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Bounds, Figures, Rule, Severity
from recsys import columns as c
from recsys.schemas import HISTORIES

USER_ROWS: Final = f"rows whose {c.USER_ROW} is not their place in the order of {c.USER_ID}"
_OF_ITEMS: Final = (c.WEIGHTS, c.AGES, c.LAST_AGES, c.EARLIER_WEIGHTS, c.EARLIER_LAST_AGES)
"""Columns with one value for each of the item rows."""
LENGTHS: Final = f"rows with other numbers of {c.ITEM_ROWS}, {', '.join(_OF_ITEMS)}"
OUTSIDE: Final = "entries of items that are not in the index"
UNORDERED: Final = f"entries of {c.ITEM_ROWS} that do not ascend"
WEIGHTS: Final = f"{c.WEIGHTS} that are negative or not finite"
AGES: Final = f"{c.AGES}, {c.LAST_AGES} that are negative or not finite"
LAST: Final = f"{c.LAST_AGES} above {c.AGES}"
LIKED: Final = "entries with a weight above 0"
AT_ONCE: Final = "days since everything happened at once"

_A_DAY: Final = 1.0
_A_FEW: Final = 10
"""Fewer pairs than that may well be of one day."""

_NONE: Final[Bounds] = (None, 0)
_REBUILD: Final = "run build_matrix again; nothing can be trained on this"


def rules(context: CheckContext) -> list[Rule]:
    """Size, unique users, rows and weights that models can be trained on."""
    exact = [
        Rule(name, "fail", _NONE, _REBUILD)
        for name in (m.DUPLICATES, USER_ROWS, LENGTHS, OUTSIDE, UNORDERED, WEIGHTS, AGES, LAST)
    ]
    faded = "see [events]: every event has lost its weight, and lists would be in order of ids"
    return [
        *m.size_rules(context.limits, context.trailing),
        *exact,
        Rule(LIKED, "fail", (1, None), faded),
        _at_once_rule(context),
    ]


def _at_once_rule(context: CheckContext) -> Rule:
    remedy = (
        "see in which unit the source keeps times and which of them [sources] maps, "
        "or raise contracts.max_age_days"
    )
    severity: Severity = "warn" if context.trailing.at_once else "fail"
    return Rule(AT_ONCE, severity, (None, context.limits.max_age_days), remedy)


def figures(rows: pa.Table, context: CheckContext) -> Figures:
    """The figures that the rules limit."""
    lengths, items = m.flat(rows[c.ITEM_ROWS])
    found = [m.flat(rows[name]) for name in _OF_ITEMS]
    uneven = np.stack([counts for counts, _ in found]) != lengths
    weights, ages, last_ages, earlier, earlier_ages = (values for _, values in found)
    then = ~np.isnan(earlier_ages)
    blocked_lengths, blocked = m.flat(rows[c.BLOCKED_ROWS])
    unordered = m.apart(_falling(lengths, items)) + m.apart(_falling(blocked_lengths, blocked))
    return {
        **m.sizes(rows.num_rows),
        m.DUPLICATES: m.duplicate_share(rows, HISTORIES.key),
        USER_ROWS: _misplaced(rows),
        LENGTHS: m.apart(uneven.any(axis=0)),
        OUTSIDE: _outside(items, context) + _outside(blocked, context),
        UNORDERED: unordered,
        WEIGHTS: _unusable(weights) + _unusable(earlier[~np.isnan(earlier)]),
        AGES: sum(map(_unusable, (ages, last_ages, earlier_ages[then]))),
        LAST: m.apart(last_ages > ages) if len(last_ages) == len(ages) else 0.0,
        LIKED: m.apart(weights > 0),
        AT_ONCE: days_since_all(ages),
    }


def days_since_all(ages: npt.NDArray[Any]) -> float:
    """Days since the newest of ten or more pairs that all began within one day; else 0.

    ages: (entries,) days from each pair's first event to the as-of.
    """
    known = ages[np.isfinite(ages)]
    if len(known) < _A_FEW or known.max() - known.min() >= _A_DAY:
        return 0.0
    return float(known.min())


def _unusable(values: npt.NDArray[Any]) -> float:
    numbers = values.astype(np.float32)
    return m.apart(~(np.isfinite(numbers) & (numbers >= 0)))


def _misplaced(rows: pa.Table) -> float:
    ordered = rows.select([c.USER_ROW, c.USER_ID]).sort_by(c.USER_ID)[c.USER_ROW].to_numpy()
    return m.apart(ordered != np.arange(len(ordered)))


def _outside(items: npt.NDArray[Any], context: CheckContext) -> float:
    known = context.related.items
    beyond = items >= len(known) if known is not None else np.zeros(len(items), np.bool_)
    return m.apart((items < 0) | beyond)


def _falling(lengths: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(entries - 1,) True where a value is not above the one before it in the same list."""
    line = np.repeat(np.arange(len(lengths)), lengths)
    falling: npt.NDArray[np.bool_] = (line[1:] == line[:-1]) & (values[1:] <= values[:-1])
    return falling


CONTRACT: Final = Contract(HISTORIES, rules, figures)
