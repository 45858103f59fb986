"""Blocks as they were read. One that is lost would show people what they never want to see."""

from typing import Final

import pyarrow as pa

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Figures, Rule
from recsys import columns as c
from recsys.schemas import RAW_BLOCKS


def rules(context: CheckContext) -> list[Rule]:
    """Size, rows refused, double rows, ids."""
    return [
        *m.size_rules(context.limits, context.trailing),
        m.rejected_rule(context.limits),
        m.duplicate_rule(context.limits, f"{c.USER_ID} and {c.ITEM_ID}"),
        m.unknown_rule(c.USER_ID, context.limits, "warn"),
        m.unknown_rule(c.ITEM_ID, context.limits, "warn"),
    ]


def figures(rows: pa.Table, context: CheckContext) -> Figures:
    """The figures that the rules limit."""
    good, known = m.usable(rows), context.related
    return {
        **m.sizes(rows.num_rows),
        m.REJECTED: m.rejected_share(rows),
        m.DUPLICATES: m.duplicate_share(good, RAW_BLOCKS.key),
        **m.unknown_shares(good, [(c.USER_ID, known.users), (c.ITEM_ID, known.items)]),
    }


CONTRACT: Final = Contract(RAW_BLOCKS, rules, figures)
