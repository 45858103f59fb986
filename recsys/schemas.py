"""The tables of the lake: grain, key, columns, units and nullability, stated once.

Arrow and Spark schemas are made from here, and every job checks what it reads and writes against
them. Id columns take the configured id type: int64 for `bigint`, string for `uuid` and `text`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from recsys import columns as c
from recsys.errors import SchemaError
from recsys.sections.ids import Ids, IdType

IdRole = Literal["user", "item"]
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class IdOf:
    """Placeholder for the Arrow type of a user's or an item's id, or of a list of them."""

    role: IdRole
    listed: bool = False

    def arrow(self, ids: Ids) -> pa.DataType:
        scalar = arrow_id_type(ids.user if self.role == "user" else ids.item)
        return pa.list_(scalar) if self.listed else scalar


@dataclass(frozen=True)
class Column:
    """One column: its name, type, what a value means, and whether it may be null."""

    name: str
    type: pa.DataType | IdOf
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the lake: what one row is, which columns identify it, and its columns."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def arrow(self, ids: Ids) -> pa.Schema:
        """The Arrow schema under the configured id types."""
        return pa.schema(pa.field(*_resolved(column, ids)) for column in self.columns)

    def check(self, schema: pa.Schema, ids: Ids) -> None:
        """Raises SchemaError where `schema` lacks a column or has another type for it."""
        for column in self.columns:
            name, wanted, _ = _resolved(column, ids)
            index = schema.get_field_index(name)
            if index < 0:
                raise SchemaError(f"{self.name}: column {name} is missing; rebuild the partition")
            if not _same_type(schema.field(index).type, wanted):
                found = schema.field(index).type
                raise SchemaError(f"{self.name}.{name}: found {found}, expected {wanted}")

    def check_values(self, table: pa.Table, ids: Ids) -> None:
        """Raises SchemaError where the columns differ or one that may not be null holds a null."""
        self.check(table.schema, ids)
        for column in self.columns:
            if not column.nullable and (nulls := table[column.name].null_count):
                raise SchemaError(f"{self.name}.{column.name}: {nulls} nulls where none may be")


def arrow_id_type(id_type: IdType) -> pa.DataType:
    """The lake's type for ids: int64 for bigint; string for text and for (lower-case) uuid."""
    return pa.int64() if id_type == "bigint" else pa.string()


def _resolved(column: Column, ids: Ids) -> tuple[str, pa.DataType, bool]:
    kind = column.type.arrow(ids) if isinstance(column.type, IdOf) else column.type
    return column.name, kind, column.nullable


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return _same_type(found.value_type, wanted.value_type)
    return bool(found.equals(wanted))


_USER_ID = Column(c.USER_ID, IdOf("user"), "the source's own id of the user")
_ITEM_ID = Column(c.ITEM_ID, IdOf("item"), "the source's own id of the item")
_RAW_USER_ID = Column(c.USER_ID, IdOf("user"), "null where the source's value is no id", True)
_RAW_ITEM_ID = Column(c.ITEM_ID, IdOf("item"), "null where the source's value is no id", True)
_REJECTION = (
    Column(c.REJECT_REASON, pa.string(), "why the row cannot be used; null if it can", True),
    Column(c.SOURCE_ROW, pa.string(), "the row as read, as JSON; only of rejected rows", True),
)
_DESCRIPTION = (
    Column(c.TEXT, pa.string(), "the text fields, joined by line breaks"),
    Column(c.TAGS, pa.list_(pa.string()), "the tag lists, joined"),
    Column(c.ATTRIBUTES, pa.list_(pa.string()), "`path=value` of each leaf of the attributes"),
)
_RAW_EVENT_COLUMNS = (
    _RAW_USER_ID,
    _RAW_ITEM_ID,
    Column(c.EVENT_TYPE, pa.string(), "a name that [events] weighs", True),
    Column(c.VALUE, pa.float64(), "rating, quantity, …; null if the source has none", True),
    Column(c.OCCURRED_AT, TIMESTAMP, "when it happened", True),
    Column(c.ARRIVED_AT, TIMESTAMP, "when the source knew of it", True),
    *_REJECTION,
)

RAW_EVENTS: Final = Table("raw/events", "one behavioural event", (), _RAW_EVENT_COLUMNS)
RAW_INTERACTIONS: Final = Table(
    "raw/interactions", "one explicit interaction", (), _RAW_EVENT_COLUMNS
)
RAW_USERS: Final = Table(
    "raw/users",
    "one member",
    (c.USER_ID,),
    (
        _RAW_USER_ID,
        Column(c.ACTIVE, pa.bool_(), "whether lists are made for the member"),
        *_REJECTION,
    ),
)
RAW_ITEMS: Final = Table(
    "raw/items",
    "one item of the catalogue",
    (c.ITEM_ID,),
    (
        _RAW_ITEM_ID,
        Column(c.TITLE, pa.string(), "for people to read", True),
        Column(c.AVAILABLE, pa.bool_(), "whether it may be recommended"),
        *_REJECTION,
    ),
)
RAW_BLOCKS: Final = Table(
    "raw/blocks",
    "one user's wish never to see one item",
    (c.USER_ID, c.ITEM_ID),
    (_RAW_USER_ID, _RAW_ITEM_ID, *_REJECTION),
)
RAW_ITEM_PROFILES: Final = Table(
    "raw/item_profiles",
    "one document that describes an item",
    (c.ITEM_ID,),
    (_RAW_ITEM_ID, *_DESCRIPTION, *_REJECTION),
)
RAW_USER_PROFILES: Final = Table(
    "raw/user_profiles",
    "one document that describes a user",
    (c.USER_ID,),
    (_RAW_USER_ID, *_DESCRIPTION, *_REJECTION),
)
#: The raw table of each configured source, by the source's name.
RAW: Final[Mapping[str, Table]] = {
    table.name.removeprefix("raw/"): table
    for table in (
        RAW_EVENTS,
        RAW_INTERACTIONS,
        RAW_USERS,
        RAW_ITEMS,
        RAW_BLOCKS,
        RAW_ITEM_PROFILES,
        RAW_USER_PROFILES,
    )
}
EVENT_SOURCES: Final = ("interactions", "events")

