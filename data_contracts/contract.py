"""A contract: what a table must look like, and everything a check of it needs to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_contracts import measures as m
from data_contracts.rules import CheckResult, Figures, Rule, judge
from data_contracts.trailing import Trailing
from recsys.as_of import AsOf
from recsys.people.eligibility import Eligibility
from recsys.schemas import Table
from recsys.sections.contracts import Contracts
from recsys.sections.ids import Ids


@dataclass(frozen=True)
class RelatedTables:
    """Other tables that a check compares with; None where there is no such table."""

    users: pa.Array | None = None
    """Ids of the users there are."""
    items: pa.Array | None = None
    """Ids of the items there are; in order of item_row, where the matrix refers to them."""
    available: npt.NDArray[np.bool_] | None = None
    """(items,) whether an item may be recommended."""
    blocks: pa.Table | None = None
    """Blocks of the run before, in the columns of `raw/blocks`."""
    blocks_days: float = 1.0
    """Days from when those were read to when these were, 1 or more."""
    matrix: pa.Table | None = None
    """The `histories` table, whose rows refer to `items`."""
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people; by rows of the matrix and of
    `items`."""


@dataclass(frozen=True)
class CheckContext:
    """The circumstances of a check."""

    as_of: AsOf
    limits: Contracts = field(default_factory=Contracts)
    ids: Ids = field(default_factory=Ids)
    trailing: Trailing = field(default_factory=Trailing)
    related: RelatedTables = field(default_factory=RelatedTables)
    event_types: tuple[str, ...] = ()
    """Types that [events] weighs."""
    a_day: Sequence[float] = ()
    """Events a day in each window of arrival that is checked; none of the whole history's."""
    undated: int = 0
    """Events that came in since the last check and whose time cannot be used."""
    longest: int | None = None
    """Items that a published list may hold."""


@dataclass(frozen=True)
class Contract:
    """A table, the rules beyond its schema, and the figures that they limit."""

    table: Table
    rules: Callable[[CheckContext], list[Rule]]
    figures: Callable[[pa.Table, CheckContext], Figures]

    def all_rules(self, context: CheckContext) -> list[Rule]:
        """The rules that follow from the schema, and those beyond it."""
        schema = [*m.type_rules(self.table, context.ids), *m.null_rules(self.table)]
        return [*schema, *self.rules(context)]

    def check(
        self, rows: pa.Table, context: CheckContext, found: pa.Schema | None = None
    ) -> CheckResult:
        """Judges a table; one that does not keep to its schema is measured no further.

        found: the columns it has, where `rows` leaves out some that no rule needs.
        """
        schema = rows.schema if found is None else found
        figures = dict(m.types(self.table, context.ids, schema))
        if not m.type_violations(self.table, context.ids, schema):
            nulls = m.nulls(self.table, rows)
            figures |= nulls if any(nulls.values()) else {**nulls, **self.figures(rows, context)}
        return judge(self.table.name, self.all_rules(context), figures, context.as_of)
