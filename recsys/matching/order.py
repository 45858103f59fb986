"""The best candidates of each person by a score, quickly and in one order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, Ragged, offsets_of

_CELLS: Final = 1 << 20
"""Of a block, so that it stays in the cache of a core."""
_NOBODY: Final = np.uint64(2**64 - 1)
_COLUMN: Final = np.uint64(32)


@dataclass(frozen=True)
class _Block:
    """Rows of about the same length, sorted side by side."""

    rows: Ints
    """(r,) of people."""
    starts: Ints
    """(r,) where the candidates of each begin."""
    lengths: Ints
    """(r,) how many each has."""

    def best(self, scores: Floats, length: int) -> npt.NDArray[np.uint64]:
        """(r, l) keys of the best of each row, ascending; `_NOBODY` where a row is shorter.

        A key is the complement of the score's bits above the column. Bits of numbers that are not
        negative are in the order of the numbers; no two keys are alike, so there is one order.
        """
        columns = np.arange(self.lengths.max())
        inside = columns < self.lengths[:, np.newaxis]
        places = np.where(inside, self.starts[:, np.newaxis] + columns, 0)
        bits = ~scores[places].astype(np.float32).view(np.uint32)
        keys = bits.astype(np.uint64) << _COLUMN | columns.astype(np.uint64)
        keys[~inside] = _NOBODY
        if keys.shape[1] > length:
            keys = np.partition(keys, length - 1, axis=1)[:, :length]
        keys.sort(axis=1)
        return keys


@dataclass(frozen=True)
class Order:
    """Orders some people's candidates."""

    blocks: tuple[_Block, ...]
    people: int
    """All there are."""

    @classmethod
    def of(cls, candidates: Ragged, rows: Ints) -> Self:
        """rows: (r,) of the people whose candidates are put in order."""
        return cls(tuple(_blocks(candidates, rows)), len(candidates.offsets) - 1)

    def best(self, scores: Floats, length: int) -> Ragged:
        """Places of the best candidates of each person, the best first; nobody for other people.

        scores: (places,) at least 0. They count to 24 bits; at equal ones the lower place is first.
        """
        lengths, rows, places = np.zeros(self.people, np.int64), [], []
        for block in self.blocks:
            keys = block.best(scores, length)
            found = keys != _NOBODY
            columns = (keys & np.uint64(2**32 - 1)).astype(np.int64)
            lengths[block.rows] = found.sum(axis=1)
            rows.append(np.repeat(block.rows, lengths[block.rows]))
            places.append((block.starts[:, np.newaxis] + columns)[found])
        owners = np.concatenate([np.empty(0, np.int64), *rows])
        order = np.argsort(owners, kind="stable")
        chosen = np.concatenate([np.empty(0, np.int64), *places])
        return Ragged(offsets_of(lengths), chosen[order])


def _blocks(candidates: Ragged, rows: Ints) -> Iterator[_Block]:
    """Rows that have as many candidates to a factor of two, as many as make `_CELLS`."""
    lengths = candidates.lengths[rows]
    widths = np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    for width in np.unique(widths[lengths > 0]).tolist():
        chosen = rows[(widths == width) & (lengths > 0)]
        for start in range(0, len(chosen), max(1, _CELLS >> width)):
            some = chosen[start : start + max(1, _CELLS >> width)]
            yield _Block(some, candidates.offsets[some], candidates.lengths[some])
