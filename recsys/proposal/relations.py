"""Tables and collections as a proposal sees them: columns, keys and some rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

Family = Literal["integer", "uuid", "text", "number", "flag", "instant", "object", "array", "other"]
ID_FAMILIES: Final = frozenset({"integer", "uuid", "text"})
"""Families that ids may be of."""

Row = Mapping[str, str | None]
"""Values of a row as text, by column."""


@dataclass(frozen=True)
class Relation:
    """A table or a collection."""

    place: str
    kind: Literal["table", "collection"]
    families: Mapping[str, Family]
    """Of each column, in order; a field within a field of a document has a dotted name."""
    keys: tuple[str, ...]
    """Columns of which no two rows have the same value."""
    rows: int
    """How many there are, about."""
    sample: Sequence[Row]

    def of_family(self, *families: Family) -> list[str]:
        """Columns of some families, in order."""
        return [name for name, family in self.families.items() if family in families]

    def values(self, column: str) -> list[str]:
        """The values of a column in the sample, without those that are missing."""
        return [value for row in self.sample if (value := row.get(column)) is not None]

    @cached_property
    def ids(self) -> list[str]:
        """Columns that may refer to something: of an id's family, and no key."""
        return [
            name
            for name, family in self.families.items()
            if family in ID_FAMILIES and name not in self.keys
        ]


@dataclass(frozen=True, order=True)
class Key:
    """A key that columns may refer to."""

    place: str
    column: str


Links = Mapping[tuple[str, str], Mapping[Key, float]]
"""By place and column: the share of the column's values that are values of a key, 1 where it is
declared to refer to it."""
