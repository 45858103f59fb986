"""Hard wishes as declared, compiled to arrays of people.

Who states no wish accepts everybody. A stated wish is not met by somebody of whom the attribute is
unknown, and by nobody where it cannot be read: a number that is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from scipy import sparse

from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.sections.people import Wish

Attributes = Sequence[Sequence[str]]
"""For each person, `path=value` of every leaf of the profile."""
_EARTH_KM: Final = 6371.0088
"""Mean radius (IUGG)."""


class Accepts(Protocol):
    """Whether one person accepts another, by one wish."""

    def accepts(self, one: Ints, other: Ints) -> Mask:
        """one, other: people, of shapes that broadcast; the result has their common shape."""


@dataclass(frozen=True)
class Within:
    """The other's number is within the bounds that one states."""

    stated: Mask
    """(people,) whether one states a bound."""
    least: Floats
    """(people,) NaN where it cannot be read."""
    most: Floats
    """(people,) likewise."""
    numbers: Floats
    """(people,) NaN where unknown."""

    @classmethod
    def of(cls, wish: Wish, attributes: Attributes) -> Self:
        stated = np.zeros(len(attributes), np.bool_)
        bounds = []
        for path, without in ((wish.at_least, -np.inf), (wish.at_most, np.inf)):
            there, values = numbers_at(path, attributes)
            bounds.append(np.where(there, values, without))
            stated |= there
        _, numbers = numbers_at(wish.theirs, attributes)
        least, most = bounds
        return cls(stated, least, most, numbers)

    def accepts(self, one: Ints, other: Ints) -> Mask:
        """See `Accepts`."""
        numbers = self.numbers[other]
        inside = (numbers >= self.least[one]) & (numbers <= self.most[one])
        return np.asarray(inside | ~self.stated[one])


@dataclass(frozen=True)
class Near:
    """The other lives no farther away than one states."""

    stated: Mask
    """(people,) whether one states a distance."""
    chords: Floats
    """(people,) square of the chord of the distance on a sphere of radius 1; NaN where it cannot be
    read."""
    places: Floats
    """(3, people) unit vectors; NaN where unknown."""

    @classmethod
    def of(cls, wish: Wish, attributes: Attributes) -> Self:
        stated, km = numbers_at(wish.within_km, attributes)
        km[km < 0.0] = np.nan
        degrees = []
        for path, most in ((wish.latitude, 90.0), (wish.longitude, 180.0)):
            _, values = numbers_at(path, attributes)
            values[~(np.abs(values) <= most)] = np.nan
            degrees.append(values)
        north, east = np.radians(degrees)
        places = [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)]
        # Half the angle of the greatest distance is a right one.
        halves = np.minimum(km / (2.0 * _EARTH_KM), np.pi / 2.0)
        return cls(stated, (2.0 * np.sin(halves)) ** 2, np.array(places))

    def accepts(self, one: Ints, other: Ints) -> Mask:
        """See `Accepts`. By the chord, whose square is 4 times the haversine; sums and products
        alone, so that a pair by itself gives the same as one of many."""
        squares = sum((axis[one] - axis[other]) ** 2 for axis in self.places)
        return np.asarray((squares <= self.chords[one]) | ~self.stated[one])


@dataclass(frozen=True)
class OneOf:
    """The other has one of the values that one wants."""

    wanted: sparse.csr_matrix
    """(people, values) float32 1 where one wants a value."""
    had: sparse.csr_matrix
    """(people, values) float32 1 where one has it."""

    @classmethod
    def of(cls, wish: Wish, attributes: Attributes) -> Self:
        wanted = [values_at(wish.wanted or wish.shared, leaves) for leaves in attributes]
        had = [values_at(wish.theirs or wish.shared, leaves) for leaves in attributes]
        names = sorted({value for values in (*wanted, *had) for value in values})
        numbers = {name: number for number, name in enumerate(names)}
        return cls(_cells(wanted, numbers), _cells(had, numbers))

    def accepts_all(self, one: Ints, other: Ints) -> Mask:
        """(m, n) whether each of some people accepts each of others. one: (m,). other: (n,)."""
        met = (self.wanted[one] @ self.had[other].T).toarray() > 0.0
        return np.asarray(met | self._unstated(one)[:, np.newaxis])

    def accepts(self, one: Ints, other: Ints) -> Mask:
        """(p,) whether one accepts the other, of pairs. one, other: (p,)."""
        met = self.wanted[one].multiply(self.had[other]).sum(axis=1) > 0.0
        return np.asarray(met).ravel() | self._unstated(one)

    def _unstated(self, people: Ints) -> Mask:
        return np.asarray(np.diff(self.wanted.indptr)[people] == 0)


def _cells(values: Sequence[Sequence[str]], numbers: Mapping[str, int]) -> sparse.csr_matrix:
    lengths = np.array([len(each) for each in values], np.int64)
    columns = np.array([numbers[name] for each in values for name in each], np.int64)
    lists = Ragged.of_lengths(lengths, columns)
    cells = (np.ones(len(columns), np.float32), lists.values, lists.offsets)
    return sparse.csr_matrix(cells, shape=(len(values), len(numbers)))


def values_at(path: str | None, leaves: Sequence[str]) -> list[str]:
    """The distinct values of one person at a path, sorted."""
    prefix = f"{path}="
    return sorted({leaf.removeprefix(prefix) for leaf in leaves if leaf.startswith(prefix)})


def numbers_at(path: str | None, attributes: Attributes) -> tuple[Mask, Floats]:
    """(people,) whether there is something at a path, and the number that the first leaf there is;
    NaN where it is none."""
    prefix = f"{path}="
    firsts = [next((x for x in leaves if x.startswith(prefix)), None) for leaves in attributes]
    numbers = [np.nan if each is None else _number(each.removeprefix(prefix)) for each in firsts]
    there = np.array([each is not None for each in firsts], np.bool_)
    return there, np.array(numbers, np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
