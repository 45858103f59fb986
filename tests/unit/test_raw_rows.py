import json

import pyarrow as pa
import pytest

from recsys import columns as c
from recsys.config import Ids
from recsys.errors import MappingError
from recsys.raw_rows import AsRead, flatten, raw_batch
from recsys.schemas import RAW_EVENTS, RAW_ITEM_PROFILES, RAW_ITEMS, TIMESTAMP

HOURS = [1_700_000_000_000_000, None]


def test_each_row_has_its_first_fault_and_is_kept_whole() -> None:
    read = {
        c.USER_ID: AsRead.native(pa.array(["1", None, "x", "4"])),
        c.ITEM_ID: AsRead.native(pa.array(["1", "2", None, "4"])),
        c.EVENT_TYPE: AsRead.native(pa.array(["view"] * 4)),
        c.OCCURRED_AT: AsRead(pa.array([*HOURS, *HOURS], TIMESTAMP), pa.array([True] * 4)),
    }
    rows = [{"n": n} for n in range(4)]
    batch = raw_batch(RAW_EVENTS, Ids(), read, lambda i: rows[i], 4)
    assert batch[c.REJECT_REASON].to_pylist() == [
        None,
        "user_id is null",
        "user_id is not a bigint",
        "occurred_at is not a date",
    ]
    assert [r and json.loads(r) for r in batch[c.SOURCE_ROW].to_pylist()] == [None, *rows[1:]]
    assert batch[c.USER_ID].to_pylist() == [1, None, None, 4]


def test_what_is_not_mapped_takes_its_neutral_value() -> None:
    ids = {c.ITEM_ID: AsRead.native(pa.array([7]))}
    (item,) = raw_batch(RAW_ITEMS, Ids(), ids, lambda _: {}, 1).to_pylist()
    assert (item[c.AVAILABLE], item[c.TITLE]) == (True, None)
    (profile,) = raw_batch(RAW_ITEM_PROFILES, Ids(), ids, lambda _: {}, 1).to_pylist()
    assert (profile[c.TEXT], profile[c.TAGS], profile[c.ATTRIBUTES]) == ("", [], [])


def test_numbers_in_text_are_read_and_others_refused() -> None:
    values = pa.array(["1.5", "-2e3", "NaN", "many", None])
    events = {c.VALUE: AsRead.native(values)}
    batch = raw_batch(RAW_EVENTS, Ids(), events, lambda _: {}, 5)
    assert batch[c.VALUE].to_pylist()[:2] == [1.5, -2000.0]
    assert batch[c.REJECT_REASON].to_pylist() == [
        None,
        None,
        None,
        "value is not a number",
        None,
    ]


def test_a_flag_that_is_no_flag_is_a_mistake_in_the_mapping() -> None:
    read = {c.AVAILABLE: AsRead.native(pa.array(["perhaps"]))}
    with pytest.raises(MappingError, match="available: the source's string cannot be read as bool"):
        raw_batch(RAW_ITEMS, Ids(), read, lambda _: {}, 1)


def test_nested_attributes_become_paths() -> None:
    nested = {"a": {"b": 1, "c": [True, {"d": "x"}]}, "e": None}
    assert flatten(nested) == ["a.b=1", "a.c=True", "a.c.d=x"]
