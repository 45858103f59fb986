"""The loss that each rule catches in tables of some sizes, worked out from the rules themselves.

`python -m data_contracts.losses` prints the table that `docs/contracts.md` holds.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor
from typing import Final

import pyarrow as pa

from data_contracts import (
    blocks,
    events,
    interactions,
    item_profiles,
    items,
    lists,
    matrix,
    user_profiles,
    users,
)
from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract, RelatedTables
from data_contracts.rules import Rule
from data_contracts.trailing import Trailing
from recsys import columns as c
from recsys.as_of import AsOf

SIZES: Final = (10, 100, 1000)
_CONTRACTS: Final[Sequence[Contract]] = (
    events.CONTRACT,
    interactions.CONTRACT,
    users.CONTRACT,
    items.CONTRACT,
    blocks.CONTRACT,
    item_profiles.CONTRACT,
    user_profiles.CONTRACT,
    matrix.CONTRACT,
    lists.CONTRACT,
)
_FEWER: Final = (m.FEWER_ROWS, events.A_DAY, items.FEWER_AVAILABLE, blocks.LOST)
_MORE: Final = (m.MORE_ROWS, events.A_DAY_MOST)
_DAYS: Final = (events.AGE, matrix.AT_ONCE)
_KINDS: Final = 2
"""Types of events that the table is worked out for."""


def as_markdown() -> str:
    """A Markdown table: of each rule, what it catches after even nights of each size."""
    head = ["table", "rule", "then the run", *(f"of {size:,} rows" for size in SIZES)]
    lines = [head, ["---"] * len(head)]
    told: dict[tuple[str, ...], list[str]] = {}
    for contract in _CONTRACTS:
        for row in _rows(contract):
            told.setdefault(row, []).append(contract.table.name)
    lines += [[", ".join(names), *row] for row, names in told.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _rows(contract: Contract) -> Iterable[tuple[str, ...]]:
    by_size: Mapping[int, Sequence[Rule]] = {size: contract.rules(_even(size)) for size in SIZES}
    for same in zip(*by_size.values(), strict=True):
        caught = (catches(rule, size) for rule, size in zip(same, SIZES, strict=True))
        ends = "stops" if same[0].severity == "fail" else "goes on"
        yield (same[0].name, ends, *caught)


def _even(size: int) -> CheckContext:
    """Circumstances of a table that had so many rows in each of fourteen earlier runs."""
    past = Trailing([float(size)] * 14, {"like": 0.5, "view": 0.5}, available=[float(size)] * 14)
    pairs = pa.table({name: range(size) for name in blocks.CONTRACT.table.key})
    usable = pairs.append_column(c.REJECT_REASON, pa.nulls(size, pa.string()))
    related = RelatedTables(blocks=usable)
    return CheckContext(as_of=AsOf.parse("2026-01-01"), trailing=past, related=related)


def catches(rule: Rule, size: int) -> str:
    """The least that breaks a rule in a table of so many rows, in words."""
    low, high = rule.limit if isinstance(rule.limit, tuple) else (None, None)
    if rule.name == blocks.LOST and high is not None:
        low = size - high
    if rule.name in _FEWER:
        return f"{size - ceil(low) + 1:,} or more lost" if low else "nothing"
    if rule.name in _MORE and high is not None:
        return f"{floor(high) + 1 - size:,} or more too many"
    if rule.name in _DAYS:
        return f"more than {high:g} days"
    if low is not None:
        return "all"
    limit = float(high or 0.0)
    if rule.name == events.MIX:
        limit += events.chance_of_shift(_KINDS, size)
    if "share" not in rule.name and rule.name != events.MIX:
        return "1 or more"
    wrong = floor(limit * size + 1e-9) + 1
    return f"{wrong:,} or more" if wrong <= size else "nothing"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
