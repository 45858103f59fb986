"""Blocks as they were read. One that is lost would show people what they never want to see."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract, RelatedTables
from data_contracts.rules import Figures, Rule
from data_contracts.trailing import most_lost
from recsys import columns as c
from recsys.schemas import RAW_BLOCKS

LOST: Final = "blocks of the run before that are gone"


def rules(context: CheckContext) -> list[Rule]:
    """Size, blocks that are gone, rows refused, double rows, ids."""
    return [
        *m.size_rules(context.limits, context.trailing),
        *_lost_rule(context),
        m.rejected_rule(context.limits),
        m.duplicate_rule(context.limits, f"{c.USER_ID} and {c.ITEM_ID}"),
        m.unknown_rule(c.USER_ID, context.limits, "warn"),
        m.unknown_rule(c.ITEM_ID, context.limits, "warn"),
    ]


def _lost_rule(context: CheckContext) -> list[Rule]:
    before = _before(context.related)
    if before is None:
        return []
    remedy = (
        "see whether the source lost rows; once it is whole, run the date again, which reads it "
        "again; where people took them back, raise contracts.max_lost_blocks for this run"
    )
    share, days = context.limits.max_lost_blocks, context.related.blocks_days
    most = most_lost(before.num_rows, share, days)
    return [Rule(LOST, "fail", (None, most), remedy)]


def _before(related: RelatedTables) -> pa.Table | None:
    """The distinct blocks of the run before, of users and items that are still there."""
    if related.blocks is None:
        return None
    rows = m.usable(related.blocks)
    for column, there in ((c.USER_ID, related.users), (c.ITEM_ID, related.items)):
        if there is not None and rows[column].type == there.type:
            rows = rows.filter(pc.is_in(rows[column], value_set=there))
    return rows.select(RAW_BLOCKS.key).group_by(RAW_BLOCKS.key).aggregate([])


def _lost(good: pa.Table, related: RelatedTables) -> Figures:
    before = _before(related)
    if before is None:
        return {}
    gone = before.join(good.select(RAW_BLOCKS.key), RAW_BLOCKS.key, join_type="left anti")
    return {LOST: float(gone.num_rows)}


def figures(rows: pa.Table, context: CheckContext) -> Figures:
    """The figures that the rules limit."""
    good, known = m.usable(rows), context.related
    return {
        **m.sizes(rows.num_rows),
        **_lost(good, context.related),
        m.REJECTED: m.rejected_share(rows),
        m.DUPLICATES: m.duplicate_share(good, RAW_BLOCKS.key),
        **m.unknown_shares(good, [(c.USER_ID, known.users), (c.ITEM_ID, known.items)]),
    }


CONTRACT: Final = Contract(RAW_BLOCKS, rules, figures)
