"""What analysts see of runs: the example queries, on nights whose answers are known."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from jobs.db.statements import SQL
from jobs.lake.files import remove
from jobs.sinks.postgres import lookup
from jobs.sinks.postgres.dictionary import read_dictionary
from jobs.steps import publish_lists
from recsys.as_of import AsOf
from recsys.errors import HeldError, MissingPartitionError, PublishedSideError
from recsys.schemas import LISTS
from recsys.sections.gates import Gates
from recsys.sections.ids import Ids
from recsys.sections.lists import Lists
from recsys.sections.segments import Segments
from tests.finished_nights import FinishedNight, Publisher
from tests.postgres.publications import query

REPOSITORY: Final = Path(__file__).parents[2]
EXAMPLES: Final = {path.stem[:2]: path for path in sorted((SQL / "examples").glob("*.sql"))}
OPEN: Final = Gates(min_users_kept=0, min_overlap=0, max_fallback_share=1, max_score_drift=1e9)
NULL_USER: Final = "events: user_id is null"
FIRST: Final = FinishedNight(
    lists={1: [10, 11], 2: [10, 12], 3: [], 42: [10, 11, 12]},
    as_of=AsOf.parse("2026-01-01"),
    ndcg=0.25,
    error=0.01,
    available=5,
    members=5,
    items={
        10: ("Oak chair", ["oak"]),
        11: ("Oak table", ["oak"]),
        12: ('Pine "shelf", {1}', ["pine"]),
        13: ("Pine bed\x00", ["pine"]),
        14: (None, ["elm"]),
        15: ("No labels", []),
        16: ("Odd labels", ['a "b\\', "NULL", ""]),
    },
    touched={1: 6, 2: 3, 3: 7, 42: 0, 7: 1},
    inactive={7},
    countries={1: "DE", 2: "DE"},
    refused={NULL_USER: 2},
    seconds={"rank_lists": 1.0},
)
SECOND: Final = replace(
    FIRST,
    lists={1: [10, 11], 2: [13, 12], 3: [], 42: [13, 10, 11]},
    as_of=AsOf.parse("2026-01-02"),
    refused={NULL_USER: 5, "items: item_id is null": 1},
    seconds={"rank_lists": 3.0},
)
THIRD: Final = replace(
    SECOND, lists={1: [14]}, as_of=AsOf.parse("2026-01-03"), seconds={"rank_lists": 5.0}
)
ALL_SEEN: Final = "everything was seen, blocked or not available"
ALL_GONE: Final = "all of it was removed or blocked since"


@pytest.fixture
def nights(publisher: Publisher, postgres_uri: SecretStr) -> SecretStr:
    """Two runs, a third that a gate holds, and a night that stops."""
    segments = Segments(attribute="home.country", least_users=1)
    for night in (FIRST, SECOND):
        publisher.publish(night, gates=OPEN, segments=segments)
    with pytest.raises(HeldError):
        publisher.publish(THIRD, gates=Gates(min_overlap=0.9), segments=segments)
    stopped = publisher.fill(replace(FIRST, as_of=AsOf.parse("2026-01-04")))
    remove(stopped.lake.as_of(LISTS.name, stopped.as_of).path)
    with pytest.raises(MissingPartitionError):
        publish_lists.main(stopped)
    for item in (12, 13):
        query(postgres_uri, f"SELECT recs.remove_item({item})", "recsys_moderator")
    return postgres_uri


def asked(uri: SecretStr, number: str) -> list[tuple[Any, ...]]:
    """The answer to an example, to an analyst."""
    return query(uri, EXAMPLES[number].read_text(encoding="utf-8"), "recsys_analyst")


def rounded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Numbers to three digits."""
    return [
        tuple(round(float(x), 3) if isinstance(x, float | Decimal) else x for x in row)
        for row in rows
    ]


