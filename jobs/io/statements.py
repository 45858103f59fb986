"""The statements of `sql/`, by file name without ending."""

from functools import cache
from pathlib import Path
from typing import Final

SQL: Final = Path(__file__).resolve().parents[2] / "sql"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
