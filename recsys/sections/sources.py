"""Sources: the place of each, and the mapping of its fields."""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import model_validator as validator

from recsys.sections.base import Name, Section


class Source(Section):
    """Place of one source: a Postgres `table` or a MongoDB `collection`."""

    table: Name | None = None
    """A Postgres table or view, `schema.name`."""
    collection: Name | None = None
    """A MongoDB collection."""

    @validator(mode="after")
    def one_place(self) -> Self:
        if (self.table is None) == (self.collection is None):
            raise ValueError("name either a Postgres table or a MongoDB collection")
        return self

    @property
    def place(self) -> str:
        """The table or collection as messages name it."""
        return self.table or self.collection or ""

    @property
    def time(self) -> str | None:
        """The source's field that says when it came to know of a row."""
        columns: Any = self.columns  # type: ignore[attr-defined]
        if isinstance(columns, EventColumns):
            return columns.arrived_at or columns.occurred_at
        return columns.created_at  # type: ignore[no-any-return]

    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """Source fields of each lake column, in order; a column that is not mapped is absent."""
        mapped = self.columns.model_dump(  # type: ignore[attr-defined]
            exclude_none=True, exclude={"created_at"}
        )
        pairs = ((k, (v,) if isinstance(v, str) else tuple(v)) for k, v in mapped.items())
        return {column: fields for column, fields in pairs if fields}


class EventColumns(Section):
    """Source fields of an event. Without `arrived_at` it counts as known when it occurred."""

    user_id: Name
    """Id of the user."""
    item_id: Name
    """Id of the item."""
    event_type: Name
    """One of the types under `[events]`; others go to quarantine."""
    occurred_at: Name
    """When it happened."""
    arrived_at: Name | None = None
    """When the source stored it; without it, an event stored after its day was read is missed."""
    value: Name | None = None
    """A rating or a quantity."""


class UserColumns(Section):
    """Source fields of a member. Without `active`, every row is an active member."""

    user_id: Name
    """Id of the user."""
    active: Name | None = None
    """Whether the member is active."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class ItemColumns(Section):
    """Source fields of a catalogue item. Without `available`, every row can be recommended."""

    item_id: Name
    """Id of the item."""
    title: Name | None = None
    """Title, for people to read."""
    available: Name | None = None
    """Whether it can be recommended."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class BlockColumns(Section):
    """Source fields of a user's wish never to see an item."""

    user_id: Name
    """Id of the user."""
    item_id: Name
    """Id of the item."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class ItemProfileColumns(Section):
    """Source fields that describe an item: free text, tag lists, nested attribute objects."""

    item_id: Name
    """Id of the item."""
    text: tuple[Name, ...] = ()
    """Fields of free text."""
    tags: tuple[Name, ...] = ()
    """Fields of lists of labels."""
    attributes: tuple[Name, ...] = ()
    """Fields whose leaves are attributes."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class UserProfileColumns(Section):
    """Source fields that describe a user: free text, tag lists, nested attribute objects."""

    user_id: Name
    """Id of the user."""
    text: tuple[Name, ...] = ()
    """Fields of free text."""
    tags: tuple[Name, ...] = ()
    """Fields of lists of labels."""
    attributes: tuple[Name, ...] = ()
    """Fields whose leaves are attributes."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class PersonColumns(Section):
    """Source fields of a member of a market of people. Without `active`, every row is an active
    member."""

    person_id: Name
    """Id of the person."""
    active: Name | None = None
    """Whether the person is active: gets a list, and may be on others'."""
    title: Name | None = None
    """Name, for people to read."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class PersonProfileColumns(Section):
    """Source fields that describe a person: free text, tag lists, nested attribute objects."""

    person_id: Name
    """Id of the person."""
    text: tuple[Name, ...] = ()
    """Fields of free text."""
    tags: tuple[Name, ...] = ()
    """Fields of lists of labels."""
    attributes: tuple[Name, ...] = ()
    """Fields whose leaves are attributes, wishes among them."""
    created_at: Name | None = None
    """When the source came to know the row, for past dates to be reconstructed."""


class EventSource(Source):
    columns: EventColumns


class UserSource(Source):
    columns: UserColumns


class ItemSource(Source):
    columns: ItemColumns


class BlockSource(Source):
    columns: BlockColumns


class ItemProfileSource(Source):
    columns: ItemProfileColumns


class UserProfileSource(Source):
    columns: UserProfileColumns


class PersonSource(Source):
    columns: PersonColumns

    def standing_for(self) -> Mapping[str, Source]:
        """The members and the catalogue, which are the same people."""
        known = self.columns
        place: Any = self.model_dump(include={"table", "collection"})
        users = UserColumns(
            user_id=known.person_id, active=known.active, created_at=known.created_at
        )
        items = ItemColumns(
            item_id=known.person_id,
            title=known.title,
            available=known.active,
            created_at=known.created_at,
        )
        return {
            "users": UserSource(**place, columns=users),
            "items": ItemSource(**place, columns=items),
        }


class PersonProfileSource(Source):
    columns: PersonProfileColumns

    def standing_for(self) -> Mapping[str, Source]:
        """The profiles of members and of the catalogue, which are the same people."""
        place: Any = self.model_dump(include={"table", "collection"})
        described = self.columns.model_dump(exclude={"person_id"})
        own_id = self.columns.person_id
        users = UserProfileColumns(user_id=own_id, **described)
        items = ItemProfileColumns(item_id=own_id, **described)
        return {
            "user_profiles": UserProfileSource(**place, columns=users),
            "item_profiles": ItemProfileSource(**place, columns=items),
        }


_READ: Final = (
    *("items", "interactions", "events", "users", "blocks", "item_profiles", "user_profiles"),
)
"""Names of what a run reads, in that order."""


class Sources(Section):
    """The seven things a run reads. `items`, or `people` instead of users and items, and one of the
    two event sources are needed."""

    items: ItemSource | None = None
    interactions: EventSource | None = None
    events: EventSource | None = None
    users: UserSource | None = None
    blocks: BlockSource | None = None
    item_profiles: ItemProfileSource | None = None
    user_profiles: UserProfileSource | None = None
    people: PersonSource | None = None
    people_profiles: PersonProfileSource | None = None

    @validator(mode="after")
    def some_events(self) -> Self:
        if self.interactions is None and self.events is None:
            raise ValueError("configure sources.interactions, sources.events, or both")
        return self

    @validator(mode="after")
    def people_or_users_and_items(self) -> Self:
        if self.people is None:
            if self.items is None:
                raise ValueError("configure sources.items, or sources.people")
            if self.people_profiles is not None:
                raise ValueError("sources.people_profiles needs sources.people")
            return self
        for name in ("users", "items", "user_profiles", "item_profiles"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"sources.people stands for users and items, so leave sources.{name} out"
                )
        return self

    def configured(self) -> Mapping[str, Source]:
        """The sources that are present, by name, in the order they are read.

        People are read as users and as items.
        """
        found = {name: getattr(self, name) for name in _READ}
        for source in (self.people, self.people_profiles):
            found |= {} if source is None else source.standing_for()
        return {name: source for name, source in found.items() if source is not None}
