"""The SQL of the pipeline: pages of named statements, and scripts that are a file each."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.abc import ResourceLoader
from importlib.resources import files
from pathlib import Path
from typing import Final, cast

SQL: Final = Path(__file__).parents[1] / "sql"
"""In a checkout a link to `sql/`, in a wheel a folder."""
_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def statement(name: str) -> str:
    """The statement `<page>/<name>` of `sql/<page>.sql`."""
    page, _, own = name.partition("/")
    return statements(page)[own]


@cache
def statements(page: str) -> Mapping[str, str]:
    """The statements of `sql/<page>.sql` by name, in order.

    Each begins with a line `-- name: <name>`, and a comment says what it is for.
    """
    _, *parts = _NAME.split(script(page))
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


@cache
def script(name: str) -> str:
    """The text of `sql/<name>.sql`, to be run whole."""
    # What loaded this module also reads files beside it where all of them are in one archive.
    loader = cast("ResourceLoader", __spec__.loader)
    return loader.get_data(str(SQL / f"{name}.sql")).decode("utf-8")


def names_in(folder: str) -> list[str]:
    """Names of the scripts in a folder of `sql/`, in order."""
    found = (file.name for file in files("jobs").joinpath("sql", folder).iterdir())
    return sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql"))
