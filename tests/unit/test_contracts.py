"""Every rule of every contract catches what it is there for, and a good table passes them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data_contracts import (
    blocks,
    events,
    interactions,
    item_profiles,
    items,
    lists,
    matrix,
    measures,
    user_profiles,
    users,
)
from data_contracts.contract import CheckContext, Contract, RelatedTables
from data_contracts.losses import as_markdown
from data_contracts.profiles import BLANK
from data_contracts.trailing import Trailing, mix_shift, most_lost
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.sections.contracts import Contracts
from recsys.sections.ids import Ids

AS_OF = AsOf.parse("2026-01-02")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
IDS = Ids(user="bigint", item="text")
LONG_AGO = NOON - timedelta(days=20)
ROWS = 40
LIMITS = Contracts(
    needed_runs=2, min_volume=1, max_volume=1, min_size=1, max_size=1, max_mix_shift=0.2
)
Row = dict[str, Any]


def event(n: int) -> Row:
    time = NOON + timedelta(seconds=n)
    return {
        c.USER_ID: n % 4,
        c.ITEM_ID: f"i{n % 5}",
        c.EVENT_TYPE: "view" if n % 2 else "like",
        c.VALUE: 1.0 if n % 3 else None,
        c.OCCURRED_AT: time,
        c.ARRIVED_AT: time,
    }


def profile(n: int, column: str) -> Row:
    key = n if column == c.USER_ID else f"i{n}"
    return {column: key, c.TEXT: "oak", c.TAGS: ["wood"], c.ATTRIBUTES: []}


def history(n: int) -> Row:
    return {
        c.USER_ROW: n,
        c.USER_ID: n,
        c.ITEM_ROWS: [0, 2],
        c.WEIGHTS: [1.0, 0.0],
        c.AGES: [2.0, 0.5],
        c.LAST_AGES: [1.5, 0.5],
        c.EARLIER_WEIGHTS: [1.0, None],
        c.EARLIER_LAST_AGES: [0.5, None],
        c.BLOCKED_ROWS: [1],
        c.ACTIVE: True,
    }


def ranked(n: int) -> Row:
    items = {c.ITEM_IDS: ["i4", "i3"], c.SCORES: [2.0, 1.0], c.SOURCES: [0, 0]}
    return {c.USER_ID: n, **items, c.PROPENSITIES: [1.0, 0.1]}


def good(contract: Contract) -> list[Row]:
    """Rows that every rule of the contract lets pass."""
    makers: Mapping[str, Callable[[int], Row]] = {
        "raw/events": event,
        "raw/interactions": event,
        "raw/users": lambda n: {c.USER_ID: n, c.ACTIVE: True},
        "raw/items": lambda n: {c.ITEM_ID: f"i{n}", c.TITLE: None, c.AVAILABLE: True},
        "raw/blocks": lambda n: {c.USER_ID: n, c.ITEM_ID: f"i{n % 5}"},
        "raw/item_profiles": lambda n: profile(n, c.ITEM_ID),
        "raw/user_profiles": lambda n: profile(n, c.USER_ID),
        "histories": history,
        "lists": ranked,
    }
    return [makers[contract.table.name](n) for n in range(ROWS)]


def terms(contract: Contract, count: int | None = None) -> CheckContext:
    """Circumstances with a long and even past."""
    of_lists = contract is lists.CONTRACT
    ids = pa.array(range(ROWS), pa.int64())
    related = RelatedTables(
        users=ids,
        items=pa.array([f"i{n}" for n in range(ROWS)]),
        available=np.arange(ROWS) != 5,
        blocks=table(blocks.CONTRACT, good(blocks.CONTRACT)),
        matrix=table(matrix.CONTRACT, good(matrix.CONTRACT)) if of_lists else None,
    )
    return CheckContext(
        as_of=AS_OF,
        limits=LIMITS,
        ids=IDS,
        trailing=Trailing(
            [ROWS] * 3, {"like": 0.5, "view": 0.5}, LONG_AGO, runs_needed=2, available=[ROWS] * 3
        ),
        related=related,
        event_types=("like", "view"),
        a_day=(float(ROWS if count is None else count),),
        longest=3,
    )


def table(contract: Contract, rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=contract.table.arrow(IDS))


def broken_rules(contract: Contract, rows: pa.Table, circumstances: CheckContext) -> set[str]:
    verdict = contract.check(rows, circumstances)
    return {violation.rule.name for violation in verdict.violations}


CONTRACTS = (
    events.CONTRACT,
    interactions.CONTRACT,
    users.CONTRACT,
    items.CONTRACT,
    blocks.CONTRACT,
    item_profiles.CONTRACT,
    user_profiles.CONTRACT,
    matrix.CONTRACT,
    lists.CONTRACT,
)
Change = Callable[[list[Row]], list[Row]]


def every(**values: Any) -> Change:
    """All rows with other values."""
    return lambda rows: [row | values for row in rows]


def one(**values: Any) -> Change:
    """The fourth row with other values."""
    return lambda rows: [*rows[:3], rows[3] | values, *rows[4:]]


def fewer(rows: list[Row]) -> list[Row]:
    return rows[:5]


def more(rows: list[Row]) -> list[Row]:
    return rows * 4


def twice(rows: list[Row]) -> list[Row]:
    return rows[:20] * 2


REJECT = every(**{c.REJECT_REASON: "user_id is null"})
SIZES: Mapping[str, Change] = {measures.FEWER_ROWS: fewer, measures.MORE_ROWS: more}
RAW: Mapping[str, Change] = {measures.REJECTED: REJECT, measures.DUPLICATES: twice}
UNKNOWN_USER = {measures.unknown_name(c.USER_ID): every(user_id=-7)}
UNKNOWN_ITEM = {measures.unknown_name(c.ITEM_ID): every(item_id="elsewhere")}
EVENT_CHANGES: Mapping[str, Change] = {
    **RAW,
    **UNKNOWN_USER,
    **UNKNOWN_ITEM,
    events.A_DAY: fewer,
    events.A_DAY_MOST: more,
    events.UNKNOWN_TYPES: every(event_type="sneeze"),
    events.NOT_FINITE: every(value=float("nan")),
    events.IN_FUTURE: every(occurred_at=NOON + timedelta(days=9)),
    events.MIX: every(event_type="view"),
    events.NEGATIVE: every(value=-1.0),
    events.ANCIENT: one(occurred_at=datetime(1970, 1, 21, tzinfo=UTC)),
    events.ANCIENT_MOST: every(occurred_at=datetime(1970, 1, 21, tzinfo=UTC)),
    events.TOO_EARLY: every(arrived_at=NOON - timedelta(days=2)),
    events.AGE: every(occurred_at=NOON - timedelta(days=30)),
}
CHANGES: Mapping[str, Mapping[str, Change]] = {
    "raw/events": EVENT_CHANGES,
    "raw/interactions": EVENT_CHANGES,
    "raw/users": {**SIZES, **RAW, users.ACTIVE: every(active=False)},
    "raw/items": {
        **SIZES,
        **RAW,
        items.AVAILABLE: every(available=False),
        items.FEWER_AVAILABLE: lambda rows: [*every(available=False)(rows[:30]), *rows[30:]],
    },
    "raw/blocks": {
        **SIZES,
        **RAW,
        **UNKNOWN_USER,
        **UNKNOWN_ITEM,
        # As many as before, five of them others.
        blocks.LOST: lambda rows: [*every(item_id="i5")(rows[:5]), *rows[5:]],
    },
    "raw/item_profiles": {**SIZES, **RAW, **UNKNOWN_ITEM, BLANK: every(text=" ", tags=[])},
    "raw/user_profiles": {**SIZES, **RAW, **UNKNOWN_USER, BLANK: every(text="", tags=[])},
    "histories": {
        **SIZES,
        measures.DUPLICATES: one(user_id=4),
        matrix.USER_ROWS: one(user_row=4),
        matrix.LENGTHS: one(weights=[1.0]),
        matrix.OUTSIDE: one(item_rows=[0, ROWS]),
        matrix.UNORDERED: one(item_rows=[2, 2]),
        matrix.WEIGHTS: one(weights=[1.0, float("nan")]),
        matrix.AGES: one(last_ages=[1.0, -1.0]),
        matrix.LAST: one(last_ages=[1.0, 0.6]),
        matrix.LIKED: every(weights=[0.0, 0.0]),
        matrix.AT_ONCE: every(ages=[20_459.5, 20_459.4]),
    },
    "lists": {
        **SIZES,
        measures.DUPLICATES: one(user_id=4),
        lists.LENGTHS: one(scores=[1.0]),
        lists.TOO_LONG: one(item_ids=["i9", "i8", "i7", "i6"]),
        lists.SCORES: one(scores=[1.0, float("inf")]),
        lists.UNORDERED: one(scores=[1.0, 2.0]),
        lists.CHANCES: one(propensities=[1.0, 0.0]),
        lists.REPEATED: one(item_ids=["i4", "i4"]),
        lists.UNAVAILABLE: one(item_ids=["i5", "i4"]),
        lists.NON_MEMBERS: one(user_id=1000),
        lists.EXCLUDED: one(item_ids=["i2", "i4"]),
        lists.UNLISTED: fewer,
        lists.EMPTY: every(item_ids=[], scores=[], sources=[], propensities=[]),
    },
}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.table.name)
def test_a_good_table_passes(contract: Contract) -> None:
    verdict = contract.check(table(contract, good(contract)), terms(contract))
    assert verdict.violations == ()
    assert verdict.result["success"]
    rules = {rule.name for rule in contract.all_rules(terms(contract))}
    assert set(verdict.figures) == rules


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.table.name)
def test_there_is_a_bad_table_for_every_rule(contract: Contract) -> None:
    assert set(CHANGES[contract.table.name]) == {r.name for r in contract.rules(terms(contract))}


@pytest.mark.parametrize(
    ("contract", "rule"),
    [
        pytest.param(k, r, id=f"{k.table.name}: {r}")
        for k in CONTRACTS
        for r in CHANGES[k.table.name]
    ],
)
def test_a_bad_table_is_caught_by_its_rule(contract: Contract, rule: str) -> None:
    bad = table(contract, CHANGES[contract.table.name][rule](good(contract)))
    assert rule in broken_rules(contract, bad, terms(contract, bad.num_rows))


@pytest.mark.parametrize(
    ("contract", "column"),
    [pytest.param(k, x, id=f"{k.table.name}.{x.name}") for k in CONTRACTS for x in k.table.columns],
)
def test_columns_are_held_to_their_schema(contract: Contract, column: Any) -> None:
    whole, circumstances = table(contract, good(contract)), terms(contract)
    place = whole.schema.get_field_index(column.name)
    without = whole.drop_columns([column.name])
    other = whole.set_column(place, column.name, pa.nulls(ROWS, pa.date32()))
    empty = whole.set_column(place, column.name, pa.nulls(ROWS, whole.schema.field(place).type))
    of_type = {f"type of {column.name}"}
    assert broken_rules(contract, without, circumstances) == of_type
    assert broken_rules(contract, other, circumstances) == of_type
    if not column.nullable:
        assert f"nulls in {column.name}" in broken_rules(contract, empty, circumstances)


def test_entries_are_counted_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_LISTS_AT_ONCE", 3)
    rows = good(lists.CONTRACT)
    for place, items_of_list in {1: "i4 i4", 5: "i2 i1", 7: "i5 i0", 9: "i3 i3"}.items():
        rows[place][c.ITEM_IDS] = items_of_list.split()
    found = lists.figures(table(lists.CONTRACT, rows), terms(lists.CONTRACT))
    # Everybody has touched i0 and i2 and blocked i1.
    counts = {lists.REPEATED: 2, lists.EXCLUDED: 3, lists.UNAVAILABLE: 1}
    assert {name: found[name] for name in counts} == counts


def test_rows_that_repeat_one_of_another_batch_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_ROWS_IN_CACHE", 4)
    texts = pa.array([None if n % 7 == 0 else f"u{n % 7}" for n in range(30)])
    values = pa.array([None if n % 3 == 0 else n % 3 for n in range(30)], pa.float64())
    moments = pa.array([n % 3 for n in range(30)], pa.timestamp("us", "UTC"))
    rows = pa.table({"text": texts, "value": values, "moment": moments})
    assert measures.duplicate_share(rows, ["text"]) == 23 / 30
    assert measures.duplicate_share(rows, ["moment"]) == 27 / 30
    assert measures.duplicate_share(rows, ["text", "value"]) == 9 / 30


@pytest.mark.parametrize("column", [c.SCORES, c.SOURCES, c.PROPENSITIES])
def test_every_array_of_a_list_has_its_length(column: str) -> None:
    uneven = one(**{column: [1]})(good(lists.CONTRACT))
    broken = broken_rules(lists.CONTRACT, table(lists.CONTRACT, uneven), terms(lists.CONTRACT))
    assert broken == {lists.LENGTHS}


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_a_chance_is_above_0_and_at_most_1(chance: float) -> None:
    odd = one(propensities=[1.0, chance])(good(lists.CONTRACT))
    broken = broken_rules(lists.CONTRACT, table(lists.CONTRACT, odd), terms(lists.CONTRACT))
    assert broken == {lists.CHANCES}


def test_a_first_run_has_nothing_to_be_compared_with() -> None:
    first = Trailing((), None, None, runs_needed=2)
    judged = events.rules(CheckContext(as_of=AS_OF, trailing=first))
    severities = {rule.name: rule.severity for rule in judged}
    assert events.A_DAY not in severities
    assert severities[events.AGE] == "warn"


@pytest.mark.parametrize(
    ("usual", "left", "caught"),
    [
        pytest.param(201, 10, True, id="191 of 201"),
        pytest.param(100, 19, True, id="81 of 100"),
        pytest.param(100, 20, False, id="80 of 100: a fifth is allowed"),
        pytest.param(10, 0, True, id="10 of 10"),
        pytest.param(10, 1, False, id="9 of 10: chance"),
        pytest.param(3, 0, False, id="3 of 3: chance"),
        pytest.param(10_000, 1_999, True, id="8,001 of 10,000"),
    ],
)
def test_a_lost_day_is_caught_at_any_size_but_for_chance(
    usual: int, left: int, *, caught: bool
) -> None:
    least = Trailing([usual] * 5).least_events(0.2)
    assert least is not None
    assert (left < least) is caught


def test_days_of_a_poisson_process_are_hardly_ever_taken_for_a_loss() -> None:
    rng = np.random.default_rng(1)
    for mean in (5.0, 12.0, 40.0):
        past, now = rng.poisson(mean, (4_000, 14)), rng.poisson(mean, 4_000)
        least = [Trailing(days.tolist()).least_events(1.0) for days in past]
        assert np.mean(now < np.array(least, float)) < 3e-3


def test_days_that_vary_more_than_chance_allow_more() -> None:
    even = Trailing([201] * 14).least_events(1.0)
    uneven = Trailing([300, 120, 201, 90, 310, 201, 130] * 2).least_events(1.0)
    spiked = Trailing([201] * 13 + [5000]).least_events(1.0)
    assert even is not None
    assert uneven is not None
    assert uneven < even / 2
    assert spiked == even


@pytest.mark.parametrize(
    ("usual", "left", "caught"),
    [(10, 0, True), (10, 5, True), (10, 6, False), (4, 0, True), (3, 0, False), (1000, 799, True)],
)
def test_tables_that_vanish_are_caught_unless_a_few_rows_may_go(
    usual: int, left: int, *, caught: bool
) -> None:
    least = Trailing([usual] * 5).least_rows(0.8)
    assert least is not None
    assert (left < least) is caught


@pytest.mark.parametrize(
    ("before", "lost", "caught"),
    [(10, 4, True), (10, 3, False), (1, 1, False), (3, 3, True), (1000, 25, True)],
)
def test_lost_blocks_are_caught_unless_they_are_a_handful(
    before: int, lost: int, *, caught: bool
) -> None:
    assert (lost > most_lost(before, 0.01)) is caught
    assert (most_lost(before, 0.0), most_lost(before, 1.0)) == (0, before)
    assert most_lost(before, 0.01, days=30.0) >= most_lost(before, 0.25)


def test_blocks_of_users_and_items_that_are_gone_are_not_lost() -> None:
    rows = good(blocks.CONTRACT)
    circumstances = terms(blocks.CONTRACT)
    left = [row for row in rows if row[c.USER_ID] >= 8 and row[c.ITEM_ID] != "i0"]
    there = replace(
        circumstances.related, users=pa.array(range(8, ROWS), pa.int64()), items=pa.array(["i1"])
    )
    found = blocks.figures(table(blocks.CONTRACT, left), replace(circumstances, related=there))
    assert found[blocks.LOST] == 0


def test_growth_is_a_multiple_and_what_chance_does() -> None:
    assert Trailing([10_000] * 5).most(5.0) == 50_400.0


def test_the_guide_says_which_loss_each_rule_catches() -> None:
    guide = Path(__file__).parents[2] / "docs" / "contracts.md"
    assert as_markdown() in guide.read_text(encoding="utf-8")


def test_mix_shift_is_the_total_variation_distance() -> None:
    assert mix_shift({"view": 1.0}, {"like": 1.0}) == 1.0
    assert mix_shift({"view": 0.5, "like": 0.5}, {"view": 0.7, "like": 0.3}) == pytest.approx(0.2)


def test_a_violation_says_what_is_wrong_how_much_and_what_to_do() -> None:
    contract = items.CONTRACT
    bad = table(contract, CHANGES["raw/items"][items.AVAILABLE](good(contract)))
    violation, _ = contract.check(bad, terms(contract)).violations
    assert str(violation) == (
        "raw/items: available items is 0, allowed is at least 1; "
        "see what [sources.items] maps to available; lists would be empty"
    )


def test_a_check_leaves_the_same_result_each_time() -> None:
    contract = events.CONTRACT
    rows = table(contract, good(contract))
    first, second = (contract.check(rows, terms(contract)).result for _ in range(2))
    assert first == second
    assert first["meta"]["run_id"]["run_time"] == "2026-01-02T00:00:00+00:00"


def test_no_evidence_stops_a_run() -> None:
    contract = matrix.CONTRACT
    faded = table(contract, every(weights=[0.0, 0.0])(good(contract)))
    (violation,) = contract.check(faded, terms(contract)).of("fail")
    assert str(violation).startswith(
        "histories: entries with a weight above 0 is 0, allowed is at least 1; see [events]"
    )


@pytest.mark.parametrize(
    ("ages", "before", "severity"),
    [
        pytest.param([20_459.5, 20_459.4], False, "fail", id="all in 1970"),
        pytest.param([20_459.5, 20_459.4], True, "warn", id="as on the night before"),
        pytest.param([20_459.5, 3.0], False, None, id="some in 1970"),
        pytest.param([1.0, 1.0], False, None, id="all yesterday"),
    ],
)
def test_everything_at_once_long_ago_stops_a_run_unless_it_always_was_so(
    ages: list[float], *, before: bool, severity: str | None
) -> None:
    contract = matrix.CONTRACT
    usual = terms(contract)
    usual = replace(usual, trailing=replace(usual.trailing, at_once=before))
    rows = every(ages=ages, last_ages=ages)(good(contract))
    violations = contract.check(table(contract, rows), usual).violations
    assert [v.rule.severity for v in violations] == ([severity] if severity else [])
