"""Who wrote to whom first, and who was answered."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recsys.arrays import Floats, Ints, Mask
from recsys.errors import DataError
from recsys.evaluation.splits import Pairs

_MICROS_PER_DAY: Final = 86_400_000_000


@dataclass(frozen=True)
class Contacts:
    """The first message of each ordered pair of people, by its rows."""

    one: Ints
    """(n,) rows of the writers."""
    other: Ints
    """(n,) rows of those written to."""
    times: Ints
    """(n,) microseconds since 1970 UTC."""
    answered: Mask
    """(n,) whether the other wrote to the one after it, in time."""

    @classmethod
    def of(cls, messages: Pairs, days: float) -> Self:
        """messages: of one pool of people, with times. days: within which an answer counts."""
        first, every = messages.merged(), times_of(messages)
        begun = times_of(first)
        width = 1 + int(max(first.user_rows.max(initial=0), first.item_rows.max(initial=0)))
        pairs = first.user_rows * width + first.item_rows
        # A message is the number of its pair, then of its time: the next of a pair is a search.
        instants, steps = np.unique(every, return_inverse=True)
        span = len(instants) + 1
        numbers = np.searchsorted(pairs, messages.user_rows * width + messages.item_rows)
        order = np.argsort(numbers * span + steps)
        keys = (numbers * span + steps)[order]
        back = first.item_rows * width + first.user_rows
        places = np.minimum(np.searchsorted(pairs, back), max(len(pairs) - 1, 0))
        after = np.searchsorted(instants, begun, side="right")
        found = np.minimum(np.searchsorted(keys, places * span + after), max(len(keys) - 1, 0))
        same = (pairs[places] == back) & (numbers[order][found] == places)
        waited = every[order][found] - begun
        answered = same & (waited > 0) & (waited <= days * _MICROS_PER_DAY)
        return cls(first.user_rows, first.item_rows, begun, answered)

    def take(self, chosen: Mask) -> Self:
        """Some of them: (n,) mask."""
        return type(self)(
            self.one[chosen], self.other[chosen], self.times[chosen], self.answered[chosen]
        )


def times_of(messages: Pairs) -> Ints:
    """(n,) microseconds since 1970 UTC; raises DataError where there are none."""
    if messages.times is None:
        raise DataError("messages need times: give each its timestamp")
    return messages.times


def activity(messages: Pairs, people: int, at: int) -> Floats:
    """(people, 3) logarithms of one more than messages sent, received, and days of silence.

    at: microseconds since 1970 UTC, after all messages.
    """
    sent = np.bincount(messages.user_rows, minlength=people)
    received = np.bincount(messages.item_rows, minlength=people)
    times = times_of(messages)
    last = np.full(people, times.min(initial=at))
    np.maximum.at(last, messages.user_rows, times)
    return np.log1p(np.column_stack([sent, received, (at - last) / _MICROS_PER_DAY]))
