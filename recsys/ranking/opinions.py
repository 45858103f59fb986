"""Generators that say nothing of their own, and are therefore not heard."""

from collections.abc import Sequence
from typing import Final

from recsys.ranking.holdout import HoldoutCandidates

_REPEATED: Final = 0.99
"""Share of candidates with the same rank by two generators from which on one repeats the other."""


def without_opinion(found: HoldoutCandidates, names: Sequence[str]) -> dict[str, str]:
    """Generators to leave out, and why: those that tell no user's items apart, and those that order
    (nearly) all candidates as one before them does.

    names: of the generators, in order. Where there is nobody to look at, none is left out.
    """
    reasons: dict[str, str] = {}
    for place, name in enumerate(names if found.votes.shape[1] else ()):
        votes = found.votes[place]
        before = [earlier for earlier in range(place) if names[earlier] not in reasons]
        same = (names[e] for e in before if (found.votes[e] == votes).mean() >= _REPEATED)
        if not votes.any():
            reasons[name] = "has no opinion on anybody"
        elif repeated := next(same, None):
            reasons[name] = f"repeats {repeated}"
    return reasons
