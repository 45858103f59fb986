"""The audit: whether a run takes the live run's place.

Publishing and `recsys diff` both call `audit` with what is known of the two runs, and nothing else
decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from recsys.as_of import AsOf
from recsys.evaluation.diff import Comparison, Difference
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
_MARKET_FIGURES: Final[Mapping[str, str]] = {
    "min_expected_matches": "expected_matches",
    "max_unmatched_share": "unmatched_share",
    "max_gini_matches": "gini_matches",
    "max_gini_people_exposure": "gini_people_exposure",
    "max_top_1_percent_of_people": "top_1_percent_of_people",
    "max_unseen_share": "unseen_share",
    "max_envied_others": "envied_others",
    "min_nash_welfare": "nash_welfare",
    "max_demand_over_supply": "demand_over_supply",
    "max_calibration_error": "calibration_error",
}
"""The same of the figures of a market of people."""


@dataclass(frozen=True)
class RunFacts:
    """Facts of a run for the audit."""

    as_of: AsOf
    lists: pa.Table
    """Columns user_id, item_ids (best first) and scores, in any order of rows; places beyond
    `gates.depth` may be missing."""
    methods: Mapping[str, str]
    """How the lists of each band of users were ordered, and weights of objectives."""
    ndcg: float | None = None
    """NDCG@20 of what ordered the lists, on the holdout; None where there was nobody."""
    available_items: int | None = None
    """Items that could be recommended; None where it is not known: those in either run's lists."""
    active_users: int | None = None
    """Members that lists were to be made for; None where it is not known: those with a row."""
    market: Mapping[str, float] = field(default_factory=dict)
    """What a market of people can expect of the lists, by figure; empty of other markets."""
    run_id: int | None = None
    """None until the run is published."""


def limited_figures(gates: Gates) -> Mapping[str, tuple[float | None, float | None]]:
    """The least and the most that gates want each figure to be, by its name; None: no limit."""
    figures = {**_FIGURES, "min_ndcg": "ndcg", **_MARKET_FIGURES}
    limits: dict[str, tuple[float | None, float | None]] = {}
    for gate in Gates.limits():
        limit = getattr(gates, gate)
        limits[figures[gate]] = (limit, None) if gate.startswith("min_") else (None, limit)
    return limits


class Outcome(StrEnum):
    """Fate of a run whose lists are complete."""

    LIVE = "live"
    HELD = "held"
    """Kept, not live: a gate is not passed."""
    HISTORY = "history"
    """Kept, not live: nobody asked for it, or the live run is of a later as-of."""


@dataclass(frozen=True)
class GateViolation:
    """A figure beyond the limit that its gate sets."""

    gate: str
    figure: float
    limit: float

    def __str__(self) -> str:
        side = "below" if self.gate.startswith("min_") else "above"
        return f"{self.figure:.4g} is {side} gates.{self.gate} = {self.limit:g}"


@dataclass(frozen=True)
class AuditVerdict:
    """Fate of a run that was to take another one's place, and the reasons."""

    outcome: Outcome
    figures: Comparison
    ndcg: float | None
    market: Mapping[str, float]
    """See `RunFacts`."""
    violations: tuple[GateViolation, ...]
    """Gates that are not passed, in the order of their names in `Gates`; of a run that is history
    they hold nothing back."""
    live_run: int | None
    """The run that it was compared with; None where there was none."""
    live_as_of: AsOf | None
    older: bool
    """Whether it is history because the live run is of a later as-of."""
    difference: Difference = field(compare=False, repr=False)
    """The two runs' lists, user by user."""

    def as_dict(self) -> dict[str, Any]:
        """The record that is kept with the run, ready for JSON."""
        return {
            "figures": {
                "live_run": self.live_run,
                **self.figures.as_dict(),
                "ndcg": self.ndcg,
                **self.market,
            },
            "violations": [str(violation) for violation in self.violations],
            "outcome": self.outcome.value,
        }


def audit(
    new: RunFacts, live: RunFacts | None, gates: Gates, *, promote: bool | None = None
) -> AuditVerdict:
    """Judge a run that would take the live one's place.

    live: None where no run is live, or none is to be replaced.
    promote: whether the run was asked to go live, or to be history. None: it goes live unless the
    live run is of a later as-of, so that a past date that is made again does not go back in time.
    """
    before = None if live is None else live.lists
    difference = Difference.between(
        before, new.lists, depth=gates.depth, persistence=gates.persistence
    )
    figures = difference.comparison(new.available_items, new.active_users)
    if live is not None and live.methods != new.methods:
        # Each method has a scale of its own, so that scores of two say nothing.
        figures = replace(figures, score_drift=None)
    found = violations(figures, gates, new.ndcg, new.market)
    older = promote is None and live is not None and new.as_of < live.as_of
    if older or promote is False:
        outcome = Outcome.HISTORY
    else:
        outcome = Outcome.HELD if found else Outcome.LIVE
    return AuditVerdict(
        outcome=outcome,
        figures=figures,
        ndcg=new.ndcg,
        market=new.market,
        violations=found,
        live_run=live.run_id if live else None,
        live_as_of=live.as_of if live else None,
        older=older,
        difference=difference,
    )


def violations(
    comparison: Comparison,
    gates: Gates,
    ndcg: float | None = None,
    market: Mapping[str, float] | None = None,
) -> tuple[GateViolation, ...]:
    """The gates that are not passed, in the order of their names in `Gates`.

    A gate without a limit, and a figure that there is none of (no live run to compare with, nobody
    in the holdout, no market of people), hold nothing back. A figure that is not a number does.
    ndcg: of what orders the lists, on the holdout; None where there was nobody.
    market: see `RunFacts`.
    """
    figures = {gate: getattr(comparison, figure) for gate, figure in _FIGURES.items()}
    figures["min_ndcg"] = ndcg
    figures |= {gate: (market or {}).get(figure) for gate, figure in _MARKET_FIGURES.items()}
    found = []
    for gate in Gates.limits():
        limit, figure = getattr(gates, gate), figures[gate]
        if limit is not None and figure is not None and not _passes(gate, figure, limit):
            found.append(
                GateViolation(gate, abs(figure) if gate == "max_score_drift" else figure, limit)
            )
    return tuple(found)


def _passes(gate: str, figure: float, limit: float) -> bool:
    return figure >= limit if gate.startswith("min_") else abs(figure) <= limit
