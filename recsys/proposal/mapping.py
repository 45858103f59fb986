"""The columns of each source, chosen by their types, values and, among equals, names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recsys.proposal import names
from recsys.proposal.relations import Relation, Row
from recsys.proposal.roles import Linked, Roles, Side

_KINDS: Final = 50
"""Types of events at most."""
_LATER: Final = 0.95
"""Share of the rows in which a time of arrival is not before the other."""
_SOME_CHARACTERS: Final = 4


@dataclass(frozen=True)
class SourceProposal:
    """One section of `[sources]`."""

    name: str
    place: str
    kind: str
    columns: Mapping[str, str | Sequence[str]]
    remarks: tuple[str, ...] = ()


def map_sources(roles: Roles) -> tuple[list[SourceProposal], list[str]]:
    """The sources in the order of the configuration, and what of the databases is not used."""
    found: dict[str, SourceProposal] = {}
    unused: list[str] = []
    if roles.users.relation is not None:
        found["users"] = _members(roles.users, roles.users.relation, guessed=roles.guessed_sides)
    if roles.items.relation is not None:
        found["items"] = _catalogue(roles.items, roles.items.relation)
    for linked in roles.linking:
        _add(found, unused, linked, _linking(linked))
    for linked in roles.profiles:
        name = "user_profiles" if linked.user else "item_profiles"
        _add(found, unused, linked, _profile(name, linked.relation, linked.user or linked.item))
    if "item_profiles" not in found and roles.items.relation is not None:
        own = _profile("item_profiles", roles.items.relation, roles.items.key)
        title = found["items"].columns.get("title")
        if own is not None and any(
            own.columns.get(field) not in (None, [title])
            for field in ("text", "tags", "attributes")
        ):
            found["item_profiles"] = own
    order = ("users", "items", "interactions", "events", "blocks", "item_profiles", "user_profiles")
    return [found[name] for name in order if name in found], unused


def _add(
    found: dict[str, SourceProposal],
    unused: list[str],
    linked: Linked,
    proposed: SourceProposal | None,
) -> None:
    place = linked.relation.place
    if proposed is None:
        unused.append(
            f"{place} refers to users and items, but says neither what kind of event a row is nor "
            "that it is a block; map a view of it that has such a column"
            if linked.user and linked.item
            else f"{place} describes users or items, but has no text, tag or attribute"
        )
    elif proposed.name not in found:
        found[proposed.name] = proposed
    elif proposed.name == "interactions" and "events" not in found:
        found["events"] = _renamed(proposed, "events")
    elif proposed.name == "events" and "interactions" not in found:
        found["interactions"] = _renamed(proposed, "interactions")
    else:
        unused.append(f"{place} would be {proposed.name}, of which {found[proposed.name].place} is")


def _renamed(proposed: SourceProposal, name: str) -> SourceProposal:
    return SourceProposal(name, proposed.place, proposed.kind, proposed.columns, proposed.remarks)


# --- users and items ------------------------------------------------------------------------------


def _members(side: Side, relation: Relation, *, guessed: bool) -> SourceProposal:
    remarks = ["users and items were told apart by their numbers alone"] if guessed else []
    columns = {"user_id": side.key}
    _add_flag(columns, "active", relation, remarks)
    _add_created(columns, relation, remarks)
    return SourceProposal("users", relation.place, relation.kind, columns, tuple(remarks))


def _catalogue(side: Side, relation: Relation) -> SourceProposal:
    remarks: list[str] = []
    columns = {"item_id": side.key}
    if title := _title(relation, side.key):
        columns["title"] = title
    _add_flag(columns, "available", relation, remarks)
    _add_created(columns, relation, remarks)
    return SourceProposal("items", relation.place, relation.kind, columns, tuple(remarks))


def _title(relation: Relation, key: str) -> str | None:
    texts = [name for name in relation.of_family("text") if name != key and "." not in name]
    hinted = [name for name in texts if names.hints(name, names.TITLE)]
    if hinted:
        return min(hinted, key=lambda name: (len(name), name))
    return max(texts, key=lambda name: _variety(relation.values(name)), default=None)


def _add_flag(columns: dict[str, str], column: str, relation: Relation, remarks: list[str]) -> None:
    flags = [n for n in relation.of_family("flag") if not names.hints(n, names.UNFLAG)]
    hinted = [name for name in flags if names.hints(name, names.FLAG)]
    if hinted:
        columns[column] = hinted[0]
    elif len(flags) == 1 and _mostly_true(relation.values(flags[0])):
        columns[column] = flags[0]
        remarks.append(f"{flags[0]} is the one flag, and mostly true: is it {column}?")


def _mostly_true(values: Sequence[str]) -> bool:
    true = sum(value.lower() in {"true", "t"} for value in values)
    return bool(values) and true > len(values) / 2


def _add_created(columns: dict[str, str], relation: Relation, remarks: list[str]) -> None:
    times = [n for n in relation.of_family("instant") if not names.hints(n, names.CHANGED)]
    hinted = [name for name in times if names.hints(name, names.CREATED)]
    if hinted:
        columns["created_at"] = hinted[0]
    elif len(times) == 1:
        columns["created_at"] = times[0]
        remarks.append(f"{times[0]} is the one time: is it when the row came to be known?")


# --- events and blocks ----------------------------------------------------------------------------


def _linking(linked: Linked) -> SourceProposal | None:
    """Events, or blocks where nothing says the type of a row and the name says so."""
    relation, used = linked.relation, {linked.user, linked.item}
    columns = {"user_id": linked.user, "item_id": linked.item}
    kind, times = _type(relation, used), _times(relation)
    if kind is not None and times:
        columns |= {"event_type": kind, "occurred_at": times[0]}
        if len(times) > 1:
            columns["arrived_at"] = times[1]
        if value := _value(relation, used | {kind}):
            columns["value"] = value
        name = "interactions" if relation.kind == "table" else "events"
        remarks = () if len(times) > 1 else (_NO_ARRIVAL,)
        return SourceProposal(name, relation.place, relation.kind, columns, remarks)
    if not names.hints(relation.place, names.BLOCKS):
        return None
    if times:
        columns["created_at"] = times[0]
    return SourceProposal("blocks", relation.place, relation.kind, columns)


_NO_ARRIVAL: Final = "no time of arrival was found: rows that come late are missed"


def _type(relation: Relation, used: set[str]) -> str | None:
    """The column that says what happened: few words, each of many rows."""
    found = []
    for name in relation.of_family("text", "integer"):
        values = relation.values(name)
        kinds = len(set(values))
        repeated = kinds <= min(_KINDS, len(values) / 5)
        hinted = names.hints(name, names.TYPE)
        text = relation.families[name] == "text"
        if name not in used and name not in relation.keys and repeated and (text or hinted):
            found.append((not hinted, kinds == 1, name))
    return min(found)[-1] if found else None


def _times(relation: Relation) -> list[str]:
    """When it happened and, where it is told, when it arrived."""
    times = [n for n in relation.of_family("instant") if not names.hints(n, names.CHANGED)]
    arrived = [name for name in times if names.hints(name, names.ARRIVED)]
    others = [name for name in times if name not in arrived]
    if not others:
        return times[:1]
    others.sort(key=lambda name: (not names.hints(name, names.OCCURRED), times.index(name)))
    if arrived:
        return [others[0], arrived[0]]
    for one in others:
        for other in others:
            if one != other and _later(relation.sample, one, other):
                return [one, other]
    return others[:1]


def _later(sample: Sequence[Row], one: str, other: str) -> bool:
    """True if one time is hardly ever after the other, and sometimes before."""
    pairs = [(a, b) for row in sample if (a := row.get(one)) and (b := row.get(other))]
    ordered = sum(a <= b for a, b in pairs)
    return any(a < b for a, b in pairs) and ordered >= _LATER * len(pairs)


def _value(relation: Relation, used: set[str]) -> str | None:
    numbers = [n for n in relation.of_family("number", "integer") if n not in used]
    numbers = [name for name in numbers if name not in relation.keys]
    hinted = [name for name in numbers if names.hints(name, names.VALUE)]
    broken = [name for name in numbers if relation.families[name] == "number"]
    if hinted:
        return hinted[0]
    return broken[0] if len(broken) == 1 else None


# --- profiles -------------------------------------------------------------------------------------


def _profile(name: str, relation: Relation, key: str) -> SourceProposal | None:
    """Words, labels and attributes of a relation; None where it has none."""
    text, tags = [], []
    for column in relation.of_family("text"):
        values = relation.values(column)
        if column in {key, "_id"} or "." in column or not values:
            continue
        if column in relation.keys and not (names.hints(column, names.TITLE) or _prose(values)):
            continue
        if _variety(values) > 0.5 and _mean_length(values) >= _SOME_CHARACTERS:
            text.append(column)
        elif _variety(values) <= 0.5:
            tags.append(column)
    objects = [column for column in relation.of_family("object") if "." not in column]
    tags += [column for column in relation.of_family("array") if "." not in column]
    fields: dict[str, Any] = {"text": text, "tags": tags, "attributes": objects}
    chosen = {field: columns for field, columns in fields.items() if columns}
    if not chosen:
        return None
    role = "user_id" if name == "user_profiles" else "item_id"
    return SourceProposal(name, relation.place, relation.kind, {role: key, **chosen})


def _variety(values: Sequence[str]) -> float:
    """Share of different values."""
    return len(set(values)) / len(values) if values else 0.0


def _prose(values: Sequence[str]) -> bool:
    """True for sentences; what names a thing has no blanks."""
    return sum(" " in value for value in values) > len(values) / 2


def _mean_length(values: Sequence[str]) -> float:
    return sum(map(len, values)) / len(values)
