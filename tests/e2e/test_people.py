"""Nights of a market of people: whom lists hold, what the check of lists sees, and what follows."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from bson import Int64

from jobs.app.forgetting import erase
from jobs.app.why import ExplainedRun, Pair
from jobs.db.statements import SQL
from jobs.lake.files import read_table
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.market import BLOCKS, EVENTS, INTERACTIONS, ITEMS, USERS, Market
from jobs.sinks.postgres.reasons import asked_run, kept_reason
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sources.mongo import database
from jobs.steps import check_lists
from recsys import columns as c
from recsys.errors import ContractError
from recsys.lists.registry import ListSteps
from recsys.schemas import LISTS
from recsys.sections.nights import Nights
from tests.e2e.conftest import OPEN_GATES, Pipeline
from tests.e2e.inputs import DAY, at, table
from tests.e2e.people_sources import document, of_people
from tests.wishes import RULES, Profile, permitted

PEOPLE, LENGTH = 60, 12
NEXT = DAY + timedelta(days=1)
WISHES = {name: RULES[name] for name in ("orientation", "age", "language", "near")}
#: Of whom the sources hold the row of the member alone.
UNKNOWN, INACTIVE = 58, 59


def made_up_profiles() -> dict[int, Profile]:
    rng = np.random.default_rng(3)
    profiles: dict[int, Profile] = {}
    for person in range(1, UNKNOWN):
        gender = ["f", "m"][person % 2]
        seeks = ["m", "f"][person % 2] if rng.random() < 0.9 else gender
        age = int(rng.integers(20, 50))
        profile = {
            "gender": [gender],
            "seeks": [seeks, "x"],
            "age": [str(age)],
            "wants.min": [str(age - 12)] if person % 5 else [],
            "wants.max": [str(age + 12)] if person % 7 else [],
            "speaks": ["en", ["de", "fr"][person % 2]] if person % 11 else [],
            "lat": [f"{rng.uniform(47, 48):.4f}"],
            "lon": [f"{rng.uniform(8, 9):.4f}"],
            "wants.km": ["60"] if person % 3 == 0 else [],
        }
        profiles[person] = {path: values for path, values in profile.items() if values}
    return profiles


class People:
    """The sources of a made-up market, and what must follow from them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.profiles = made_up_profiles()
        liked = {(int(a), int(b)) for a, b in rng.integers(1, UNKNOWN, (400, 2)) if a != b}
        pairs = sorted(liked)
        self.blocks, self.passes, self.matches = pairs[::40], pairs[1::40], pairs[2::40]
        ended = {*self.blocks, *self.passes, *self.matches}
        self.likes = [pair for pair in pairs if pair not in ended]

    def market(self) -> Market:
        likes = [(a, b, "like", None, at(9), at(9)) for a, b in self.likes]
        kinds = (("pass", self.passes), ("match", self.matches))
        ends = [(a, b, kind, None, at(2), at(2)) for kind, pairs in kinds for a, b in pairs]
        everybody = range(1, PEOPLE)
        return Market(
            users=table(USERS, [(p, f"person {p}", p != INACTIVE, at(90)) for p in everybody]),
            items=table(ITEMS, []),
            interactions=table(INTERACTIONS, likes),
            blocks=table(BLOCKS, [(a, b, at(50)) for a, b in self.blocks]),
            events=table(EVENTS, ends),
            item_profiles=[],
            user_profiles=[document(p, profile) for p, profile in self.profiles.items()],
            as_of=DAY,
        )

    @cached_property
    def ended(self) -> set[tuple[int, int]]:
        pairs = {*self.blocks, *self.passes, *self.matches}
        return pairs | {(b, a) for a, b in pairs}

    def left(self, person: int) -> set[int]:
        """Everybody who may be on the list of a person."""
        own, likes = self.profiles.get(person, {}), set(self.likes)
        return {
            other
            for other in range(1, INACTIVE)
            if other != person
            and not {(person, other)} & (self.ended | likes)
            and permitted(WISHES, own, self.profiles.get(other, {}))
        }


@pytest.fixture
def people(pipeline: Pipeline) -> People:
    """A pipeline on a market of people."""
    made = People()
    pipeline.load(made.market())
    pipeline.config = of_people(
        pipeline.config,
        WISHES,
        lists=pipeline.config.lists.model_copy(update={"length": LENGTH}),
        list_steps=ListSteps.model_validate({"explore": {"slots": 2, "first_place": 2}}),
        nights=Nights(full_every=7),
        gates=OPEN_GATES,
    )
    return made


