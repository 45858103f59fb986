"""Members as they were read."""

from typing import Final

import pyarrow as pa

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Figures, Rule
from recsys import columns as c
from recsys.schemas import RAW_USERS

ACTIVE: Final = "active users"


def rules(context: CheckContext) -> list[Rule]:
    """Size, rows refused, double ids, and somebody to make lists for."""
    remedy = "see what [sources.users] maps to active; nobody would get a list"
    return [
        *m.size_rules(context.limits, context.trailing),
        m.rejected_rule(context.limits),
        m.duplicate_rule(context.limits, c.USER_ID),
        Rule(ACTIVE, "warn", (1, None), remedy),
    ]


def figures(rows: pa.Table, context: CheckContext) -> Figures:  # noqa: ARG001
    """The figures that the rules limit."""
    good = m.usable(rows)
    return {
        **m.sizes(rows.num_rows),
        m.REJECTED: m.rejected_share(rows),
        m.DUPLICATES: m.duplicate_share(good, RAW_USERS.key),
        ACTIVE: m.count(good[c.ACTIVE]),
    }


CONTRACT: Final = Contract(RAW_USERS, rules, figures)
