"""The statements of `sql/`, by file name without ending."""

from functools import cache
from importlib.abc import ResourceLoader
from pathlib import Path
from typing import Final, cast

SQL: Final = Path(__file__).parents[2] / "sql"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    # What loaded this module also reads files beside it where all of them are in one archive.
    loader = cast("ResourceLoader", __spec__.loader)
    return loader.get_data(str(SQL / f"{name}.sql")).decode("utf-8")
