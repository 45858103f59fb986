"""Tables and JSON as every command prints them: whole at 80 columns, plain in a pipe."""

import json
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from recsys.as_of import AsOf
from recsys.errors import SettingsError

_READABLE: Final = 100
"""Columns that lines of text take at most."""
_NARROW: Final = 80
"""Columns that a table may always take: a terminal below that breaks its lines itself."""

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def word(name: str) -> Column:
    """A column of short texts, each on one line."""
    return Column(name, no_wrap=True)


def words(name: str) -> Column:
    """A column of texts of any length, in as many lines as they take."""
    return Column(name, overflow="fold")


def number(name: str) -> Column:
    """A column of figures."""
    return Column(name, no_wrap=True, justify="right")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Table:
    """A table; where no column has a name, it has no head."""
    made = Table(
        # A column keeps its cells.
        *(column.copy() for column in columns),
        box=None,
        pad_edge=False,
        show_header=any(column.header for column in columns),
    )
    for row in rows:
        # What people and sources write is no markup.
        made.add_row(*map(Text, row))
    return made


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Prints a table with its title above it."""
    console = Console()
    console.width = max(console.width, _NARROW)
    with console.capture() as captured:
        console.print(table(columns, rows))
    if title:
        typer.echo(title)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def show_json(value: Any) -> None:
    """Prints data as JSON: dataclasses as objects, instants in UTC, what is not known as null."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_plain))


def write_json(out: Path | None, figures: Mapping[str, Any]) -> None:
    """Writes all figures where they are asked for."""
    if out is not None:
        text = json.dumps(figures, indent=1, allow_nan=False)
        out.write_text(text + "\n", encoding="utf-8")


def check_writable(out: Path | None, option: str) -> None:
    """Refuses a file that could not be written after all the work. option: that names it."""
    if out is None:
        return
    try:
        there = out.exists()
    except OSError as error:
        raise SettingsError(f"{option} {out}: {error.strerror}") from None
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise SettingsError(f"{option} {out}: {out.parent} is no folder that can be written to")
    if there and not (out.is_file() and os.access(out, os.W_OK)):
        raise SettingsError(f"{option} {out}: is no file that can be written to")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, AsOf | Path | UUID):
        return str(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def figure(value: float | None) -> str:
    """A count with thousands marked, another number with three digits, - for none."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def minute(instant: datetime | None) -> str:
    """An instant to the minute, in UTC."""
    return "" if instant is None else f"{instant.astimezone(UTC):%F %H:%M}"


def span(time: timedelta) -> str:
    """A span of time in its greatest unit: minutes, hours up to two days, days."""
    hours, days = time / timedelta(hours=1), time / timedelta(days=1)
    if hours < 1:
        return f"{time / timedelta(minutes=1):.0f} min"
    return f"{hours:.0f} h" if days < 2 else f"{days:.0f} days"


def size(count: int) -> str:
    """A number of bytes in its greatest unit, from KiB on."""
    value, units = count / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and units[1:]:
        value /= 1024
        units.pop(0)
    return f"{value:,.1f} {units[0]}"


def show_text(text: str) -> None:
    """Prints a paragraph in lines of about equal length, as few as the terminal's width allows."""
    width = min(Console().width, _READABLE)
    lines = _lines(text, width)
    for narrower in range(width - 1, 0, -1):
        tried = _lines(text, narrower)
        if len(tried) > len(lines):
            break
        lines = tried
    typer.echo("\n".join(lines))


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
