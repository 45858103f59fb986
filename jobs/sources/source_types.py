"""Types of source columns: which are taken for each column of the lake, and how each is read.

The tables of docs/sources.md are made from here, and a test compares them.
"""

from collections.abc import Mapping
from typing import Final, Literal

from recsys import columns as c
from recsys.sections.ids import Ids

Form = Literal["plain", "text", "whole", "instant", "within", "json"]
"""How a read gives a value: as it is; as the server's own text; a number as text without zeros at
its end; an instant from the year 1 to 9999, and any other as text; an instant that the query itself
keeps to those years; as JSON."""
Forms = dict[str, Form]
Kind = Literal[
    "bigint", "uuid", "text", "name", "instant", "number", "flag", "words", "tags", "tree"
]

_INTEGERS: Final[Forms] = {"smallint": "plain", "integer": "plain", "bigint": "plain"}
_INTEGER_TEXTS: Final[Forms] = {"smallint": "text", "integer": "text", "bigint": "text"}
_NUMERIC: Final[Forms] = {"numeric": "whole"}
_TEXTS: Final[Forms] = {
    "text": "plain",
    "character varying": "plain",
    # Blanks at the end are padding, which a cast leaves out.
    "character": "text",
    "name": "text",
    "enum": "text",
}
_WORDS: Final[Forms] = (
    _TEXTS | _INTEGER_TEXTS | {"numeric": "text", "uuid": "text"} | {"citext": "text"}
)
_UUID: Final[Forms] = {"uuid": "text"}
_BOOLEAN: Final[Forms] = {"boolean": "plain"}
_JSON: Final[Forms] = {"json": "json", "jsonb": "json"}

POSTGRES: Final[dict[Kind, Forms]] = {
    "bigint": _INTEGERS | _NUMERIC | _TEXTS,
    "uuid": _UUID | _TEXTS,
    "text": _TEXTS | _INTEGER_TEXTS | _NUMERIC | {"uuid": "text"},
    "name": _TEXTS | _INTEGER_TEXTS | {"citext": "text"},
    "instant": {
        "timestamp with time zone": "instant",
        "timestamp without time zone": "instant",
        "date": "instant",
    },
    "number": _INTEGERS
    | {"real": "plain", "double precision": "plain", "numeric": "text"}
    | _TEXTS
    | {"citext": "text"},
    "flag": _BOOLEAN
    | {"real": "text", "double precision": "text", "numeric": "text"}
    | _INTEGER_TEXTS
    | _TEXTS
    | {"citext": "text"},
    "words": _WORDS,
    "tags": _WORDS | {f"{name}[]": "json" for name in _WORDS} | _JSON,
    "tree": _JSON | {"hstore": "json"},
}
"""The types of Postgres, domains resolved, that a kind of column takes."""

_SCALARS: Final = (
    "string",
    "int",
    "long",
    "double",
    "decimal",
    "bool",
    "date",
    "objectId",
    "binData 4",
)
MONGO: Final[dict[Kind, tuple[str, ...]]] = {
    "bigint": ("int", "long", "double", "decimal", "string"),
    "uuid": ("binData 4", "string"),
    "text": ("string", "int", "long", "double", "decimal", "objectId", "binData 4"),
    "name": ("string", "int", "long", "double", "decimal"),
    "instant": ("date",),
    "number": ("int", "long", "double", "decimal", "string"),
    "flag": ("bool", "int", "long", "double", "decimal", "string"),
    "words": (*_SCALARS, "array", "object"),
    "tags": (*_SCALARS, "array", "object"),
    "tree": ("object", "array"),
}
"""The types of BSON that a kind of column takes. Words and tags are the leaves of arrays and
objects."""

_KINDS: Final[Mapping[str, Kind]] = {
    c.EVENT_TYPE: "name",
    c.OCCURRED_AT: "instant",
    c.ARRIVED_AT: "instant",
    c.CREATED_AT: "instant",
    c.VALUE: "number",
    c.ACTIVE: "flag",
    c.AVAILABLE: "flag",
    c.TITLE: "words",
    c.TEXT: "words",
    c.TAGS: "tags",
    c.ATTRIBUTES: "tree",
}


def kind_of(column: str, ids: Ids) -> Kind:
    """The kind of a column of the lake; that of an id is the configured one."""
    if column == c.USER_ID:
        return ids.user
    return ids.item if column == c.ITEM_ID else _KINDS[column]


def form_of(column: str, postgres_type: str, ids: Ids) -> Form | None:
    """Conversion of a Postgres type for a column of the lake; None where it is not taken."""
    bare = postgres_type.rpartition(".")[2]
    # Extensions may be in any schema.
    known = bare if bare.removesuffix("[]") in ("citext", "hstore") else postgres_type
    return POSTGRES[kind_of(column, ids)].get(known)
