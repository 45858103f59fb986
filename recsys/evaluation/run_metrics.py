"""Figures of a run as rows: a name, what it is of, the value, its interval and its limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from recsys.evaluation.audit import AuditVerdict, limited_figures
from recsys.evaluation.concentration import top_share
from recsys.evaluation.diff import EXPOSURE
from recsys.sections.gates import Gates

#: Standard errors from a mean to the bounds of its 95 % interval.
ERRORS_OF_95: Final = 1.96
_TOP: Final = 0.01


@dataclass(frozen=True)
class RunMetric:
    """One figure of a run."""

    name: str
    value: float
    band: str | None = None
    """Band or segment of users; None: all of them."""
    label: str | None = None
    """What else it is of: a way to order lists, a source, a step, an earlier as-of."""
    low: float | None = None
    high: float | None = None
    """Bounds of its 95 % interval."""
    least: float | None = None
    most: float | None = None
    """What a gate wants it to be."""


def measured(
    name: str, value: float, error: float | None, band: str | None = None, label: str | None = None
) -> RunMetric:
    """A mean with the interval that its standard error gives; None: there is none."""
    if error is None:
        return RunMetric(name, value, band, label)
    reach = ERRORS_OF_95 * error
    return RunMetric(name, value, band, label, max(0.0, value - reach), min(1.0, value + reach))


def of_audit(verdict: AuditVerdict, gates: Gates, available_items: int) -> list[RunMetric]:
    """The figures of an audit with the limits of their gates, and those of exposure.

    The NDCG is the ranking policy's, which knows its interval.
    """
    limits = limited_figures(gates)
    found: Mapping[str, float | None] = {
        **verdict.figures.as_dict(),
        **verdict.market,
        "top_1_percent_share": top_share(
            verdict.difference.exposure()[EXPOSURE].to_numpy(), available_items, _TOP
        ),
        "available_items": available_items,
    }
    rows = []
    for name, value in found.items():
        if value is not None:
            least, most = limits.get(name, (None, None))
            rows.append(RunMetric(name, float(value), least=least, most=most))
    return rows
