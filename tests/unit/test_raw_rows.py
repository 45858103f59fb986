import json
import math
from typing import Any

import pyarrow as pa
import pytest

from recsys import columns as c
from recsys.events.raw_rows import AsRead, as_json, raw_batch
from recsys.nested import TooDeepError, flatten, parsed
from recsys.schemas import RAW_EVENTS, RAW_ITEM_PROFILES, RAW_ITEMS, TIMESTAMP
from recsys.sections.ids import Ids

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
    texts = [
        "1.5",
        "-2e3",
        " 4.5 ",
        "+7",
        "2.5e-3",
        "1e400",
        "NaN",
        "many",
        "0x10",
        "1_000",
        "",
        None,
    ]
    events = {c.VALUE: AsRead.native(pa.array(texts))}
    batch = raw_batch(RAW_EVENTS, Ids(), events, lambda _: {}, len(texts))
    assert batch[c.VALUE].to_pylist()[:6] == [1.5, -2000.0, 4.5, 7.0, 0.0025, math.inf]
    wrong = "value is not a number"
    assert batch[c.REJECT_REASON].to_pylist() == [None] * 7 + [wrong] * 4 + [None]


def test_whole_numbers_beyond_a_float_become_the_nearest_one() -> None:
    values = AsRead.native(pa.array([2**53 + 1, -(2**63)]))
    batch = raw_batch(RAW_EVENTS, Ids(), {c.VALUE: values}, lambda _: {}, 2)
    assert batch[c.VALUE].to_pylist() == [float(2**53 + 1), -(2.0**63)]


def test_one_odd_flag_is_one_rejected_row() -> None:
    said = [
        "t",
        "TRUE ",
        "yes",
        "1",
        "1.0",
        "on",
        "f",
        "no",
        "0",
        "0.0",
        None,
        "perhaps",
        "2",
        "nan",
    ]
    read = {c.AVAILABLE: AsRead.native(pa.array(said))}
    batch = raw_batch(RAW_ITEMS, Ids(), read, lambda i: {"flag": said[i]}, len(said))
    assert batch[c.AVAILABLE].to_pylist() == [True] * 6 + [False] * 4 + [True] + [False] * 3
    wrong = "available is not a flag"
    assert batch[c.REJECT_REASON].to_pylist() == [None] * 11 + [wrong] * 3
    assert batch[c.SOURCE_ROW][11].as_py() == '{"flag": "perhaps"}'


def test_a_row_that_json_cannot_hold_is_shown_all_the_same() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, 10**5000, {1: math.inf}, "\ud800", [math.nan]):
        shown = as_json({"id": "x", "odd": {"value": value}})
        assert shown.startswith('{"id": "x", ')
        json.loads(shown)


def test_nested_attributes_become_paths() -> None:
    nested = {"a": {"b": 1, "c": [True, {"d": "x"}]}, "e": None}
    assert flatten(nested) == ["a.b=1", "a.c=True", "a.c.d=x"]


def test_json_of_any_size_and_depth_is_read_or_refused() -> None:
    digits = "9" * 5000
    assert flatten(parsed(f'{{"a": {digits}, "b": 1.50, "c": 1e400}}')) == [
        f"a={digits}",
        "b=1.5",
        "c=1e400",
    ]
    assert flatten(parsed("[" * 150 + "1" + "]" * 150)) == ["=1"]
    for levels in (500, 100_000):
        with pytest.raises(TooDeepError):
            flatten(parsed("[" * levels + "]" * levels))
    assert flatten(parsed('{"a\\u0000": "\\ud800"}')) == ["a\ufffd=?"]
