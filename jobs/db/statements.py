"""The statements of `sql/`, by file name without ending."""

from functools import cache
from importlib.abc import ResourceLoader
from importlib.resources import files
from pathlib import Path
from typing import Final, cast

SQL: Final = Path(__file__).parents[2] / "sql"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    # What loaded this module also reads files beside it where all of them are in one archive.
    loader = cast("ResourceLoader", __spec__.loader)
    return loader.get_data(str(SQL / f"{name}.sql")).decode("utf-8")


def names_in(folder: str) -> list[str]:
    """Names of the statements in a folder of `sql/`, in order."""
    root = cast("Path", files("jobs")).parent  # in an archive, a path of its own kind
    found = (file.name for file in (root / "sql" / folder).iterdir())
    return sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql"))
