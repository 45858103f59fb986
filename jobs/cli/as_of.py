"""The option of commands that names an as-of."""

from typing import Any

import typer

from recsys.as_of import AsOf


def as_of_option(description: str, *names: str) -> Any:
    """The option, for an annotation of the type AsOf; a date means its midnight.

    names: as it is typed, where that is not the parameter's own name.
    """
    return typer.Option(*names, parser=_read, metavar="DATE|INSTANT", help=description)


def _read(text: str) -> AsOf:
    try:
        return AsOf.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