QUARANTINE: Final = Table(
    "quarantine",
    "one source row that could not be used",
    (),
    (
        Column(c.SOURCE, pa.string(), "the name of its source"),
        _RAW_USER_ID,
        _RAW_ITEM_ID,
        Column(c.REJECT_REASON, pa.string(), "why it could not be used"),
        Column(c.SOURCE_ROW, pa.string(), "the row as read, as JSON", True),
    ),
)
ITEMS: Final = Table(
    "items",
    "one item that is in the catalogue or was interacted with; in order of item_id",
    (c.ITEM_ID,),
    (
        Column(c.ITEM_ROW, pa.int32(), "row number: the item's place in the order of ids"),
        _ITEM_ID,
        Column(c.TITLE, pa.string(), "for people to read", True),
        Column(c.AVAILABLE, pa.bool_(), "in the catalogue and marked as available"),
    ),
)
HISTORIES: Final = Table(
    "histories",
    "one user with an event, a block or a profile; in order of user_id",
    (c.USER_ID,),
    (
        Column(c.USER_ROW, pa.int32(), "row number: the user's place in the order of ids"),
        _USER_ID,
        Column(c.ITEM_ROWS, pa.list_(pa.int32()), "rows of the items touched, ascending"),
        Column(c.WEIGHTS, pa.list_(pa.float32()), "decayed weight of each; 0 = seen, not liked"),
        Column(c.AGES, pa.list_(pa.float32()), "days from the first event with each to the as-of"),
        Column(c.LAST_AGES, pa.list_(pa.float32()), "days from the last event to the as-of"),
        Column(
            c.EARLIER_WEIGHTS,
            pa.list_(pa.float32()),
            "decayed weight of each `ranking.holdout_days` before; null: not touched by then",
        ),
        Column(
            c.EARLIER_LAST_AGES,
            pa.list_(pa.float32()),
            "days from the last event known by then to then; null: not touched by then",
        ),
        Column(c.BLOCKED_ROWS, pa.list_(pa.int32()), "rows of the items blocked, ascending"),
        Column(c.ACTIVE, pa.bool_(), "an active member, for whom a list is made"),
    ),
)
RECENT_EVENTS: Final = Table(
    "recent_events",
    "one usable event of the last days, or of a type that an objective names; there while "
    "objectives are configured",
    (),
    (
        Column(c.USER_ROW, pa.int32(), "row number of the user; ascending"),
        Column(c.ITEM_ROW, pa.int32(), "row number of the item"),
        Column(c.EVENT_TYPE, pa.string(), "a name that [events] weighs"),
        Column(c.LIKED, pa.bool_(), "whether it weighs anything"),
        Column(c.OCCURRED_AT, TIMESTAMP, "when it happened"),
        Column(c.ARRIVED_AT, TIMESTAMP, "when the source knew of it, but not before it happened"),
    ),
)
POOLS: Final = Table(
    "pools",
    "one user's ranked items before the list steps; there while a night with market steps ranks",
    (c.USER_ID,),
    (
        Column(c.USER_ROW, pa.int32(), "row number of the user; ascending within a file"),
        _USER_ID,
        Column(c.ITEM_ROWS, pa.list_(pa.int32()), "rows of the items, best first"),
        Column(c.SCORES, pa.list_(pa.float32()), "blended score of each, in standard deviations"),
        Column(c.SOURCES, pa.list_(pa.int16()), "number of the generator that speaks most for it"),
        Column(c.EXCLUDED_ROWS, pa.list_(pa.int32()), "rows of the items touched or blocked"),
        Column(
            c.OPINIONS,
            pa.binary(),
            "one byte an item and generator; null where no reasons are kept",
            True,
        ),
        Column(
            c.MOMENTS,
            pa.list_(pa.float64()),
            "mean and deviation of the raw scores of each generator; null of completed pools",
            True,
        ),
    ),
)
LISTS: Final = Table(
    "lists",
    "one user's list",
    (c.USER_ID,),
    (
        _USER_ID,
        Column(c.ITEM_IDS, IdOf("item", listed=True), "best first"),
        Column(c.SCORES, pa.list_(pa.float32()), "blended score of each, in standard deviations"),
        Column(c.SOURCES, pa.list_(pa.int16()), "number of the model that speaks most for each"),
        Column(
            c.PROPENSITIES,
            pa.list_(pa.float32()),
            "chance with which the policy placed each there; 1 where it does not draw",
        ),
        Column(
            c.BECAUSE_IDS,
            IdOf("item", listed=True),
            "the user's own items that speak most for some place; null where no reasons are kept",
            True,
        ),
        Column(
            c.REASONS,
            pa.binary(),
            "5 bytes and one for each generator a place, see `recsys.lists.reasons`",
            True,
        ),
    ),
)
FALLBACK: Final = Table(
    "fallback",
    "one list for the users of a segment that have none of their own",
    (c.SEGMENT,),
    (
        Column(c.SEGMENT, pa.string(), "`all` for everybody, `path=value` for a segment"),
        Column(c.ITEM_IDS, IdOf("item", listed=True), "best first"),
        Column(c.SCORES, pa.list_(pa.float32()), "popularity of each"),
    ),
)
