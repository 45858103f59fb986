"""A first configuration: proposed from what the databases hold, written, tried."""

import os
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from jobs import readiness
from jobs.readiness import Problem
from jobs.run.settings import Settings
from jobs.sources.catalog import read_catalog
from recsys.config import Config, parse_config
from recsys.errors import SettingsError
from recsys.proposal.document import as_toml, id_types
from recsys.proposal.mapping import SourceProposal, map_sources
from recsys.proposal.relations import Relation
from recsys.proposal.roles import find_roles
from recsys.proposal.worth import TypeCount, count_types, propose_events


@dataclass(frozen=True)
class Proposal:
    """A configuration that nobody has written down yet."""

    text: str
    config: Config
    remarks: tuple[str, ...]
    """What a person should look at."""


def propose(postgres: SecretStr | None, mongo: SecretStr | None, name: str) -> Proposal:
    """Looks at both servers; raises DataError where nothing refers to users and items.

    name: of the file, for messages.
    """
    catalog = read_catalog(postgres, mongo)
    relations = {relation.place: relation for relation in catalog.relations}
    sources, unused = map_sources(find_roles(catalog.relations, catalog.links))
    counts = _type_counts(sources, relations)
    events, rare = propose_events(counts)
    if rare:
        unused.append(f"types of events that are too rare to be meant: {', '.join(rare)}")
    doubts = [f"{source.name}: {remark}" for source in sources for remark in source.remarks]
    doubts += [
        f"events: how much is one of type {kind} worth?"
        for kind, event in events.items()
        if not event.known
    ]
    text = as_toml(id_types(sources, relations), sources, events, unused)
    config = parse_config(tomllib.loads(text), name)
    return Proposal(text, config, (*doubts, *unused))


def write(path: Path, proposal: Proposal) -> None:
    """Writes the file; raises SettingsError where there is one, which stays as it is."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise exists(path) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None


def exists(path: Path) -> SettingsError:
    """The error for a file that is not written over."""
    return SettingsError(
        f"{path} exists, and stays as it is; move it away, or let RECSYS_CONFIG name another file"
    )


def tried(proposal: Proposal, settings: Settings) -> list[Problem]:
    """The problems of reading a hundred rows of each source as a night does."""
    config = proposal.config
    return [
        *readiness.of_tables(config, settings),
        *readiness.of_collections(config, settings),
    ]


def _type_counts(
    sources: Sequence[SourceProposal], relations: Mapping[str, Relation]
) -> Mapping[str, TypeCount]:
    """Types of events in the rows of all sources that were looked at."""
    pairs: dict[str, list[tuple[str | None, str | None]]] = defaultdict(list)
    for source in sources:
        kind, value = source.columns.get("event_type"), source.columns.get("value")
        if kind is not None:
            pairs[source.place] = [
                (row.get(str(kind)), row.get(str(value))) for row in relations[source.place].sample
            ]
    return count_types(pair for each in pairs.values() for pair in each)