def test_the_questions_have_their_answers(nights: SecretStr, publisher: Publisher) -> None:
    shown = [(1, 13, "Pine bed\ufffd"), (2, 10, "Oak chair"), (3, 11, "Oak table")]
    assert [row[:3] for row in asked(nights, "01")] == shown
    runs = [(row[0], *row[2:4], *map(float, row[4:7])) for row in asked(nights, "02")]
    assert runs == [
        (3, "held", False, 0.25, 0.2387, 0.2613),
        (2, "published", True, 0.25, 0.2387, 0.2613),
        (1, "published", False, 0.25, 0.2387, 0.2613),
    ]
    # 13 was nowhere, and now leads two lists: 2 of 2 x (1 + 0.631) + 1 + 0.631 + 0.5.
    assert rounded(asked(nights, "03")) == [
        (13, "Pine bed\ufffd", 0.0, 0.371, 0.371),
        (14, None, 0.0, 0.0, 0.0),
        (15, "No labels", 0.0, 0.0, 0.0),
        (16, "Odd labels", 0.0, 0.0, 0.0),
        (11, "Oak table", 0.234, 0.21, -0.024),
        (12, 'Pine "shelf", {1}', 0.21, 0.117, -0.093),
        (10, "Oak chair", 0.556, 0.302, -0.254),
    ]
    assert rounded(asked(nights, "04")) == [
        ("oak", 2, 0, 0.512),
        ("pine", 2, 0, 0.488),
        *((tag, 1, 1, 0.0) for tag in ("", "NULL", 'a "b\\', "elm")),
    ]
    # Four with a history, and one of five members of whom nothing is known.
    assert rounded(asked(nights, "05")) == [
        ("other", 3, 0.333, 0.667, 0.333, 1),
        ("home.country=DE", 2, 0.0, 0.5, 0.0, 0),
    ]
    assert rounded(asked(nights, "06")) == [(2, 0.5, 0.5), (42, 0.667, 1.0), (1, 1.0, 0.0)]
    assert asked(nights, "07") == [(2, ALL_GONE), (3, ALL_SEEN)]
    assert asked(nights, "08") == [
        ("events", "user_id is null", 5, 0, 3),
        ("items", "item_id is null", 1, 0, 1),
    ]
    stopped, held = asked(nights, "09")
    assert (stopped[1:3], held[1:3]) == (("stopped", "publish_lists"), ("held", None))
    assert stopped[3].startswith("lists as of 2026-01-04 is not in the lake")
    assert held[3].endswith("; 0 is below gates.min_overlap = 0.9")
    steps = {step: (seconds, usual) for step, seconds, usual in asked(nights, "10")}
    assert steps["rank_lists"] == (5.0, 2.0)
    assert set(steps) == {"rank_lists", "publish_lists"}
    # Users touch the first rows of items, all one day before the as-of: of the first run's lists 1
    # turned to both, 2 to both and 42 to none. The third night is held back, but it counts.
    assert rounded(asked(nights, "11")) == [
        (SECOND.as_of.instant, THIRD.as_of.instant, 7, 3, 0.429, 0.667, None, None, None),
        (FIRST.as_of.instant, THIRD.as_of.instant, 7, 4, 0.571, 0.667, None, None, None),
    ]
    # It is of people alone; tests/e2e/test_people.py asks it.
    assert asked(nights, "12") == []
    assert set(EXAMPLES) == {f"{n:02}" for n in range(1, 13)}
    check_gates_and_freshness(nights)
    check_a_past_date_looks_back_only(publisher, nights)


def check_a_past_date_looks_back_only(publisher: Publisher, uri: SecretStr) -> None:
    """A run counts what followed live runs of earlier as-ofs, and none whose run was held. Made
    again, a past date counts the same, unless the lake has other lists than were live."""
    text = (
        "SELECT label, name, value FROM recs.run_metric WHERE name LIKE 'realised%' "
        "AND run_id = (SELECT max(run_id) FROM recs.run) ORDER BY 1, 2"
    )
    assert {row[0] for row in query(uri, text)} == {str(FIRST.as_of), str(SECOND.as_of)}
    counted: list[list[tuple[Any, ...]]] = []
    for night in (SECOND, FIRST, SECOND, replace(FIRST, lists={1: [10]}), SECOND):
        publisher.publish(night, gates=OPEN, promote=False)
        counted.append(query(uri, text))
    assert [row[0] for row in counted[0]] == [str(FIRST.as_of)] * 4
    assert counted == [counted[0], [], counted[0], [], []]


def check_gates_and_freshness(nights: SecretStr) -> None:
    held = query(
        nights,
        "SELECT value, least, most, passed FROM recs.gate_result "
        "WHERE run_id = 3 AND figure = 'overlap'",
        "recsys_analyst",
    )
    assert held == [(0.0, 0.9, None, False)]
    fresh = "SELECT run_id, as_of, lists_age < '1 hour' FROM recs.freshness"
    assert query(nights, fresh, "recsys_analyst") == [(2, SECOND.as_of.instant, True)]
    titles = lookup.titles(nights, Ids(), ["10", "13", "14", "99"])
    assert titles == {"10": "Oak chair", "13": "Pine bed\ufffd"}


def test_figures_outlast_the_lists_of_their_run(
    publisher: Publisher, postgres_uri: SecretStr
) -> None:
    for night in (FIRST, SECOND):
        publisher.publish(night, gates=OPEN, lists=Lists(keep_runs=1))
    kept: Mapping[str, list[int]] = {"item": [2], "run_metric": [1, 2], "population": [1, 2]}
    for table, runs in kept.items():
        found = query(postgres_uri, f"SELECT DISTINCT run_id FROM recs.{table} ORDER BY 1")  # noqa: S608
        assert [run for (run,) in found] == runs, table


@pytest.mark.parametrize("table", ["run_metric", "item", "list_item", "stopped_night"])
def test_apps_see_none_of_it(postgres_uri: SecretStr, table: str) -> None:
    with pytest.raises(PublishedSideError, match="permission denied"):
        query(postgres_uri, f"SELECT FROM recs.{table}", "recsys_app")


def test_everything_has_a_comment_and_the_documents_are_what_comments_say(
    postgres_uri: SecretStr,
) -> None:
    dictionary = read_dictionary(postgres_uri)
    assert dictionary.without_meaning() == []
    page = (REPOSITORY / "docs" / "tables.md").read_text(encoding="utf-8")
    assert dictionary.page(page) == page, "run `make docs`"
    sources = (SQL / "dbt" / "models" / "sources.yml").read_text(encoding="utf-8")
    assert dictionary.dbt_sources() == sources, "run `make docs`"
