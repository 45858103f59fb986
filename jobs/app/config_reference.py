"""Writes the reference of all configuration fields into a page, from the models themselves.

Run by `make docs`; with --check it changes nothing and ends with 1 where the page is out of date.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import annotated_types as at
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from recsys.as_of import AsOf
from recsys.config import Config

BEGIN: Final = "<!-- generated from the models by `make docs` -->"
END: Final = "<!-- end of the generated part -->"
_NAMES: Final[Mapping[type, str]] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    AsOf: "as-of",
}


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path, help="the page that holds the generated part")
    parser.add_argument("--check", action="store_true", help="only compare")
    return parser


def reference() -> str:
    """The sections of the configuration, a table of fields each."""
    return "\n\n".join(_sections(Config, ""))


def _sections(model: type[BaseModel], path: str) -> Iterator[str]:
    rows = []
    below: list[str] = []
    for name, field in model.model_fields.items():
        nested = _model(field.annotation)
        if nested is None:
            rows.append(_row(f"{path}{name}", field))
        else:
            named = get_origin(_bare(field.annotation)) is Mapping
            below += _sections(nested, f"{path}{name}.<name>." if named else f"{path}{name}.")
    if rows:
        title = path.rstrip(".") or "top level"
        about = " ".join((model.__doc__ or "").split())
        table = ["| field | values | default | meaning |", "|---|---|---|---|", *rows]
        heading = f"### `[{title}]`" if path else f"### The {title}"
        yield "\n".join([heading, "", *([about, ""] if about else []), *table])
    yield from below


def _row(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    if not meaning:
        raise ValueError(f"{name} has no docstring, so the reference cannot say what it means")
    cells = (f"`{name}`", _values(field.annotation, field.metadata), _default(field), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(annotation: Any, metadata: list[Any]) -> str:
    kind = _bare(annotation)
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if origin in (Union, UnionType):
        some = (each for each in get_args(kind) if each is not NoneType)
        told = (_values(each, [*metadata, *getattr(each, "__metadata__", ())]) for each in some)
        return " or ".join(told)
    if origin is tuple:
        return "list of text"
    return f"{_NAMES.get(kind, 'text')}{_bounds([*metadata, *_metadata(annotation)])}"


def _bounds(metadata: list[Any]) -> str:
    flat = [part for each in metadata for part in getattr(each, "metadata", [each])]
    low = next((f"from {m.ge:,}" for m in flat if isinstance(m, at.Ge)), "")
    low = next((f"above {m.gt:,}" for m in flat if isinstance(m, at.Gt)), low)
    high = next((f"to {m.le:,}" for m in flat if isinstance(m, at.Le)), "")
    high = next((f"below {m.lt:,}" for m in flat if isinstance(m, at.Lt)), high)
    return f" {' '.join(part for part in (low, high) if part)}" if low or high else ""


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    if field.default is None or field.default == ():
        return "none"
    if isinstance(field.default, tuple):
        return f"`{json.dumps(field.default)}`"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return annotation.__metadata__ if get_origin(annotation) is Annotated else ()


def _model(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds: its type, one that may be absent, or a mapping's values."""
    for kind in (_bare(annotation), *map(_bare, get_args(_bare(annotation)))):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def with_reference(page: str) -> str:
    """A page with its generated part as it must be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def main(page: Path, *, check: bool) -> int:
    text = page.read_text(encoding="utf-8")
    wanted = with_reference(text)
    if check and wanted != text:
        sys.stderr.write(f"error: {page} is out of date; run `make docs`\n")
        return 1
    if not check:
        page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    arguments = arg_parser().parse_args()
    sys.exit(main(arguments.page, check=arguments.check))
