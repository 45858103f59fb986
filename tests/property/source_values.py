"""Types and values of generated sources: what each type of Postgres and BSON may hold."""

import math
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from bson import Binary, Code, Decimal128, Int64, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from recsys.nested import MOST_LEVELS
from tests.property.sources_model import REJECTED

# --- Postgres -------------------------------------------------------------------------------------

WORDS: Final = [
    "a",
    "",
    " ",
    " 4.5 ",
    "0000-00-00",
    "ë🎈",
    "True",
    "off",
    "1",
    "0.0",
    "007",
    "-3",
    "+7",
    "9223372036854775807",
    "9223372036854775808",
    "1e5",
    "1e400",
    "NaN",
    "-infinity",
    "1_0",
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    "view",
    "'; DROP TABLE t; --",
    "a\nb\t",
]
INTEGERS: Final = ["0", "1", "-1", "32767", "-32768"]
TIMES: Final = [
    "2026-01-01 12:34:56.123456",
    "1969-12-31 23:59:59.999999",
    "0001-01-01",
    "0001-12-31 BC",
    "9999-12-31 23:59:59.999999",
    "10000-01-01",
    "20260-01-01",
    "infinity",
    "-infinity",
]
NUMBERS: Final = ["0", "1.50", "NaN", "-7", "123456789.125", "1e20", "100"]


def tree(levels: int) -> str:
    """A JSON object of so many levels."""
    return '{"a":' * levels + "1" + "}" * levels


