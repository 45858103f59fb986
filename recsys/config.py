"""The configuration of a run: which sources feed it, what an event is worth, how models are fit.

`recsys.toml` holds it; `docs/configuration.md` explains it. Secrets and machine paths are not here
but in the environment (`jobs.settings`).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError
from pydantic import model_validator as validator

from recsys import window
from recsys.errors import ConfigError
from recsys.models.registry import Generators
from recsys.section import Count, Name, NonNegative, Positive, Section, Share

IdType = Literal["bigint", "uuid", "text"]
LAST_EXPLORE_PLACE: Final = 20
"""New items stand no lower: few people look further down."""


class Ids(Section):
    """The types of user and item ids, in the sources and in the published tables."""

    user: IdType = "bigint"
    item: IdType = "bigint"


class Source(Section):
    """Where one source is read: a Postgres `table` or a MongoDB `collection`."""

    table: Name | None = None
    collection: Name | None = None

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
    item_id: Name
    event_type: Name
    occurred_at: Name
    arrived_at: Name | None = None
    value: Name | None = None


class UserColumns(Section):
    """Source fields of a member. Without `active`, every row is an active member."""

    user_id: Name
    active: Name | None = None
    created_at: Name | None = None


class ItemColumns(Section):
    """Source fields of a catalogue item. Without `available`, every row can be recommended."""

    item_id: Name
    title: Name | None = None
    available: Name | None = None
    created_at: Name | None = None


class BlockColumns(Section):
    """Source fields of a user's wish never to see an item."""

    user_id: Name
    item_id: Name
    created_at: Name | None = None


class ItemProfileColumns(Section):
    """Source fields that describe an item: free text, tag lists, nested attribute objects."""

    item_id: Name
    text: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()
    attributes: tuple[Name, ...] = ()
    created_at: Name | None = None


class UserProfileColumns(Section):
    """Source fields that describe a user: free text, tag lists, nested attribute objects."""

    user_id: Name
    text: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()
    attributes: tuple[Name, ...] = ()
    created_at: Name | None = None


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


class Sources(Section):
    """The seven things a run reads. `items` and one of the two event sources are needed."""

    items: ItemSource
    interactions: EventSource | None = None
    events: EventSource | None = None
    users: UserSource | None = None
    blocks: BlockSource | None = None
    item_profiles: ItemProfileSource | None = None
    user_profiles: UserProfileSource | None = None

    @validator(mode="after")
    def some_events(self) -> Self:
        if self.interactions is None and self.events is None:
            raise ValueError("configure sources.interactions, sources.events, or both")
        return self

    def configured(self) -> Mapping[str, Source]:
        """The sources that are present, by name, in the order they are read."""
        return {n: s for n in Sources.model_fields if (s := getattr(self, n)) is not None}


class Event(Section):
    """What one event of a type is worth as evidence of interest."""

    weight: NonNegative
    half_life_days: Positive | None = None
    """Days after which it counts half; without it the event never fades."""
    use_value: bool = False
    """Multiply the weight by the event's value (a rating, a quantity)."""
    min_value: float | None = None
    """Events of a lower value count as seen, not as liked."""


class Lookback(Section):
    """How far back a run looks."""

    lookback_days: Annotated[int, Field(gt=0)] | None = None
    """Events older than this before the as-of date are ignored; without it none is."""
    settle_hours: Annotated[int, Field(ge=0)] = 24
    """Hours after a day until all its events can be seen; until then each run reads it again."""

    def before(self, as_of: date) -> window.Window:
        """The window of events that a run for a date looks at."""
        end = window.midnight(as_of)
        if self.lookback_days is None:
            return window.Window(window.BEGINNING, end)
        return window.Window(end - timedelta(days=self.lookback_days), end)


class Ranking(Section):
    """How the generators' scores become one order."""

    method: Literal["best", "learned", "sum", "fusion"] = "best"
    """A learned ranker, the weighted sum, rank fusion, or what stands, unless another way, a single
    generator included, is clearly better on the days that are held back."""
    holdout_days: Count = 14
    """Days before the as-of date that are held back to choose the method and to learn from."""
    least_users: Count = 60
    """With fewer users in those days nothing is learnt from them, and what ordered lists stays."""
    most_users: Count = 4000
    """With more of them, so many are drawn."""
    candidates: Count = 200
    """Items that each generator proposes to the second stage."""


class Nights(Section):
    """How much of a night is made anew."""

    full_every: Count = 1
    """Days from one full night to the next. In between the choice and what models know of items are
    kept, and only users who changed are scored. 1: every night is full, and any date can be made
    again by itself."""


class Segments(Section):
    """Lists for groups of users, for members of the group without a list of their own."""

    attribute: Name | None = None
    """Path of the user profile's attribute that names the group; without it there are none."""
    smoothing: NonNegative = 20.0
    """Users' worth of everybody's taste that each group's shares are mixed with."""
    least_users: Annotated[int, Field(gt=0)] = 10
    """A group of fewer users gets no list."""


