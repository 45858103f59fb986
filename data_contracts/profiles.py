"""Rules of profile documents, of items and of users alike."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Figures, Rule
from recsys import columns as c
from recsys.schemas import Table

BLANK: Final = "share of documents that say nothing"


def profile_contract(table: Table) -> Contract:
    """The contract of a table of documents; its key is the id of what they describe."""
    (id_column,) = table.key

    def rules(context: CheckContext) -> list[Rule]:
        remedy = "see which fields [sources] maps to text, tags and attributes"
        return [
            *m.size_rules(context.limits, context.trailing),
            m.rejected_rule(context.limits),
            m.duplicate_rule(context.limits, id_column),
            m.unknown_rule(id_column, context.limits, "warn"),
            Rule(BLANK, "warn", (None, context.limits.max_blank_profiles), remedy),
        ]

    def figures(rows: pa.Table, context: CheckContext) -> Figures:
        good = m.usable(rows)
        known = context.related.users if id_column == c.USER_ID else context.related.items
        return {
            **m.sizes(rows.num_rows),
            m.REJECTED: m.rejected_share(rows),
            m.DUPLICATES: m.duplicate_share(good, table.key),
            **m.unknown_shares(good, [(id_column, known)]),
            BLANK: m.true_share(_blank(good)),
        }

    return Contract(table, rules, figures)


def _blank(rows: pa.Table) -> pa.ChunkedArray:
    """(rows,) bool, whether a document has neither text nor tags nor attributes."""
    no_text = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(rows[c.TEXT])), 0)
    empty = [pc.equal(pc.list_value_length(rows[name]), 0) for name in (c.TAGS, c.ATTRIBUTES)]
    return pc.and_(no_text, pc.and_(*empty))
