"""The instant that bounds what a run knows."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Self, overload

from pydantic_core import CoreSchema, core_schema

_TEXT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}):?(\d{2})Z)?", re.ASCII)


@dataclass(frozen=True, order=True, repr=False)
class AsOf:
    """An instant in UTC, to the minute: a run knows only what was known before it.

    Midnight is written as its date, `2026-01-01`, any other instant as `2026-01-01T06:00Z`; in
    names of folders, where some file systems take no colon, as `2026-01-01T0600Z`. In JSON it is
    the text. Raises ValueError for a datetime without a zone or with a part of a minute.
    """

    instant: datetime

    def __post_init__(self) -> None:
        if self.instant.tzinfo is None or self.instant.second or self.instant.microsecond:
            raise ValueError(f"{self.instant.isoformat()} is no whole minute with a time zone")
        object.__setattr__(self, "instant", self.instant.astimezone(UTC))

    @classmethod
    def midnight(cls, day: date) -> Self:
        """The first instant of a day."""
        return cls(datetime.combine(day, time(), UTC))

    @classmethod
    def latest(cls, now: datetime) -> Self:
        """The last one that has come at an instant with a time zone."""
        return cls(now.replace(second=0, microsecond=0))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads either form. Raises ValueError, with a message, for any other text."""
        found = _TEXT.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            clock = time(int(found[2] or 0), int(found[3] or 0))
            return cls(datetime.combine(date.fromisoformat(found[1]), clock, UTC))
        except ValueError:
            message = f"{text!r} is neither a date like 2026-01-01 nor a UTC minute like "
            raise ValueError(f"{message}2026-01-01T06:00Z") from None

    def __str__(self) -> str:
        day, clock = self.instant.date().isoformat(), f"{self.instant:%H:%M}"
        return f"{day}T{clock}Z" if self.minute_of_day else day

    def __repr__(self) -> str:
        return f"AsOf({self})"

    @property
    def folder(self) -> str:
        """The text in a form that any file system takes as part of a name."""
        return str(self).replace(":", "")

    @property
    def minute_of_day(self) -> int:
        """Minutes since the UTC day began."""
        return self.instant.hour * 60 + self.instant.minute

    def __add__(self, span: timedelta) -> Self:
        return type(self)(self.instant + span)

    @overload
    def __sub__(self, other: timedelta) -> Self: ...
    @overload
    def __sub__(self, other: "AsOf") -> timedelta: ...
    def __sub__(self, other: "timedelta | AsOf") -> "Self | timedelta":
        if isinstance(other, AsOf):
            return self.instant - other.instant
        return type(self)(self.instant - other)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            cls._validated, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def _validated(cls, value: Any) -> "AsOf":
        """An AsOf as it is, or the text of one."""
        return value if isinstance(value, AsOf) else cls.parse(str(value))