class Lists(Section):
    """What is published."""

    length: Annotated[int, Field(gt=0, le=10_000)] = 100
    """Items a user."""
    fallback_length: Annotated[int, Field(gt=0, le=10_000)] = 200
    """Items of the popular list that answers for users without a list."""
    keep_runs: Annotated[int, Field(gt=0)] = 7
    """Published runs that stay in Postgres, the live one among them."""
    explore_slots: Annotated[int, Field(ge=0, le=LAST_EXPLORE_PLACE)] = 0
    """Places of each list that go to new items."""
    explore_from: Annotated[int, Field(gt=0, le=LAST_EXPLORE_PLACE)] = 5
    """The first of these places."""
    explore_max_users: Annotated[int, Field(ge=0)] = 3
    """An item that more users have met is not new."""
    explore_days: Positive = 30.0
    """Nor is one whose first event or creation is longer ago, in days."""

    @validator(mode="after")
    def explore_places_fit(self) -> Self:
        last = min(LAST_EXPLORE_PLACE, self.length)
        if self.explore_slots > max(0, last - self.explore_from + 1):
            raise ValueError(f"explore_slots do not fit between explore_from and place {last}")
        return self

    @property
    def explore_places(self) -> tuple[int, ...]:
        """The places that go to new items, from `explore_from` to place 20, evenly spread."""
        reach = min(LAST_EXPLORE_PLACE, self.length) - self.explore_from
        steps = max(self.explore_slots - 1, 1)
        return tuple(self.explore_from + n * reach // steps for n in range(self.explore_slots))


class Gates(Section):
    """What a run's lists must keep to go live; a limit that is left out takes its default.

    A gate against the live run is passed where none is live. None: there is no such gate.
    """

    depth: Annotated[int, Field(gt=0, le=10_000)] = 20
    """Places of a list that are compared."""
    persistence: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """RBO's p: the chance that a reader of one place goes on to the next."""
    min_users_kept: Share | None = 0.8
    """Of the users with a list in the live run, the share that has one in the new run."""
    min_overlap: Share | None = 0.2
    """Mean share of a user's items that the live run has too."""
    min_rbo: Share | None = None
    """Mean rank-biased overlap with the live run."""
    max_churn: Share | None = None
    """Mean share of a user's places that hold another item than in the live run."""
    min_coverage: Share | None = None
    """Share of the available items that are in at least one list."""
    max_gini: Share | None = None
    """Gini coefficient of the items' exposure."""
    max_empty_share: Share | None = None
    """Share of the lists that are empty."""
    max_fallback_share: Share | None = 0.99
    """Share of the active users that have no row and get the popular list."""
    max_score_drift: Positive | None = 3.0
    """Change of the mean best score, in the live run's standard deviations."""
    min_ndcg: Share | None = None
    """NDCG@20 of what orders the lists, on the days that were held back."""

    @classmethod
    def limits(cls) -> tuple[str, ...]:
        """Names of the gates, in order."""
        return tuple(name for name in cls.model_fields if name.startswith(("min_", "max_")))


class Contracts(Section):
    """What the data contracts let pass; shares are of the rows of one table."""

    trailing_runs: Annotated[int, Field(gt=0)] = 14
    """Earlier runs that volume, size and event mix are compared with."""
    needed_runs: Annotated[int, Field(gt=0)] = 5
    """With fewer earlier runs nothing is compared, and old events are only warned of."""
    min_volume: Share = 0.2
    """Events of a day, as a share of the trailing median."""
    max_volume: Annotated[float, Field(ge=1)] = 5.0
    """More events of a day, as a multiple of the trailing median, are warned of."""
    min_size: Share = 0.8
    """Rows of a table that is read or made whole, as a share of the trailing median."""
    max_size: Annotated[float, Field(ge=1)] = 2.0
    """More rows, as a multiple of the trailing median, are warned of."""
    max_lost_blocks: Share = 0.01
    """Blocks of the run before that are gone a day, of users and items that are still there."""
    max_age_days: Positive = 7.0
    """Age of the newest event on the as-of date."""
    max_rejected: Share = 0.1
    """Rows that go to quarantine, for each kind of cause."""
    max_unknown_users: Share = 0.5
    """Events whose user is not among the members."""
    max_unknown_items: Share = 0.5
    """Events whose item is not in the catalogue."""
    max_duplicates: Share = 0.1
    """Rows that repeat another one's key; more are warned of."""
    max_mix_shift: Share = 0.3
    """Events that would have to change their type to get the usual mix; more are warned of."""
    max_odd: Share = 0.01
    """Implausible times and negative values; more are warned of."""
    max_blank_profiles: Share = 0.5
    """Profile documents without text, tags and attributes; more are warned of."""
    max_empty_lists: Share = 0.05
    """Users who have seen, blocked or may not be shown everything."""


class Config(Section):
    """Everything that decides what a run publishes, given its date and its sources."""

    ids: Ids = Ids()
    sources: Sources
    events: Annotated[Mapping[Name, Event], Field(min_length=1)]
    window: Lookback = Lookback()
    generators: Generators = Generators()
    ranking: Ranking = Ranking()
    lists: Lists = Lists()
    segments: Segments = Segments()
    nights: Nights = Nights()
    contracts: Contracts = Contracts()
    gates: Gates = Gates()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 20260101

    def fingerprint(self) -> str:
        """SHA-256 of the configuration in a canonical form, to tell runs apart."""
        return _digest(self.model_dump(mode="json"))

    def lists_fingerprint(self) -> str:
        """SHA-256 of what decides how models are fitted and lists are made, to tell whether those
        of an earlier night can be kept."""
        return _digest(self.model_dump(mode="json", exclude={"contracts", "nights"}))

    def source_fingerprint(self, name: str) -> str:
        """SHA-256 of what decides how rows of one source are read."""
        source = getattr(self.sources, name)
        return _digest([self.ids.model_dump(), source.model_dump(mode="json")])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_config(values: Mapping[str, Any], origin: str) -> Config:
    """Validates a parsed TOML document; `origin` is how messages name it.

    Raises ConfigError naming the first field that is wrong, its value and what is expected.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False, include_context=False)
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    message = f"field {field}: {first['msg']} (got {_shorten(first['input'])})"
    return message + (f"; and {len(others)} more" if others else "")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