def test_a_market_of_people(pipeline: Pipeline, people: People) -> None:
    """One story, because a night takes long."""
    run = pipeline.run(DAY)
    check_lists_of(pipeline, people)
    check_nobody_else_is_answered(pipeline)
    check_what_dropped_pairs(pipeline, people, run)
    check_bad_pairs_are_seen(people, run)
    check_a_block_hides_both(pipeline)
    listed = turn_to_some(pipeline, people)
    check_a_night_on_changes(pipeline, people)
    check_what_followed(pipeline, listed)
    check_the_forgotten_are_gone(pipeline, run)


def check_lists_of(pipeline: Pipeline, people: People) -> None:
    """Everybody active has a list, full of whom the rules leave."""
    lists = pipeline.lists()
    assert sorted(lists) == [*range(1, INACTIVE)]
    for person, row in lists.items():
        left = people.left(person)
        assert set(row) <= left
        assert len(row) == min(LENGTH, len(left))
    assert lists[UNKNOWN] == [] or people.left(UNKNOWN)
    assert any(len(row) == LENGTH for row in lists.values())


def check_nobody_else_is_answered(pipeline: Pipeline) -> None:
    """Of strangers nothing is known, so neither is who may be shown to them; what people say of
    themselves is not published."""
    assert pipeline.query("SELECT DISTINCT tags, attributes FROM recs.item") == [([], [])]
    assert pipeline.query("SELECT * FROM recs.top_n(4711, 5)") == []
    assert pipeline.query("SELECT count(*) FROM recs.fallback_list") == [(0,)]


def check_what_dropped_pairs(pipeline: Pipeline, people: People, run: RunArguments) -> None:
    uri = pipeline.settings.require_postgres()
    explained = ExplainedRun(run, asked_run(uri, None))

    def verdict(user: int, item: int) -> str:
        kept = kept_reason(uri, str(user), str(item), 1)
        return explained.answer(Pair(user, item), kept).verdict.partition(":")[0]

    (blocker, blocked), (passer, passed), pair = (
        each[0] for each in (people.blocks, people.passes, people.matches)
    )
    assert verdict(blocker, blocker) == "yourself"
    assert verdict(blocker, blocked) == "blocked"
    assert verdict(blocked, blocker) == "blocked by them"
    assert verdict(passer, passed) == "passed"
    assert verdict(passed, passer) == "passed by them"
    assert {verdict(*pair), verdict(*pair[::-1])} == {"matched"}
    assert verdict(*people.likes[0]) == "seen"
    assert verdict(1, UNKNOWN) == "wish"
    user, row = next((user, row) for user, row in pipeline.lists().items() if row)
    assert verdict(user, row[0]) == "listed"


def check_bad_pairs_are_seen(people: People, run: RunArguments) -> None:
    """The check of lists fails on each kind of pair that must not be published, and says which."""
    partition = run.lake.as_of(LISTS.name, run.as_of)
    good = partition.read(LISTS, run.config.ids)
    unwanted = next(
        (one, other)
        for one in range(1, UNKNOWN)
        for other in range(1, UNKNOWN)
        if not permitted({"age": WISHES["age"]}, people.profiles[one], people.profiles[other])
        and (one, other) not in people.ended
        and (one, other) not in people.likes
        and one != other
    )
    for rule, (one, other) in {
        "show people to themselves is 1": (1, 1),
        "either has blocked": people.blocks[0][::-1],
        "passed by or matched": people.passes[0][::-1],
        "wish age of either": unwanted,
    }.items():
        with partition.replace() as draft:
            draft.stats |= partition.manifest().stats
            draft.write_table(_planted(good, one, other))
        with pytest.raises(ContractError) as caught:
            check_lists.main(run)
        failures = str(caught.value) + str(check_failures(run))
        assert rule in failures
    with partition.replace() as draft:
        draft.stats |= partition.manifest().stats
        draft.write_table(good)
    check_lists.main(run)


def check_failures(run: RunArguments) -> Sequence[str]:
    """Rules that the last check of lists found broken."""
    (kept,) = run.lake.as_of("contracts/lists", run.as_of).files()
    return [kept.path.read_text()] if kept else []


def _planted(lists: pa.Table, one: int, other: int) -> pa.Table:
    rows = lists.to_pylist()
    (row,) = [row for row in rows if row[c.USER_ID] == one]
    row |= {c.ITEM_IDS: [other], c.SCORES: [0.0], c.SOURCES: [0], c.PROPENSITIES: [1.0]}
    row |= {c.BECAUSE_IDS: None, c.REASONS: None}
    return pa.Table.from_pylist(rows, lists.schema)


def check_a_block_hides_both(pipeline: Pipeline) -> None:
    """A block after the night hides each of the two from the other at the next lookup."""
    lists = pipeline.lists()
    one, other = next((a, b) for a, row in lists.items() for b in row if a in lists[b])
    pipeline.query("SELECT recs.block(%s, %s)", (one, other))
    for user, hidden in ((one, other), (other, one)):
        shown = pipeline.query("SELECT item_id FROM recs.top_n(%s, 100)", (user,))
        assert len(shown) == len(lists[user]) - 1
        assert (hidden,) not in shown


