"""Figures of earlier runs, and the bounds that follow for this one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, sqrt
from statistics import median
from typing import Final

from scipy.special import bdtrik, nbdtrik, pdtrik

from data_contracts.rules import Severity

#: Deviations of a growing count that are put down to chance, in its square roots (Poisson).
_CHANCE: Final = 4.0
#: Chance of fewer rows without a loss, below which they are taken for one: a night in 27 years.
_RARE: Final = 1e-4
#: Rows of a table read whole that may go from one run to the next without a loss.
_TURNOVER: Final = 0.05
#: From the median of absolute deviations to a standard deviation, of normal figures.
_MAD: Final = 1.4826


@dataclass(frozen=True)
class Trailing:
    """Figures of the runs before this one; empty on a first run."""

    rows: Sequence[float] = ()
    """Rows of a table, or events a day, of each earlier run."""
    mix: Mapping[str, float] | None = None
    """Mean share of each event type."""
    newest: datetime | None = None
    """The newest event that an earlier run has seen."""
    available: Sequence[float] = ()
    """Items of each earlier run that could be recommended."""
    at_once: bool = False
    """Whether everything in the matrix of the run before began within one day too."""
    runs_needed: int = 1
    """With fewer earlier runs nothing can be told from them."""

    @property
    def enough(self) -> bool:
        """True if there are enough earlier runs to compare with."""
        return len(self.rows) >= max(self.runs_needed, 1)

    @property
    def severity(self) -> Severity:
        """`fail` for what is judged by the past, `warn` while there is too little of it."""
        return "fail" if self.enough else "warn"

    def least_events(self, share: float) -> float | None:
        """The fewest events of a day that are no loss: a share of the median day, or what chance
        leaves of it where that is less; None with too few earlier runs.

        Counts of a day are taken for negative binomial about the median, for Poisson where they
        vary no more than that. The spread is that of the middle days: one odd day widens nothing.
        """
        if not self.enough:
            return None
        usual = median(self.rows)
        spread = _MAD * median(abs(rows - usual) for rows in self.rows)
        if not usual:
            return 0.0
        if spread**2 <= usual:
            rare = pdtrik(_RARE, usual)
        else:
            rare = nbdtrik(_RARE, usual**2 / (spread**2 - usual), usual / spread**2)
        return min(share * usual, _whole(rare))

    def least_rows(self, share: float) -> float | None:
        """The fewest rows of a table read whole that are no loss: a share of the median run, or
        what a turnover of 5 % leaves of it where that is less; None with too few earlier runs."""
        if not self.enough:
            return None
        usual = median(self.rows)
        return min(share * usual, _whole(bdtrik(_RARE, round(usual), 1.0 - _TURNOVER)))

    def most(self, multiple: float) -> float | None:
        """The most rows: a multiple of the median run, widened by what chance does to a count."""
        if not self.enough:
            return None
        usual = median(self.rows)
        return multiple * usual + _CHANCE * sqrt(usual)


def most_lost(rows: int, share: float, days: float = 1.0) -> float:
    """The most rows that may be gone after some days where each goes with the chance of `share` a
    day, but for one night of ten thousand."""
    gone = 1.0 - (1.0 - share) ** days
    return _whole(bdtrik(1.0 - _RARE, rows, gone)) if rows and gone else 0.0


def _whole(quantile: float) -> float:
    """The least count whose chance reaches that of a quantile; 0 where even none has it."""
    return float(ceil(quantile)) if quantile > 0 else 0.0


def mix_shift(mix: Mapping[str, float], usual: Mapping[str, float]) -> float:
    """Total variation distance of two mixes: the share of events that would have to change type."""
    return sum(abs(mix.get(k, 0.0) - usual.get(k, 0.0)) for k in {*mix, *usual}) / 2
