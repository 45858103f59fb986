"""Whether a run's figures let it go live."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from recsys.evaluation.diff import Comparison
from recsys.sections.gates import Gates

_FIGURES: Final[Mapping[str, str]] = {
    "min_users_kept": "users_kept",
    "min_overlap": "overlap",
    "min_rbo": "rbo",
    "max_churn": "churn",
    "min_coverage": "coverage",
    "max_gini": "gini",
    "max_fallback_share": "fallback_share",
    "max_score_drift": "score_drift",
}
"""The figure of `Comparison` that each gate limits; the gate's name says from which side."""


@dataclass(frozen=True)
class GateViolation:
    """A figure beyond the limit that its gate sets."""

    gate: str
    figure: float
    limit: float

    def __str__(self) -> str:
        side = "below" if self.gate.startswith("min_") else "above"
        return f"{self.figure:.4g} is {side} gates.{self.gate} = {self.limit:g}"


def violations(
    comparison: Comparison, gates: Gates, ndcg: float | None = None
) -> tuple[GateViolation, ...]:
    """The gates that hold the run back, in the order of their names in `Gates`.

    A gate without a limit, and a figure that there is none of (no live run to compare with, nothing
    held back to measure on), hold nothing back. A figure that is not a number does.
    ndcg: of what orders the lists, on the days that were held back; None where there was nobody.
    """
    figures = {gate: getattr(comparison, figure) for gate, figure in _FIGURES.items()}
    figures["min_ndcg"] = ndcg
    found = []
    for gate in Gates.limits():
        limit, figure = getattr(gates, gate), figures[gate]
        if limit is not None and figure is not None and not _holds(gate, figure, limit):
            found.append(
                GateViolation(gate, abs(figure) if gate == "max_score_drift" else figure, limit)
            )
    return tuple(found)


def verdict(
    comparison: Comparison, gates: Gates, *, same_methods: bool, ndcg: float | None = None
) -> tuple[Comparison, tuple[GateViolation, ...]]:
    """The figures that say something about a run in the place of another, and what holds it back.

    same_methods: whether both runs order lists alike; each method has a scale of its own, so that
    scores of two say nothing.
    ndcg: as for `violations`.
    """
    figures = comparison if same_methods else replace(comparison, score_drift=None)
    return figures, violations(figures, gates, ndcg)


def _holds(gate: str, figure: float, limit: float) -> bool:
    return figure >= limit if gate.startswith("min_") else abs(figure) <= limit