DEEPEST: Final = {
    tree(MOST_LEVELS): (["1"], [f"{'.'.join('a' * MOST_LEVELS)}=1"]),
    tree(MOST_LEVELS + 1): (REJECTED, REJECTED),
}
#: Values with leaves, each with its tags and its attributes.
LEAVES: Final[dict[str, dict[str, tuple[Any, Any]]]] = {
    "text[]": {
        "{a,NULL,b}": (["a", "b"], []),
        "{{x,y},{z,x}}": (["x", "y", "z", "x"], []),
        '{"ë🎈",""}': (["ë🎈", ""], []),
        '{"a\\"b",NULL}': (['a"b'], []),
        "{}": ([], []),
    },
    "integer[]": {"{1,NULL,-2}": (["1", "-2"], [])},
    "numeric[]": {
        "{1.50,NaN,9007199254740993}": (["1.5", "NaN", "9007199254740993"], []),
        "{0.1234567890123456789}": (["0.1234567890123456789"], []),
    },
    "uuid[]": {
        "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}": (["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], [])
    },
    "mood[]": {"{view,NULL,1}": (["view", "1"], [])},
    "jsonb": {
        '{"a": 1}': (["1"], ["a=1"]),
        '{"size": {"w": 3.50}, "c": ["r", null, "b"]}': (
            ["r", "b", "3.5"],
            ["c=r", "c=b", "size.w=3.5"],
        ),
        "[1]": (["1"], ["=1"]),
        "7": (["7"], ["=7"]),
        "null": ([], []),
        '{"n": 12345678901234567890123}': (
            ["12345678901234567890123"],
            ["n=12345678901234567890123"],
        ),
        **DEEPEST,
    },
    "json": {
        '{"b": [true, {"x": null}], "a": "y"}': (["True", "y"], ["b=True", "a=y"]),
        '{"s": "\\ud800x", "t": "\\u0000"}': (["?x", "\ufffd"], ["s=?x", "t=\ufffd"]),
        "[]": ([], []),
        **DEEPEST,
    },
}
LITERALS: Final[dict[str, list[str]]] = {
    "smallint": INTEGERS,
    "integer": [*INTEGERS, "2147483647", "-2147483648"],
    "bigint": [*INTEGERS, "9223372036854775807", "-9223372036854775808", "9007199254740993"],
    "numeric": [*NUMBERS, "Infinity", "0.1", "9007199254740993", "1e400", "1e-400"],
    "numeric(30,4)": NUMBERS,
    "count": ["0", "17"],
    "real": [*NUMBERS, "0.1", "Infinity", "-0", "1e-45"],
    "double precision": [*NUMBERS, "0.1", "-Infinity", "1e308", "5e-324"],
    "text": WORDS,
    "varchar(60)": WORDS,
    "char(60)": WORDS,
    "name": WORDS,
    "sku": WORDS,
    "mood": ["view", "1", "Ärger"],
    "boolean": ["t", "f"],
    "timestamptz": [*TIMES, "2026-01-01 12:00:00+09"],
    "timestamp": TIMES,
    "date": [time.split(" ")[0] for time in TIMES if "BC" not in time] + ["0044-03-15 BC"],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "00000000-0000-0000-0000-000000000000"],
    "bytea": ["\\x00ff"],
    "interval": ["1 day"],
    "money": ["1.00"],
    "inet": ["1.2.3.4"],
    "time": ["12:00"],
    "bit(1)": ["1"],
    "oid": ["5"],
    **{declared: list(values) for declared, values in LEAVES.items()},
}
TEXTS: Final = {"text", "varchar(60)", "char(60)", "name", "sku", "mood"}
WHOLES: Final = {"smallint", "integer", "bigint", "count"}
NUMERIC: Final = {"numeric", "numeric(30,4)"}
TAKEN: Final[dict[str, set[str]]] = {
    "bigint": TEXTS | WHOLES | NUMERIC,
    "uuid": TEXTS | {"uuid"},
    "text": TEXTS | WHOLES | NUMERIC | {"uuid"},
    "name": TEXTS | WHOLES,
    "instant": {"timestamptz", "timestamp", "date"},
    "number": TEXTS | WHOLES | NUMERIC | {"real", "double precision"},
    "flag": TEXTS | WHOLES | NUMERIC | {"real", "double precision", "boolean"},
    "words": TEXTS | WHOLES | NUMERIC | {"uuid"},
    "prose": TEXTS | WHOLES | NUMERIC | {"uuid"},
    "tags": TEXTS | WHOLES | NUMERIC | {"uuid", *LEAVES},
    "tree": {"json", "jsonb"},
}


USUAL_TEXTS: Final[dict[str, set[str]]] = {
    "bigint": {"1", "-1", "007", "9223372036854775807"},
    "uuid": {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"},
    "text": {"a", "ë🎈", "1"},
    "name": {"view", "a", "1"},
    "instant": {"2026-01-01 12:34:56.123456", "2026-01-01", "0001-01-01"},
    "number": {"1.50", "0.1", "1", " 4.5 "},
    "flag": {"t", "True", "1", "0", "off"},
    "words": {"a", "1"},
    "prose": {"a", "1"},
    "tags": {"a", "1", "{a,NULL,b}", "{1,NULL,-2}", "{0.1234567890123456789}", '{"a": 1}', "[]"},
    "tree": {'{"a": 1}', '{"size": {"w": 3.50}, "c": ["r", null, "b"]}', "[]"},
}


# --- MongoDB --------------------------------------------------------------------------------------

MISSING: Final = "a value that is not there"
NESTED: Final = {"a": [1, {"b": None}]}


def nested(levels: int) -> Any:
    """A value below so many levels of objects and lists."""
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


SCALARS: Final[list[Any]] = [
    None,
    MISSING,
    True,
    False,
    0,
    1,
    -(2**31),
    Int64(2**63 - 1),
    Int64(2**53 + 1),
    1.0,
    10.5,
    2.0**53,
    *WORDS,
    datetime(2026, 1, 1, 12, 34, 56, 123000, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    ObjectId("65a000000000000000000000"),
    b"0123456789abcdef",
    b"\xff",
    NESTED,
    [1],
    [["x"], None, [[]], {"shade": "blue"}],
    {"size": {"w": 3}, "c": ["r", None, "b"]},
    {},
]
BEYOND: Final[list[Any]] = [
    math.nan,
    -math.inf,
    1e300,
    -0.0,
    "a\x00b",
    Decimal128("7.00"),
    Decimal128("1E+6000"),
    Decimal128("NaN"),
    Decimal128("9007199254740993"),
    DatetimeMS(10**15),
    DatetimeMS(-(10**15)),
    UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    Binary(b"0123456789abcdef", 3),
    Timestamp(1, 1),
    Regex("a"),
    Code("1"),
    MinKey(),
    nested(MOST_LEVELS),
    nested(MOST_LEVELS + 1),
]
USUAL: Final[dict[str, list[Any]]] = {
    "bigint": [1, Int64(5), "7", 3.0],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
    "text": ["a", 5],
    "name": ["view"],
    "instant": [datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)],
    "number": [1, 4.5, "2"],
    "flag": [True, 1, "no"],
    "words": ["a title"],
    "prose": ["a text", None, ["of", "lines"]],
    "tags": [["a", "b"], "c", []],
    "tree": [{"colour": "red"}, NESTED, None],
}
