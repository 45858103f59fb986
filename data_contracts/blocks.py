"""Blocks as they were read. One that is lost would show people what they never want to see."""

from typing import Final

import pyarrow as pa

from data_contracts import measures as m
from data_contracts.contract import Contract, Terms
from data_contracts.rules import Figures, Rule
from recsys import columns as c
from recsys.schemas import RAW_BLOCKS


def rules(terms: Terms) -> list[Rule]:
    """Size, rows refused, double rows, ids."""
    return [
        *m.size_rules(terms.limits, terms.trailing),
        m.rejected_rule(terms.limits),
        m.duplicate_rule(terms.limits, f"{c.USER_ID} and {c.ITEM_ID}"),
        m.unknown_rule(c.USER_ID, terms.limits, "warn"),
        m.unknown_rule(c.ITEM_ID, terms.limits, "warn"),
    ]


def figures(rows: pa.Table, terms: Terms) -> Figures:
    """The figures that the rules limit."""
    good, known = m.usable(rows), terms.known
    return {
        **m.sizes(rows.num_rows),
        m.REJECTED: m.rejected_share(rows),
        m.DUPLICATES: m.duplicate_share(good, RAW_BLOCKS.key),
        **m.unknown_shares(good, [(c.USER_ID, known.users), (c.ITEM_ID, known.items)]),
    }


CONTRACT: Final = Contract(RAW_BLOCKS, rules, figures)