def turn_to_some(pipeline: Pipeline, people: People) -> Mapping[int, Sequence[int]]:
    """After the first night two like each other, somebody likes one who has liked them before, and
    somebody one who has not, all of them by their lists. Gives these."""
    lists, liked = pipeline.lists(), set(people.likes)
    pairs = [(one, other) for one, row in lists.items() for other in row]
    both = next((a, b) for a, b in pairs if a in lists[b])
    answer = next((a, b) for a, b in pairs if (b, a) in liked and not {a, b} & {*both})
    found = {*both, *answer}
    alone = next((a, b) for a, b in pairs if (b, a) not in liked and not {a, b} & found)
    new = [both, both[::-1], answer, alone]
    for pair in new:
        pipeline.query(
            "INSERT INTO market.interactions (user_id, item_id, kind, created_at, received_at) "
            "VALUES (%s, %s, 'like', %s, %s) RETURNING user_id",
            (*pair, at(-0.5), at(-0.5)),
        )
    people.likes += new
    return lists


def check_what_followed(pipeline: Pipeline, lists: Mapping[int, Sequence[int]]) -> None:
    """The second night knows which entries of the first became yeses, and who found whom."""
    full = [row for row in lists.values() if row]
    outcome = pipeline.query(
        "SELECT as_of, known_through, entries, yeses, round(yes_share * lists), matches, "
        "round((1 - unmatched_share) * lists) FROM recs.market_outcome"
    )
    assert outcome == [(DAY.instant, NEXT.instant, sum(map(len, full)), 4, 4, 2, 4)]
    # One of the four was an answer, and two turned to each other at once.
    replies = pipeline.query(
        "SELECT count(*), sum(people), sum(listed), sum(asked), sum(answered) "
        "FROM recs.market_replies WHERE as_of = %s AND known_through = %s",
        (DAY.instant, NEXT.instant),
    )
    shown = {item for row in full for item in row}
    assert replies == [(10, len(shown), sum(map(len, full)), 1, 0)]
    question = SQL / "examples" / "12_whether_those_shown_much_answer.sql"
    tenths = pipeline.query(question.read_text(encoding="utf-8"))
    lists_a_person = [row[1] for row in tenths]
    assert lists_a_person == sorted(lists_a_person)
    assert sum(row[2] for row in tenths) == 1


def check_a_night_on_changes(pipeline: Pipeline, people: People) -> None:
    """Somebody turns 77 and somebody is blocked: lists with a pair that breaks a rule by now are
    made anew, the others are kept."""
    before = pipeline.lists()
    aged = max(before, key=lambda person: sum(person in row for row in before.values()))
    people.profiles[aged] = {**people.profiles[aged], "age": ["77"]}
    with database(pipeline.settings.require_mongo()) as mongo:
        changed = document(aged, people.profiles[aged])
        mongo["user_profiles"].replace_one({"user_id": Int64(aged)}, changed)
    pipeline.run(NEXT)
    lists = pipeline.lists()
    for person, row in lists.items():
        left = people.left(person)
        assert set(row) <= left
        assert len(row) == min(LENGTH, len(left)) or row == before[person]
    assert 0 < sum(row == before[person] for person, row in lists.items()) < len(lists)
    assert sum(aged in row for row in lists.values()) < sum(aged in row for row in before.values())


def check_the_forgotten_are_gone(pipeline: Pipeline, run: RunArguments) -> None:
    """Neither the lists of others nor any row of the lake name a forgotten person."""
    lists = pipeline.lists()
    gone = max(lists, key=lambda person: sum(person in row for row in lists.values()))
    record = PostgresSink(pipeline.settings.require_postgres(), run.config.ids)
    assert erase(record, [], run.lake, run.config, gone).left == 0
    left = pipeline.lists()
    assert left == {
        user: [item for item in row if item != gone] for user, row in lists.items() if user != gone
    }
    user = next(user for user, row in lists.items() if gone in row and user != gone)
    places = pipeline.query("SELECT rank, source FROM recs.top_n(%s, 100)", (user,))
    assert len(places) == len(left[user])
    assert pipeline.query("SELECT count(*) FROM recs.item WHERE item_id = %s", (gone,)) == [(0,)]
    for partition in run.lake.partitions():
        for file in partition.files():
            if file.path.suffix == ".parquet" and "raw" in str(file.path):
                rows: Mapping[str, list[Any]] = read_table(file).to_pydict()
                assert gone not in [*rows.get(c.USER_ID, []), *rows.get(c.ITEM_ID, [])]
