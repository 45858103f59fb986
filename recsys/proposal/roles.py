"""Which tables and collections hold users, items, events on items, blocks and profiles.

Links between values decide, names only among equals: whoever names columns follows no rule of ours,
but what refers to a user is a user's id everywhere.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from recsys.errors import DataError
from recsys.proposal import names
from recsys.proposal.relations import Key, Links, Relation

_LINKED: Final = 0.5
"""Share of a column's values that a key must have for the one to refer to the other."""
_SAME: Final = 0.9
"""Share of the values of a key that another must have for the two to be the same."""


@dataclass(frozen=True)
class Side:
    """Users or items."""

    relation: Relation | None
    """Where they are listed; None where nothing lists them."""
    key: str = ""


@dataclass(frozen=True)
class Linked:
    """A relation and its columns that refer to users and to items; empty for one that has none."""

    relation: Relation
    user: str
    item: str


@dataclass(frozen=True)
class Roles:
    """The role of each relation that has one."""

    users: Side
    items: Side
    guessed_sides: bool
    """Whether only the numbers of rows told users from items."""
    linking: tuple[Linked, ...]
    """Relations that refer to a user and an item, the largest first."""
    profiles: tuple[Linked, ...]
    """Relations that have one row a user, or one an item."""


def find_roles(relations: Sequence[Relation], links: Links) -> Roles:
    """The roles of relations; raises DataError where nothing refers to users and items."""
    by_place = {relation.place: relation for relation in relations}
    targets = _Targets(by_place, links)
    votes: dict[frozenset[Key], float] = defaultdict(float)
    for relation in relations:
        pair = frozenset(map(targets.listing, targets.best_pair(relation).values()))
        if len(pair) == 2 and relation.of_family("instant"):
            votes[pair] += math.log1p(relation.rows)
    if not votes:
        return _without_users(relations, targets)
    chosen = max(votes, key=lambda keys: (votes[keys], sorted(keys)))
    user, item, guessed = _sides(sorted(chosen), by_place, links)
    linking = _largest_first(_linking(relations, targets, user, item))
    taken = {each.relation.place for each in linking}
    others = [relation for relation in relations if relation.place not in taken]
    return Roles(
        users=Side(by_place[user.place], user.column),
        items=Side(by_place[item.place], item.column),
        guessed_sides=guessed,
        linking=linking,
        profiles=tuple(_profiles(others, targets, user, item)),
    )


@dataclass(frozen=True)
class _Targets:
    """What columns refer to."""

    by_place: dict[str, Relation]
    links: Links

    def worth(self, relation: Relation, column: str, key: Key) -> float:
        """How good a reason there is that a column refers to a key; 0 for none."""
        share = self.links.get((relation.place, column), {}).get(key, 0.0)
        if share < _LINKED or key.place == relation.place:
            return 0.0
        target = self.by_place[key.place]
        hinted = names.hints(key.place, names.USER) or names.hints(key.place, names.ITEM)
        alike = names.alike(column, key.place, key.column)
        tight = 0.1 / (1 + math.log1p(target.rows))
        good = share + alike + 0.3 * hinted + tight
        return max(good - 0.2 * min(self._burden(key), 3), 0.01)

    def listing(self, key: Key) -> Key:
        """Of the keys with the same values, that of the list: the others describe what it lists.

        A list has flags and times, and rather is a table.
        """

        rows = self.by_place[key.place].rows
        same = [
            other
            for other, share in self.links.get((key.place, key.column), {}).items()
            if share >= _SAME
            and rows / 2 <= self.by_place[other.place].rows <= 2 * rows
            and self._burden(other) <= self._burden(key)
        ]

        def likely(one: Key) -> tuple[int, bool, str]:
            relation = self.by_place[one.place]
            told = len(relation.of_family("flag", "instant"))
            return told, relation.kind == "table", one.place

        return max([key, *same], key=likely)

    def _burden(self, key: Key) -> int:
        """How many other things a relation refers to: a list of events has numbers for each, among
        which any small number is found."""
        target = self.by_place[key.place]
        return sum(target.families[name] in {"integer", "uuid"} for name in target.ids)

    def best_pair(self, relation: Relation) -> dict[str, Key]:
        """Two columns that refer to two keys of different relations; none where there are not."""
        found = [
            (self.worth(relation, column, key), column, key)
            for column in relation.ids
            for key in self.links.get((relation.place, column), {})
        ]
        found = sorted((each for each in found if each[0]), key=lambda each: (-each[0], each[1:]))
        pairs = [
            (one[0] + other[0], {one[1]: one[2], other[1]: other[2]})
            for one, other in permutations(found[:20], 2)
            if one[1] < other[1] and one[2].place != other[2].place
        ]
        return max(pairs, key=lambda pair: pair[0])[1] if pairs else {}

    def referring(self, relation: Relation, key: Key) -> str:
        """The column of a relation that refers to a key best; empty for none."""
        columns = [name for name in relation.families if name in {*relation.ids, *relation.keys}]
        worth = {name: self.worth(relation, name, key) for name in columns}
        best = max(worth, key=lambda name: worth[name], default="")
        return best if best and worth[best] else ""


