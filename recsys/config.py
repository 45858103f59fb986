"""The configuration of a run: which sources feed it, what an event is worth, how models are fit.

`recsys.toml` holds it; `docs/configuration.md` explains it. Secrets and machine paths are not here
but in the environment (`jobs.run.settings`).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError
from pydantic import model_validator as validator

from recsys.errors import ConfigError
from recsys.generators.registry import Generators
from recsys.lists.chain import joint_step
from recsys.lists.registry import LIST_STEPS, ListSteps
from recsys.sections.base import Name, Section
from recsys.sections.contracts import Contracts
from recsys.sections.events import Event, Lookback
from recsys.sections.gates import Gates
from recsys.sections.ids import Ids
from recsys.sections.lists import Lists
from recsys.sections.nights import Nights
from recsys.sections.objectives import TAKEN, Objective
from recsys.sections.people import People
from recsys.sections.ranking import Ranking
from recsys.sections.segments import Segments
from recsys.sections.sources import Sources
from recsys.sections.tuning import Tuning

MOVED: Final[Mapping[str, str]] = {
    "gates.max_empty_share": "contracts.max_empty_lists",
    "segments.smoothing": "generators.segment.smoothing",
    "nights.warm_iterations": "generators.als.warm_iterations",
    "lists.explore_slots": "list_steps.explore.slots",
    "lists.explore_from": "list_steps.explore.first_place",
    "lists.explore_max_users": "list_steps.explore.max_users",
    "lists.explore_days": "list_steps.explore.max_age_days",
}
"""Fields of earlier versions, and the ones that took their place."""


class Config(Section):
    """Everything that decides what a run publishes, given its date and its sources."""

    ids: Ids = Ids()
    sources: Sources
    events: Annotated[Mapping[Name, Event], Field(min_length=1)]
    window: Lookback = Lookback()
    generators: Generators = Generators()
    ranking: Ranking = Ranking()
    objectives: Mapping[Name, Objective] = {}
    """What lists are ordered by besides the next like, `[objectives.<name>]` each
    ([ranking](ranking.md#objectives))."""
    lists: Lists = Lists()
    list_steps: ListSteps = ListSteps()
    segments: Segments = Segments()
    people: People = People()
    nights: Nights = Nights()
    tuning: Tuning = Tuning()
    contracts: Contracts = Contracts()
    gates: Gates = Gates()
    sinks: Mapping[Name, Mapping[str, Any]] = {}
    """Places beside Postgres that lists are published to, `[sinks.<name>]` each
    ([operations](operations.md#lists-as-files))."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 20260101
    """Of every random choice."""

    @validator(mode="after")
    def steps_suit_the_lists(self) -> Self:
        names = self.lists.steps
        for name in names:
            if name not in LIST_STEPS:
                known = ", ".join(LIST_STEPS)
                raise ValueError(f"lists.steps: there is no list step {name}, there are {known}")
            try:
                getattr(self.list_steps, name).check_length(self.lists.length)
            except ValueError as error:
                raise ValueError(f"list_steps.{name}: {error}") from None
        if len(set(names)) < len(names):
            raise ValueError("lists.steps: name each list step once")
        return self

    @validator(mode="after")
    def people_are_users_and_items(self) -> Self:
        if self.sources.people is None:
            if self.people != People():
                raise ValueError("[people] is of a market of people: configure sources.people")
            return self
        if self.ids.user != self.ids.item:
            raise ValueError(
                f"ids: people are users and items, so ids.user ({self.ids.user}) and ids.item "
                f"({self.ids.item}) must be one type"
            )
        for name in self.people.passes:
            if name in self.events:
                raise ValueError(
                    f"people.passes: {name} is no evidence of interest, so leave events.{name} out"
                )
        return self

    @validator(mode="after")
    def joint_steps_have_their_market(self) -> Self:
        joint = [name for name in self.lists.steps if LIST_STEPS[name].SCOPE == "joint"]
        for name in joint:
            if not self.of_people:
                raise ValueError(
                    f"lists.steps: {name} is of a market of people: configure sources.people"
                )
            if joint != list(self.lists.steps[:1]):
                raise ValueError(f"lists.steps: {name} makes all lists, so it must stand first")
            if self.nights.full_every != 1:
                raise ValueError(
                    f"nights.full_every: {name} makes the lists of all together, so every night is "
                    "a full one; set 1"
                )
        return self

    @validator(mode="after")
    def objectives_can_be_known(self) -> Self:
        for name, objective in self.objectives.items():
            where = f"objectives.{name}"
            if name in TAKEN:
                raise ValueError(f"{where}: {name} is another figure of lists; name it otherwise")
            for kind in objective.events:
                if kind not in self.event_rules():
                    known = ", ".join(self.event_rules())
                    raise ValueError(
                        f"{where}.events: there is no event type {kind} under [events], there are "
                        f"{known}; one that says nothing good has the weight 0 there"
                    )
            if objective.reply_within_days and not self.of_people:
                raise ValueError(
                    f"{where}.reply_within_days is of a market of people: configure sources.people"
                )
            if objective.wait_days >= self.ranking.holdout_days:
                raise ValueError(
                    f"{where}: what comes within {objective.wait_days} days cannot be learnt from "
                    f"a holdout of {self.ranking.holdout_days}; raise ranking.holdout_days above it"
                )
        return self

    @property
    def of_people(self) -> bool:
        """Whether users and items are the same people."""
        return self.sources.people is not None

    def event_rules(self) -> Mapping[str, Event]:
        """Worth of each type of event that can be used; what ends a pair may weigh nothing."""
        ends = (*self.people.passes, *self.people.matches)
        return {
            **self.events,
            **{name: Event(weight=0.0) for name in ends if name not in self.events},
        }

    def fingerprint(self) -> str:
        """SHA-256 of the configuration in a canonical form, to tell runs apart."""
        return _digest(self.model_dump(mode="json", exclude={"sinks"}))

    def lists_fingerprint(self) -> str:
        """SHA-256 of what decides how models are fitted and lists are made, to tell whether those
        of an earlier night can be kept."""
        return _digest(
            self.model_dump(
                mode="json",
                exclude={
                    "contracts": True,
                    "sinks": True,
                    "tuning": True,
                    "nights": True,
                },
            )
        )

    def measures(self) -> bool:
        """Whether full nights measure on a holdout: there is an order to choose, chances to be
        calibrated, an objective to be learnt, or a gate asks."""
        several, joint = len(self.generators.used()) > 1, joint_step(self.lists.steps) is not None
        return several or joint or bool(self.objectives) or self.gates.min_ndcg is not None

    def source_fingerprint(self, name: str) -> str:
        """SHA-256 of what decides how rows of one source are read."""
        source = self.sources.configured()[name]
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
        raise ConfigError(f"{origin}: {explain(error)}") from None


def explain(error: ValidationError, section: str = "") -> str:
    """The first wrong field, its value, what is expected, and how many more are wrong.

    section: where in the document the validated values stand.
    """
    first, *others = error.errors(include_url=False, include_context=False)
    path = [section] if section else []
    field = ".".join([*path, *map(str, first["loc"])]) or "the document"
    if field in MOVED:
        return f"field {field}: it is {MOVED[field]} now; write it there"
    message = f"field {field}: {first['msg']} (got {_shorten(first['input'])})"
    return message + (f"; and {len(others)} more" if others else "")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
