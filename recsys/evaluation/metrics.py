"""Measures of lists against what users did next."""

from collections.abc import Mapping, Sequence

from recsys.errors import DataError


def recall_at(
    k: int, lists: Mapping[str, Sequence[str]], relevant: Mapping[str, frozenset[str]]
) -> float:
    """Mean over users of hits in the first k / relevant items; a user without a list has none.

    lists: item ids by user, best first. relevant: what each user turned to afterwards, not empty.
    """
    if not relevant:
        raise DataError("recall needs at least one user with relevant items")
    shares = (
        len(wanted.intersection(lists.get(user, ())[:k])) / len(wanted)
        for user, wanted in relevant.items()
    )
    return sum(shares) / len(relevant)
