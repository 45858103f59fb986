"""What every sink promises: whole runs or none, one publication at a time, a way back, no trace."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import RecsysError, RunNotThereError
from tests.sinks.cases import RECORD, USERS, Case, calls_of_steps, killed_at, lists_of, tables_of

#: At how many calls of functions each step of a publication is killed.
KILLS = {"stage": 3, "complete": 8, "retire": 2}


def test_a_run_is_live_as_a_whole_or_not_at_all(case: Case) -> None:
    sink = case.open()
    assert (sink.live(), list(sink.runs())) == (None, [])
    first = case.publish(1)
    assert (sink.live(), case.read()) == (first, lists_of(1))
    with sink.publication() as publication:
        number = publication.allocate(RECORD) if hasattr(publication, "allocate") else 2
        staged = publication.stage(number, RECORD, tables_of(lists_of(2)))
        assert (staged.run_id, staged.users) == (number, USERS)
        assert (sink.live(), case.read()) == (first, lists_of(1))
        publication.complete(staged, live=True)
        assert (sink.live(), case.read()) == (number, lists_of(2))
    assert list(sink.runs()) == [number, first]


def test_history_is_kept_and_not_live(case: Case) -> None:
    sink = case.open()
    first, past = case.publish(1), case.publish(2, live=False)
    assert (sink.live(), case.read()) == (first, lists_of(1))
    assert list(sink.runs()) == [past, first]
    assert sink.rollback(past) == past
    assert case.read() == lists_of(2)


def test_a_killed_publication_leaves_one_run_or_the_other(case: Case, tmp_path: Path) -> None:
    case.publish(1)
    calls = calls_of_steps(case, 2, tmp_path)
    seen, live = set(), 2
    for number, (step, call) in enumerate(instants(calls), 10):
        killed_at(case, number, step, call)
        found = case.read()
        assert found in (lists_of(live), lists_of(number)), (step, call)
        seen.add("new" if found == lists_of(number) else "old")
        live = number if found == lists_of(number) else live
    assert seen == {"old", "new"}
    case.publish(99)
    assert case.read() == lists_of(99)
    check_nothing_is_left_over(case)


def instants(calls: Mapping[str, int]) -> list[tuple[str, int]]:
    """Calls evenly spread over each step, the first and the last of it among them."""
    return [
        (step, int(call))
        for step, kills in KILLS.items()
        for call in np.linspace(1, calls[step], kills)
    ]


def check_nothing_is_left_over(case: Case) -> None:
    """Each user stands in the runs that are kept, and nowhere else."""
    sink = case.open()
    with sink.publication():
        pass
    assert sink.mentions(1) == len(sink.runs()) * (2 if case.name == "postgres" else 1)


def test_two_publications_at_once_come_one_after_the_other(case: Case) -> None:
    case.publish(1)
    sink = case.open()
    with ThreadPoolExecutor(1) as threads:
        with sink.publication() as publication:
            first = publication.allocate(RECORD) if hasattr(publication, "allocate") else 2
            staged = publication.stage(first, RECORD, tables_of(lists_of(2)))
            other = threads.submit(case.publish, 3)
            # One that did not wait would clear up what is staged here.
            wait([other], timeout=2)
            publication.complete(staged, live=True)
            assert (sink.live(), case.read()) == (first, lists_of(2))
        second = other.result()
    assert (sink.live(), case.read()) == (second, lists_of(3))
    assert sink.rollback() == first
    assert case.read() == lists_of(2)
    check_nothing_is_left_over(case)


def test_rollback_goes_back_step_by_step(case: Case) -> None:
    sink = case.open()
    runs = [case.publish(number) for number in (1, 2, 3)]
    assert (sink.rollback(), case.read()) == (runs[1], lists_of(2))
    assert (sink.rollback(), case.read()) == (runs[0], lists_of(1))
    with pytest.raises(RecsysError):
        sink.rollback()
    with pytest.raises(RunNotThereError):
        sink.rollback(runs[0])
    with pytest.raises(RunNotThereError):
        sink.rollback(777)
    assert (sink.rollback(runs[2]), case.read()) == (runs[2], lists_of(3))


def test_a_forgotten_user_is_in_no_run(case: Case) -> None:
    sink = case.open()
    case.publish(1)
    case.publish(2)
    assert sink.mentions(1) > 0
    sink.forget([])
    sink.forget([1, 3, 777])
    assert (sink.mentions(1), sink.mentions(3)) == (0, 0)
    kept = {user: items for user, items in lists_of(2).items() if user not in {1, 3}}
    assert case.read() == kept
    sink.forget([1, 3, 777])
    assert (case.read(), sink.mentions(2) > 0) == (kept, True)
    sink.rollback()
    assert case.read() == {u: items for u, items in lists_of(1).items() if u not in {1, 3}}


def test_the_newest_runs_stay_and_as_much_history(case: Case) -> None:
    sink = case.open()
    past = [case.publish(number, live=False) for number in (1, 2)]
    runs = [case.publish(number, keep=2) for number in (3, 4, 5)]
    assert list(sink.runs()) == [runs[2], runs[1], *reversed(past)]
    check_nothing_is_left_over(case)
    sink.rollback(runs[1])
    newer = [case.publish(number, live=False, keep=1) for number in (6, 7)]
    assert runs[1] in sink.runs()
    assert set(sink.runs()) == {newer[1], runs[2], runs[1]}
    assert case.read() == lists_of(4)


def test_a_reader_of_the_live_run_is_not_cut_off_by_the_next_publication(case: Case) -> None:
    """Whatever is kept: who has begun to read has until the publication after it."""
    case.publish(1, keep=1)
    rest = case.reading()
    case.publish(2, keep=1)
    assert case.read() == lists_of(2)
    assert rest() == lists_of(1)
    case.publish(3, keep=1)
    assert list(case.open().runs()) == [case.open().live()]
    check_nothing_is_left_over(case)
