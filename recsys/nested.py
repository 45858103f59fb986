"""Nested values, as documents and JSON columns hold them: their leaves as texts."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

MOST_LEVELS: Final = 200
"""Deeper values are refused: MongoDB takes 100 levels, and Python's parser some hundreds."""


class TooDeepError(ValueError):
    """A value that nests more than MOST_LEVELS levels deep."""


def parsed(text: str) -> Any:
    """A JSON text as Python values; numbers that a float would change stay texts.

    Raises TooDeepError.
    """
    try:
        return json.loads(text, parse_int=str, parse_float=_exact)
    except RecursionError:
        raise TooDeepError from None


def _exact(text: str) -> float | str:
    number = float(text)
    if not math.isfinite(number) or len(text.strip("-0.")) > 16:
        return text
    return number


def flatten(value: Any) -> list[str]:
    """`path=value` of every leaf of a nested object, in the object's order.

    Raises TooDeepError.

    >>> flatten({"size": {"width": 3}, "colours": ["red", "blue"]})
    ['size.width=3', 'colours=red', 'colours=blue']
    """
    return [f"{path}={text}" for path, text in _leaves(value)]


def texts(value: Any) -> list[str]:
    """Every leaf of a value, in order, without its path. Raises TooDeepError.

    >>> texts(["red", None, {"shade": "blue"}])
    ['red', 'blue']
    """
    return [text for _, text in _leaves(value)]


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    todo: list[tuple[str, Any, int]] = [("", value, 0)]
    while todo:
        path, value, level = todo.pop()
        if level > MOST_LEVELS:
            raise TooDeepError
        if isinstance(value, Mapping):
            pairs = [(f"{path}.{key}" if path else str(key), each) for key, each in value.items()]
            todo += [(name, each, level + 1) for name, each in reversed(pairs)]
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            todo += [(path, each, level + 1) for each in reversed(value)]
        elif value is not None and not isinstance(value, bytes):
            yield storable(path), storable(str(value))


def storable(text: str) -> str:
    """A text that UTF-8 and Postgres can hold: lone surrogates and NUL are replaced."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")
