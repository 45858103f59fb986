"""The proposed `recsys.toml`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from recsys.proposal.mapping import SourceProposal
from recsys.proposal.relations import Relation
from recsys.proposal.worth import EventProposal
from recsys.sections.ids import Ids, IdType

_UUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}")


def id_types(sources: Sequence[SourceProposal], relations: Mapping[str, Relation]) -> Ids:
    """The type that all values of users' ids can be read as, and that of items' ids."""
    return Ids(
        user=_id_type("user_id", sources, relations), item=_id_type("item_id", sources, relations)
    )


def _id_type(
    column: str, sources: Sequence[SourceProposal], relations: Mapping[str, Relation]
) -> IdType:
    columns = [
        (relations[source.place], str(source.columns[column]))
        for source in sources
        if column in source.columns
    ]
    families = {relation.families[name] for relation, name in columns}
    values = [value for relation, name in columns for value in relation.values(name)]
    if "uuid" in families or (values and all(map(_UUID.fullmatch, values))):
        return "uuid"
    if families == {"integer"} or (values and all(map(_INTEGER.fullmatch, values))):
        return "bigint"
    return "text"


def as_toml(
    ids: Ids,
    sources: Sequence[SourceProposal],
    events: Mapping[str, EventProposal],
    remarks: Sequence[str],
) -> str:
    """The text of the file; remarks: on what is not used."""
    return "\n".join(_lines(ids, sources, events, remarks)) + "\n"


def _lines(
    ids: Ids,
    sources: Sequence[SourceProposal],
    events: Mapping[str, EventProposal],
    remarks: Sequence[str],
) -> Iterator[str]:
    yield "# Proposed by `recsys init` from what the databases hold: see whether it is meant so."
    yield "# docs/configuration.md explains every field; a field left out takes its default."
    yield from ("", "[ids]                      # bigint, uuid or text")
    yield f"user = {json.dumps(ids.user)}"
    yield f"item = {json.dumps(ids.item)}"
    yield from ("", "# `columns` maps ours = theirs.")
    for source in sources:
        yield from ("", *_comments(source.remarks), f"[sources.{source.name}]")
        yield f"{source.kind} = {_value(source.place)}"
        pairs = ", ".join(f"{ours} = {_value(theirs)}" for ours, theirs in source.columns.items())
        yield f"columns = {{ {pairs} }}"
    yield from ("", "# What one event of a type is worth, and after how many days it counts half.")
    yield from ("", "[events]")
    for kind, event in events.items():
        pairs = ", ".join(f"{name} = {_value(value)}" for name, value in event.fields.items())
        doubt = "" if event.known else "  # the name does not say what it is worth"
        yield f"{_key(kind)} = {{ {pairs} }}{doubt}"
    if remarks:
        yield from ("", *_comments(remarks))


def _comments(remarks: Sequence[str]) -> Iterator[str]:
    # A line break would end the comment, and TOML takes no other control characters.
    yield from (f"# {re.sub(_CONTROL, ' ', remark)}" for remark in remarks)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _value(text)


def _value(value: Any) -> str:
    """JSON's form, which is TOML's for these; TOML takes no DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
