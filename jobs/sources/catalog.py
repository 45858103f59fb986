"""The tables and collections of both servers, and which of their columns refer to which."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from jobs.sources import mongo_catalog, postgres_catalog
from recsys.proposal.links import believed
from recsys.proposal.relations import ID_FAMILIES, Family, Key, Links, Relation

VALUES: Final = 50
"""Different values of a column that are looked for among the values of a key."""
_FORMS: Final[Mapping[Family, re.Pattern[str]]] = {
    "integer": re.compile(r"[+-]?\d{1,18}"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE),
    "text": re.compile(r"(?s).+"),
}
"""What a value must look like for a key of a family to have it."""

Column = tuple[str, str]
"""Place and name."""


@dataclass(frozen=True)
class Catalog:
    """What there is to be mapped."""

    relations: tuple[Relation, ...]
    links: Links


def read_catalog(postgres: SecretStr | None, mongo: SecretStr | None) -> Catalog:
    """Reads a thousand rows of each relation, and looks up some of their values elsewhere."""
    tables = postgres_catalog.relations(postgres) if postgres else []
    collections = mongo_catalog.relations(mongo) if mongo else []
    relations = [*tables, *collections]
    values = {
        (relation.place, column): _some(relation.values(column))
        for relation in relations
        for column in (*relation.ids, *relation.keys)
    }
    links: dict[Column, dict[Key, float]] = defaultdict(dict)
    for relation in relations:
        for key in relation.keys:
            wanted = _wanted(values, relation, key)
            if postgres and relation.kind == "table":
                found = postgres_catalog.found(postgres, relation, key, wanted)
            elif mongo and relation.kind == "collection":
                found = mongo_catalog.found(mongo, relation, key, wanted)
            for column, count in found.items():
                links[column][Key(relation.place, key)] = count / len(wanted[column])
    by_place = {relation.place: relation for relation in relations}
    declared = {
        (place, column): Key(*target)
        for (place, column), target in (postgres_catalog.references(postgres) if postgres else ())
        # Others may not be read.
        if {place, target[0]} <= {*by_place}
        and column in by_place[place].families
        and target[1] in by_place[target[0]].keys
    }
    return Catalog(tuple(relations), believed(links, declared, by_place))


def _some(values: Sequence[str]) -> list[str]:
    """Different values, spread over their order."""
    distinct = sorted(set(values))
    return distinct[:: -(-len(distinct) // VALUES)] if distinct else []


def _wanted(
    values: Mapping[Column, Sequence[str]], target: Relation, key: str
) -> dict[Column, Sequence[str]]:
    """Columns of other relations whose values a key could have."""
    family = target.families[key]
    form = _FORMS[family if family in ID_FAMILIES else "text"]
    return {
        column: sought
        for column, sought in values.items()
        if column[0] != target.place and sought and all(map(form.fullmatch, sought))
    }
