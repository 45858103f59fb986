from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recsys.window import Window, missing

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


windows = st.tuples(st.integers(0, 30), st.integers(1, 10)).map(
    lambda w: Window(day(w[0]), day(w[0] + w[1]))
)


def days(window: Window) -> set[datetime]:
    return {day(n) for n in range(50) if window.start <= day(n) < window.end}


@given(windows, st.lists(windows))
def test_missing_is_exactly_what_is_not_covered(wanted: Window, covered: list[Window]) -> None:
    gaps = missing(wanted, covered)
    held = set().union(*map(days, covered))
    assert set().union(*map(days, gaps)) == days(wanted) - held
    assert sum(len(days(gap)) for gap in gaps) == len(days(wanted) - held)


@given(windows, st.integers(1, 40))
def test_slices_meet_and_fill_the_window(window: Window, parts: int) -> None:
    slices = window.slices(parts)
    assert len(slices) <= parts
    assert (slices[0].start, slices[-1].end) == (window.start, window.end)
    assert all(a.end == b.start for a, b in pairwise(slices))
