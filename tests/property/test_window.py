from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recsys.window import Window, by_day, missing

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


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(0, 59))
def test_windows_by_day_each_last_a_day_and_stop_where_they_do(hours: list[int], cut: int) -> None:
    """Windows one after the other; the end lies in the last."""
    bounds = [START]
    for length in hours:
        bounds.append(bounds[-1] + timedelta(hours=length))
    made = [Window(a, b) for a, b in pairwise(bounds)]
    end = bounds[-1] - timedelta(hours=min(cut, hours[-1] - 1))
    groups = by_day(made, end)
    together = [window for group in groups for window in group]
    assert together == made[len(made) - len(together) :]
    rest = made[: len(made) - len(together)]
    assert not rest or min(rest[-1].end, end) - rest[0].start < timedelta(days=1)
    for group in groups:
        assert min(group[-1].end, end) - group[0].start >= timedelta(days=1)
        assert not group[1:] or min(group[-1].end, end) - group[1].start < timedelta(days=1)


def test_whole_days_stay_by_themselves() -> None:
    made = [Window(day(0), day(1)), Window(day(1), day(4)), Window(day(4), day(5))]
    assert by_day(made, day(5)) == [[window] for window in made]
