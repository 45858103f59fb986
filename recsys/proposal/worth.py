"""What an event is worth, by what its type is called."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from recsys.proposal import names

_RARE: Final = 0.001
"""Share of the rows below which a type is taken for a mistake."""
_OFTEN: Final = 0.5
"""Share of the rows of a type that have a value, for it to be a rating."""
_PASSING: Final = 90
_LASTING: Final = 365
"""Half-lives in days."""
_WORTH: Final[tuple[tuple[tuple[str, ...], float, int], ...]] = (
    (("dislike", "unlike", "hate", "hide", "report", "return", "refund", "remove"), 0.0, _LASTING),
    (("view", "click", "open", "visit", "impression", "play", "read", "watch"), 1.0, _PASSING),
    (("purchase", "buy", "bought", "order", "checkout", "subscribe", "paid"), 5.0, _LASTING),
    (("comment", "review", "follow", "message", "reply"), 4.0, _LASTING),
    (("like", "love", "fav", "bookmark", "save", "wish", "heart", "share", "cart"), 3.0, _LASTING),
)
_RATING: Final = ("rating", "rate", "star", "score", "vote", "review")


@dataclass(frozen=True)
class TypeCount:
    """Rows of one type of event."""

    rows: int
    valued: int
    """Those with a value."""
    greatest: float
    """Value; 0 where there is none."""


@dataclass(frozen=True)
class EventProposal:
    """One entry of `[events]`."""

    fields: Mapping[str, float | bool]
    known: bool
    """Whether the name told the worth."""


def count_types(rows: Iterable[tuple[str | None, str | None]]) -> dict[str, TypeCount]:
    """Rows by type, out of pairs of type and value."""
    counts: dict[str, TypeCount] = {}
    for kind, text in rows:
        if kind is None:
            continue
        before, value = counts.get(kind, TypeCount(0, 0, 0.0)), _number(text)
        counts[kind] = TypeCount(
            before.rows + 1, before.valued + (value is not None), max(before.greatest, value or 0.0)
        )
    return counts


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def propose_events(counts: Mapping[str, TypeCount]) -> tuple[dict[str, EventProposal], list[str]]:
    """Entries by type, the most frequent first, and types that are too rare to be meant."""
    total = sum(count.rows for count in counts.values())
    ordered = sorted(counts.items(), key=lambda each: (-each[1].rows, each[0]))
    rare = [kind for kind, count in ordered if count.rows < _RARE * total]
    return {kind: _event(kind, count) for kind, count in ordered if kind not in rare}, rare


def _event(kind: str, count: TypeCount) -> EventProposal:
    if names.hints(kind, _RATING) and count.valued >= _OFTEN * count.rows and count.greatest > 0:
        least = round(2 * 0.7 * count.greatest) / 2
        return EventProposal({"weight": 1.0, "use_value": True, "min_value": least}, known=True)
    for stems, weight, half_life in _WORTH:
        if names.hints(kind, stems):
            return EventProposal({"weight": weight, "half_life_days": half_life}, known=True)
    return EventProposal({"weight": 1.0, "half_life_days": _LASTING}, known=False)
