"""A file of pairs holds the matrix as `recsys evaluate` reads it."""

from datetime import UTC, datetime

import pyarrow as pa

from jobs.cli.export import pairs_of
from recsys.as_of import AsOf


def test_each_entry_with_a_weight_is_a_row_at_its_first_event() -> None:
    day = AsOf.parse("2026-01-03")
    chunk = {
        "item_rows": [[0, 2], [], [1]],
        "weights": [[1.5, 0.0], [], [0.25]],
        "ages": [[0.5, 3.0], [], [2.0]],
    }
    first, second = (pa.table({"user_id": ids, **chunk}) for ids in ([7, 8, 9], [17, 18, 19]))
    items = pa.chunked_array([[100, 101], [102]])
    found = pairs_of(pa.concat_tables([first, second]), items, day).to_pydict()
    assert found == {
        "user": [7, 9, 17, 19],
        "item": [100, 101, 100, 101],
        "weight": [1.5, 0.25, 1.5, 0.25],
        "timestamp": [datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)] * 2,
    }
