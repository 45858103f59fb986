"""An as-of is one minute, read and written in one way."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from recsys.as_of import AsOf

MINUTES = st.builds(
    lambda day, minute: AsOf.midnight(day) + timedelta(minutes=minute),
    st.dates(min_value=date(1000, 1, 1), max_value=date(9999, 12, 30)),
    st.integers(0, 1439),
)


class Night(BaseModel):
    """Something that is kept as JSON."""

    base: AsOf | None = None


@pytest.mark.parametrize(
    ("text", "instant", "written"),
    [
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01"),
        ("2026-01-01T00:00Z", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01"),
        ("2026-01-01T06:30Z", datetime(2026, 1, 1, 6, 30, tzinfo=UTC), "2026-01-01T06:30Z"),
        ("2026-01-01T0630Z", datetime(2026, 1, 1, 6, 30, tzinfo=UTC), "2026-01-01T06:30Z"),
    ],
)
def test_a_date_is_its_midnight_and_is_written_as_the_date(
    text: str, instant: datetime, written: str
) -> None:
    found = AsOf.parse(text)
    assert (found.instant, str(found)) == (instant, written)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-30",
        "20260101",
        "2026-01-01T06:00",
        "2026-01-01T06:00:00Z",
        "2026-01-01 06:00Z",
        "2026-01-01T24:00Z",
        "2026-01-01T06:00+01:00",
        "2026-01-01T06Z",
        " 2026-01-01",
        "٢٠٢٦-01-01",
    ],
)
def test_other_texts_are_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(ValueError, match=r"a date like 2026-01-01 nor .* 2026-01-01T06:00Z"):
        AsOf.parse(text)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - that is the mistake
        datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ],
)
def test_no_other_instants(instant: datetime) -> None:
    with pytest.raises(ValueError, match="no whole minute with a time zone"):
        AsOf(instant)


def test_the_zone_makes_no_difference() -> None:
    berlin = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert AsOf(berlin) == AsOf.parse("2026-01-01")
    assert hash(AsOf(berlin)) == hash(AsOf.parse("2026-01-01"))


def test_the_latest_of_an_instant_is_its_minute() -> None:
    now = datetime(2026, 1, 1, 6, 59, 59, 999, tzinfo=UTC)
    assert str(AsOf.latest(now)) == "2026-01-01T06:59Z"


@given(MINUTES, MINUTES)
def test_what_is_written_is_read_and_ordered_by_time(one: AsOf, other: AsOf) -> None:
    for text in (str(one), one.folder):
        assert AsOf.parse(text) == one
    assert not set(one.folder) & set(':/\\?*"<>|')
    assert (one < other) == (one.instant < other.instant)
    assert other + (one - other) == one
    kept = Night(base=one).model_dump_json()
    assert kept == f'{{"base":"{one}"}}'
    assert Night.model_validate_json(kept) == Night(base=one)
