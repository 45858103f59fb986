"""What earlier runs were like, and the bounds that follow from it for this one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from statistics import median
from typing import Final

from data_contracts.rules import Bounds, Severity

#: Deviations of a count that are put down to chance, in square roots of the count (Poisson).
_CHANCE: Final = 4.0


@dataclass(frozen=True)
class Trailing:
    """Figures of the runs before this one; empty on a first run."""

    rows: Sequence[float] = ()
    """Rows of a table, or events a day, of each earlier run."""
    mix: Mapping[str, float] | None = None
    """Mean share of each event type."""
    newest: datetime | None = None
    """The newest event that an earlier run has seen."""
    at_once: bool = False
    """Whether everything in the matrix of the run before began within one day too."""
    runs_needed: int = 1
    """With fewer earlier runs nothing can be told from them."""

    @property
    def enough(self) -> bool:
        """Whether there are enough earlier runs to compare with."""
        return len(self.rows) >= max(self.runs_needed, 1)

    @property
    def severity(self) -> Severity:
        """`fail` for what is judged by the past, `warn` while there is too little of it."""
        return "fail" if self.enough else "warn"

    def bounds(self, least: float | None, most: float | None) -> Bounds:
        """Rows allowed: shares of the median run, widened by what chance does to a small count."""
        if not self.enough:
            return None, None
        usual = median(self.rows)
        slack = _CHANCE * sqrt(usual)
        low = None if least is None else max(0.0, least * usual - slack)
        return low, None if most is None else most * usual + slack


def mix_shift(mix: Mapping[str, float], usual: Mapping[str, float]) -> float:
    """Total variation distance of two mixes: the share of events that would have to change type."""
    return sum(abs(mix.get(k, 0.0) - usual.get(k, 0.0)) for k in {*mix, *usual}) / 2
