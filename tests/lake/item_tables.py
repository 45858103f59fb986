"""Tables of items, of any length."""

import pyarrow as pa

from recsys import columns as c
from recsys.schemas import ITEMS
from recsys.sections.ids import Ids


def items(count: int) -> pa.Table:
    rows = [
        {c.ITEM_ROW: n, c.ITEM_ID: n, c.TITLE: f"item {n}", c.AVAILABLE: True} for n in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=ITEMS.arrow(Ids()))
