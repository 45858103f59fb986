"""The collections of MongoDB, with some documents of each as rows."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from bson import Decimal128, ObjectId
from pydantic import SecretStr
from pymongo import DESCENDING

from jobs.sources.documents import value_at
from jobs.sources.mongo import database
from recsys.proposal.relations import ID_FAMILIES, Family, Relation, Row

ROWS: Final = 1_000
"""Documents of a collection that are looked at, the newest."""
_DEPTH: Final = 3
"""Steps of a path into a document."""
_LEAST: Final = 20
"""Documents with different values that make a key of a field."""
_SHOWN: Final = 200
_FAMILIES: Final[Mapping[type, Family]] = {
    bool: "flag",
    int: "integer",
    float: "number",
    Decimal128: "number",
    str: "text",
    ObjectId: "text",
    UUID: "uuid",
    datetime: "instant",
    list: "array",
    dict: "object",
}

Column = tuple[str, str]


def relations(uri: SecretStr) -> list[Relation]:
    """Every collection that has documents."""
    found = []
    with database(uri) as db:
        for name in sorted(db.list_collection_names()):
            if name.startswith("system."):
                continue
            documents = list(db[name].find({}).sort("_id", DESCENDING).limit(ROWS))
            if documents:
                found.append(_relation(name, db[name].estimated_document_count(), documents))
    return found


def found(
    uri: SecretStr, target: Relation, key: str, wanted: Mapping[Column, Sequence[str]]
) -> dict[Column, int]:
    """How many of some columns' values are values of a key."""
    sought = {form for values in wanted.values() for value in values for form in _forms(value)}
    with database(uri) as db:
        documents = db[target.place].find({key: {"$in": sorted(sought, key=repr)}}, {key: True})
        there = {_text(value_at(document, key)) for document in documents}
    counts = {column: len(there.intersection(values)) for column, values in wanted.items()}
    return {column: count for column, count in counts.items() if count}


def _relation(name: str, rows: int, documents: Sequence[Mapping[str, Any]]) -> Relation:
    flat = [dict(_fields(document)) for document in documents]
    families: dict[str, Family] = {}
    for field in dict.fromkeys(field for each in flat for field in each):
        kinds = Counter(type(each[field]) for each in flat if each.get(field) is not None)
        families[field] = _family([kind for kind, _ in kinds.most_common()])
    sample: list[Row] = [{f: _text(value) for f, value in each.items()} for each in flat]
    keys = [
        field
        for field, family in families.items()
        if family in ID_FAMILIES
        and len(sample) >= _LEAST
        and None not in (values := {row.get(field) for row in sample})
        and len(values) == len(sample)
    ]
    return Relation(name, "collection", families, tuple(keys), rows, sample)


def _family(kinds: Sequence[type]) -> Family:
    """The family of most values; bson has types of its own below Python's."""
    most = kinds[0] if kinds else object
    return next((family for kind, family in _FAMILIES.items() if issubclass(most, kind)), "other")


def _fields(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field with its dotted name, objects themselves and what is in them."""
    for name, value in document.items():
        # A dot in a name cannot be told from a path.
        if not name or "." in name or name.startswith("$"):
            continue
        yield f"{path}{name}", value
        if isinstance(value, dict) and path.count(".") < _DEPTH - 1:
            yield from _fields(value, f"{path}{name}.")


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ")
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)[:_SHOWN]


def _forms(value: str) -> Iterator[Any]:
    """The values of a document that have a text."""
    yield value
    if re.fullmatch(r"[+-]?\d{1,18}", value):
        yield int(value)
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value, re.IGNORECASE):
        yield UUID(value)
    if ObjectId.is_valid(value):
        yield ObjectId(value)