def _sides(
    pair: Sequence[Key], by_place: dict[str, Relation], links: Links
) -> tuple[Key, Key, bool]:
    """Users' key, items' key, and whether nothing but their numbers told which is which."""

    def leaning(key: Key) -> float:
        """Above 0 for users, below for items."""
        relation = by_place[key.place]
        referring = [column for (_, column), keys in links.items() if keys.get(key, 0) >= _LINKED]
        told: float = 3 * _leans(key.place) + 2 * _leans(key.column)
        told += sum(map(_leans, referring)) / max(len(referring), 1)
        for column in relation.families:
            told += names.hints(column, names.OF_USERS) - names.hints(column, names.OF_ITEMS)
        return told

    one, other = pair
    difference = leaning(one) - leaning(other)
    if guessed := difference == 0:
        difference = by_place[one.place].rows - by_place[other.place].rows
    return (one, other, guessed) if difference >= 0 else (other, one, guessed)


def _leans(name: str) -> int:
    return names.hints(name, names.USER) - names.hints(name, names.ITEM)


def _linking(
    relations: Sequence[Relation], targets: _Targets, user: Key, item: Key
) -> Iterator[Linked]:
    for relation in relations:
        of_user, of_item = targets.referring(relation, user), targets.referring(relation, item)
        if of_user and of_item and of_user == of_item:
            # Numbers that both have: the name says which is meant, and the next best is the other.
            pair = {key: column for column, key in targets.best_pair(relation).items()}
            of_user, of_item = pair.get(user, ""), pair.get(item, "")
        if of_user and of_item and relation.place not in {user.place, item.place}:
            yield Linked(relation, of_user, of_item)


def _profiles(
    relations: Sequence[Relation], targets: _Targets, user: Key, item: Key
) -> Iterator[Linked]:
    """Relations besides those that list users and items, with a key that refers to one of them."""
    for relation in relations:
        worth = {
            (key, column): targets.worth(relation, column, key)
            for key in (user, item)
            for column in relation.keys
        }
        best = max(worth, key=lambda each: worth[each], default=None)
        if best is None or not worth[best] or relation.place in {user.place, item.place}:
            continue
        key, column = best
        # A list of ten categories has numbers that ten users have, too.
        described = relation.rows >= _LINKED * targets.by_place[key.place].rows
        if not (described or names.alike(column, key.place, key.column)):
            continue
        yield Linked(relation, column if key == user else "", column if key == item else "")


def _without_users(relations: Sequence[Relation], targets: _Targets) -> Roles:
    """The roles where no relation lists users: they are whoever events on items name."""
    found = [
        (worth, key, Linked(relation, user, column))
        for relation in relations
        if relation.of_family("instant")
        for column in relation.ids
        if (user := _unlisted_user(relation, column))
        for key in targets.links.get((relation.place, column), {})
        if (worth := targets.worth(relation, column, key))
    ]
    if not found:
        seen = ", ".join(relation.place for relation in relations) or "nothing"
        raise DataError(
            "found no table or collection that refers to users and to listed items, with a time; "
            f"looked at {seen}; write recsys.toml by hand, docs/configuration.md says how"
        )
    _, key, _ = max(found, key=lambda each: (each[0], each[1]))
    linking = {each.relation.place: each for _, other, each in found if other == key}
    others = [relation for relation in relations if relation.place not in linking]
    return Roles(
        users=Side(None),
        items=Side(targets.by_place[key.place], key.column),
        guessed_sides=False,
        linking=_largest_first(linking.values()),
        profiles=tuple(
            Linked(each.relation, "", each.user) for each in _profiles(others, targets, key, key)
        ),
    )


def _unlisted_user(relation: Relation, item: str) -> str:
    """The column named after users, else that of the most different values; empty for none."""
    others = [name for name in relation.ids if name != item]

    def likely(name: str) -> tuple[bool, int]:
        return names.hints(name, names.USER), len(set(relation.values(name)))

    return max(others, key=likely, default="")


def _largest_first(linking: Iterable[Linked]) -> tuple[Linked, ...]:
    return tuple(sorted(linking, key=lambda each: (-each.relation.rows, each.relation.place)))
