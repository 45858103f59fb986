"""Rules, the suites made of them, and their verdict on what was measured of a table.

A table of millions of rows is measured in few vectorised passes (`data_contracts.measures`), and
Great Expectations judges the one row of figures that comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.data_context.ephemeral_data_context import (
    EphemeralDataContext,
)
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.core.expect_column_max_to_be_between import (
    ExpectColumnMaxToBeBetween,
)
from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
    ExpectColumnValuesToBeInSet,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from recsys.as_of import AsOf

Severity = Literal["fail", "warn"]
#: The figures of one table, by the name of the rule that limits them.
Figures = Mapping[str, float | str]
Bounds = tuple[float | None, float | None]

_GX_SEVERITY: Final[Mapping[Severity, FailureSeverity]] = {
    "fail": FailureSeverity.CRITICAL,
    "warn": FailureSeverity.WARNING,
}


@dataclass(frozen=True)
class Rule:
    """One thing that must hold of a table: a figure within bounds, or one of some words."""

    name: str
    severity: Severity
    limit: Bounds | str
    """The least and the greatest allowed figure, both inclusive; or the only allowed word."""
    remedy: str
    """What to do where it does not hold."""

    def expectation(self) -> Expectation:
        """The rule as Great Expectations takes it, on the one-row frame of figures."""
        severity, about = _GX_SEVERITY[self.severity], {"rule": self.name}
        if isinstance(self.limit, str):
            return ExpectColumnValuesToBeInSet(
                column=self.name,
                value_set=[self.limit],
                severity=severity,
                notes=self.remedy,
                meta=about,
            )
        low, high = self.limit
        return ExpectColumnMaxToBeBetween(
            column=self.name,
            min_value=low,
            max_value=high,
            severity=severity,
            notes=self.remedy,
            meta=about,
        )

    @property
    def allowed(self) -> str:
        """The limit in words."""
        if isinstance(self.limit, str):
            return self.limit
        low, high = self.limit
        bounds = (("at least", low), ("at most", high))
        return " and ".join(f"{word} {shown(bound)}" for word, bound in bounds if bound is not None)


@dataclass(frozen=True)
class RuleViolation:
    """A rule that does not hold, and the figure that breaks it."""

    table: str
    rule: Rule
    observed: float | str

    def __str__(self) -> str:
        """Table, rule, observed value, limit, and what to do."""
        allowed = f"allowed is {self.rule.allowed}"
        found = f"{self.table}: {self.rule.name} is {shown(self.observed)}, {allowed}"
        return f"{found}; {self.rule.remedy}"


@dataclass(frozen=True)
class CheckResult:
    """Outcome of a table's contract."""

    table: str
    figures: Figures
    violations: tuple[RuleViolation, ...]
    rules: tuple[Rule, ...] = field(repr=False)
    """The rules that it was held to, in the order of the contract."""
    result: Mapping[str, Any] = field(repr=False)
    """Great Expectations' result as JSON."""

    def of(self, severity: Severity) -> list[RuleViolation]:
        """The violated rules of one severity, in the order of the contract."""
        return [each for each in self.violations if each.rule.severity == severity]


def shown(value: float | str) -> str:
    """A figure as messages give it."""
    return value if isinstance(value, str) else f"{value:.6g}"


def suite(table: str, rules: Sequence[Rule]) -> gx.ExpectationSuite:
    """The contract of a table as an expectation suite on its figures."""
    name = table.replace("/", ".")  # it becomes a part of a path
    return gx.ExpectationSuite(name=name, expectations=[rule.expectation() for rule in rules])


def judge(table: str, rules: Sequence[Rule], figures: Figures, as_of: AsOf) -> CheckResult:
    """Validates the figures of a table; a rule without a figure cannot be judged and is left out.

    The result holds nothing that differs between two checks of the same data: its time is the
    as-of, and what the library adds of clock and identity is taken out.
    """
    judged = [rule for rule in rules if rule.name in figures]
    frame = pd.DataFrame({rule.name: [figures[rule.name]] for rule in judged})
    context = quiet_context()
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset(table)
    definition = asset.add_batch_definition_whole_dataframe("figures")
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    result = batch.validate(suite(table, judged))
    broken = {
        each.expectation_config.meta["rule"]
        for each in result.results
        if not each.success and each.expectation_config is not None
    }
    violations = (RuleViolation(table, r, figures[r.name]) for r in judged if r.name in broken)
    as_json: dict[str, Any] = result.to_json_dict()  # type: ignore[no-untyped-call]
    return CheckResult(table, figures, tuple(violations), tuple(judged), _stable(as_json, as_of))


def quiet_context() -> EphemeralDataContext:
    """A context in memory that reports to nobody, draws no progress bars and leaves no files."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def run_time(as_of: AsOf) -> datetime:
    """The instant that results of an as-of carry instead of the clock's."""
    return as_of.instant


def _stable(result: dict[str, Any], as_of: AsOf) -> dict[str, Any]:
    version, asset = result["meta"]["great_expectations_version"], result["suite_name"]
    run = {"run_name": f"as_of={as_of.folder}", "run_time": run_time(as_of).isoformat()}
    result["meta"] = {
        "great_expectations_version": version,
        "run_id": run,
        "active_batch_definition": {"datasource_name": "lake", "data_asset_name": asset},
    }
    return result
