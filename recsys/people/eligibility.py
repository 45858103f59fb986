"""Who may be shown to whom in a market of people, as far as profiles say.

What happened between two people, such as a block or a pass, is with the histories.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from scipy import sparse

from recsys.arrays import Ints, ItemRows, Mask, UserRows
from recsys.ids import IdIndex
from recsys.people.wishes import Accepts, Attributes, Near, OneOf, Within
from recsys.sections.people import Wish


@dataclass(frozen=True)
class Eligibility:
    """The pairs of people whose wishes both ways let them be shown to each other.

    A person is a row of the user index; one more stands for all of whom nothing is known.
    """

    persons: UserRows
    """(items,) the person that each item is; the last one where it has no row among the users."""
    items: ItemRows
    """(people,) the item that each person is; -1 of one who is none."""
    kinds: Ints
    """(people,) number of what the person has and wants by all wishes of values: people of one kind
    are alike to them."""
    values: Mapping[str, OneOf]
    """Wishes of values, between kinds."""
    numbers: Mapping[str, Accepts]
    """The others, between people."""
    callers: UserRows | None = None
    """(users,) the person that each row of a user is, where users take other rows; see
    `of_users`."""

    @classmethod
    def of(
        cls,
        wishes: Mapping[str, Wish],
        attributes: Attributes,
        users: pa.ChunkedArray,
        items: pa.ChunkedArray,
    ) -> Self:
        """Compile wishes once for a night.

        attributes: of each user, `path=value` of every leaf. users, items: ids in order of rows.
        """
        known = [*attributes, ()]
        index = IdIndex(users.combine_chunks())
        persons = index.places(items)
        own = np.full(len(known), -1, np.int64)
        own[persons[persons >= 0]] = np.flatnonzero(persons >= 0)
        of_values = {
            name: OneOf.of(wish, known)
            for name, wish in wishes.items()
            if wish.wanted or wish.shared
        }
        firsts, kinds = _kinds(list(of_values.values()), len(known))
        return cls(
            persons=np.where(persons >= 0, persons, len(known) - 1),
            items=own,
            kinds=kinds,
            values={
                name: OneOf(each.wanted[firsts], each.had[firsts])
                for name, each in of_values.items()
            },
            numbers={
                name: Near.of(wish, known) if wish.within_km else Within.of(wish, known)
                for name, wish in wishes.items()
                if name not in of_values
            },
        )

    def of_users(self, users: UserRows) -> Self:
        """For some users alone, who take the rows from 0 on: (u,) rows."""
        return replace(self, callers=users)

    def permitted(self, users: UserRows, items: ItemRows) -> Mask:
        """(b, a) whether each item may be shown to each user: not oneself, and both accept each
        other. users: (b,). items: (a,)."""
        people = users if self.callers is None else self.callers[users]
        rows, places = np.unique(self.kinds[people], return_inverse=True)
        table, everyone = (
            np.ones((len(rows), self._all_kinds), np.bool_),
            np.arange(self._all_kinds),
        )
        for each in self.values.values():
            table &= each.accepts_all(rows, everyone) & each.accepts_all(everyone, rows).T
        others = self.persons[items]
        kinds, found = self.kinds[others], np.empty((len(users), len(items)), np.bool_)
        # A line of all items at a time stays in the cache, and most pairs are out by their kinds.
        for line, (person, place) in enumerate(zip(people.tolist(), places.tolist(), strict=True)):
            found[line] = table[place, kinds] & (others != person)
            for wish in self.numbers.values():
                left = np.flatnonzero(found[line])
                one, other = np.array([person]), others[left]
                found[line, left] = wish.accepts(one, other) & wish.accepts(other, one)
        return found

    def permitted_pairs(self, users: UserRows, items: ItemRows) -> Mask:
        """(p,) `permitted` of single pairs. users, items: (p,)."""
        people = users if self.callers is None else self.callers[users]
        found = people != self.persons[items]
        for broken in self.broken(people, items).values():
            found &= ~broken
        return np.asarray(found)

    def broken(self, users: UserRows, items: ItemRows) -> dict[str, Mask]:
        """(p,) by the name of each wish whether either of a pair does not accept the other.

        users, items: (p,).
        """
        others = self.persons[items]
        back = self.unmet(others, users)
        return {name: lines | back[name] for name, lines in self.unmet(users, others).items()}

    def unmet(self, one: UserRows, other: UserRows) -> dict[str, Mask]:
        """(p,) by the name of each wish whether the one's is not met by the other.

        one, other: (p,) people.
        """
        pairs, places = self._pairs_of_kinds(one, other)
        found = {name: ~wish.accepts(*pairs)[places] for name, wish in self.values.items()}
        return found | {name: ~wish.accepts(one, other) for name, wish in self.numbers.items()}

    @property
    def wishes(self) -> tuple[str, ...]:
        """Names of the wishes, in the order of `broken`."""
        return (*self.values, *self.numbers)

    @cached_property
    def _all_kinds(self) -> int:
        return int(self.kinds.max(initial=-1)) + 1

    def _pairs_of_kinds(self, one: UserRows, other: UserRows) -> tuple[tuple[Ints, Ints], Ints]:
        """The distinct pairs of kinds, and (p,) which of them each pair is."""
        codes = self.kinds[one] * self._all_kinds + self.kinds[other]
        distinct, places = np.unique(codes, return_inverse=True)
        return (distinct // self._all_kinds, distinct % self._all_kinds), places


def _kinds(wishes: Sequence[OneOf], people: int) -> tuple[Ints, Ints]:
    """The first person of each kind, and (people,) the kind of each."""
    if not wishes:
        return np.empty(0, np.int64), np.zeros(people, np.int64)
    cells = sparse.hstack([part for each in wishes for part in (each.wanted, each.had)], "csr")
    offsets, columns = cells.indptr, cells.indices.astype(np.int32)
    numbers: dict[bytes, int] = {}
    firsts: list[int] = []
    kinds = np.empty(people, np.int64)
    for person in range(people):
        key = columns[offsets[person] : offsets[person + 1]].tobytes()
        if key not in numbers:
            numbers[key] = len(firsts)
            firsts.append(person)
        kinds[person] = numbers[key]
    return np.array(firsts, np.int64), kinds
