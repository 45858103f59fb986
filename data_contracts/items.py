"""The catalogue as it was read."""

from typing import Final

import pyarrow as pa

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Figures, Rule
from data_contracts.trailing import Trailing
from recsys import columns as c
from recsys.schemas import RAW_ITEMS

AVAILABLE: Final = "available items"
FEWER_AVAILABLE: Final = "available items, against earlier runs"


def rules(context: CheckContext) -> list[Rule]:
    """Size, rows refused, double ids, and something to recommend."""
    remedy = "see what [sources.items] maps to available; lists would be empty"
    return [
        *m.size_rules(context.limits, context.trailing),
        m.rejected_rule(context.limits),
        m.duplicate_rule(context.limits, c.ITEM_ID),
        Rule(AVAILABLE, "fail", (1, None), remedy),
        *_fewer_available(context),
    ]


def _fewer_available(context: CheckContext) -> list[Rule]:
    usual = Trailing(context.trailing.available, runs_needed=context.trailing.runs_needed)
    least = usual.least_rows(context.limits.min_size)
    remedy = "see what [sources.items] maps to available, or lower contracts.min_size"
    return [] if least is None else [Rule(FEWER_AVAILABLE, "fail", (least, None), remedy)]


def figures(rows: pa.Table, context: CheckContext) -> Figures:  # noqa: ARG001
    """The figures that the rules limit."""
    good = m.usable(rows)
    return {
        **m.sizes(rows.num_rows),
        m.REJECTED: m.rejected_share(rows),
        m.DUPLICATES: m.duplicate_share(good, RAW_ITEMS.key),
        **dict.fromkeys((AVAILABLE, FEWER_AVAILABLE), m.count(good[c.AVAILABLE])),
    }


CONTRACT: Final = Contract(RAW_ITEMS, rules, figures)
