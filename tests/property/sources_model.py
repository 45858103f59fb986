"""What a value of a source comes to, said once more without the code that reads it."""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import numpy as np
from bson import Decimal128, ObjectId

from recsys.nested import MOST_LEVELS

REJECTED: Final = object()
"""Stands for a value that puts its row into quarantine."""

_NUMBER: Final = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.I | re.A)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORDS: Final = {
    **dict.fromkeys(("t", "true", "y", "yes", "on"), True),
    **dict.fromkeys(("f", "false", "n", "no", "off"), False),
}
_BLANK: Final = " \t\n\r\v\f"


def id_of(text: str, kind: str) -> Any:
    """An id out of the text that a server gives of it."""
    if kind == "bigint":
        digits = text.strip(_BLANK)
        if not re.fullmatch(r"[+-]?\d{1,30}", digits, re.A):
            return REJECTED
        return int(digits) if -(2**63) <= int(digits) < 2**63 else REJECTED
    if kind == "uuid":
        known = text.strip(_BLANK).lower()
        return (
            known if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", known) else REJECTED
        )
    return text if text and "\x00" not in text else REJECTED


def number_of(text: str) -> Any:
    """The nearest float of a number's text."""
    digits = text.strip(_BLANK)
    return float(digits) if _NUMBER.fullmatch(digits) else REJECTED


def single_of(text: str) -> float:
    """A number of four bytes."""
    return float(np.float32(text))


def flag_of(text: str) -> Any:
    """A flag out of its text."""
    word = text.strip(_BLANK).lower()
    number = number_of(word)
    return _WORDS.get(word, {1.0: True, 0.0: False}.get(number, REJECTED))


def instant_of(text: str) -> Any:
    """An instant out of the text that Postgres gives of it in UTC."""
    if text.endswith("BC") or "infinity" in text or len(text.split("-", maxsplit=1)[0]) > 4:
        return REJECTED
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        text += " 00:00:00"
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def whole(text: str) -> str:
    """A numeric without zeros at its end."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def text_of(value: Any) -> str | None:
    """The text of what BSON holds, where it can be an id; None where it cannot."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, float | Decimal):
        if not math.isfinite(value) or value != int(value):
            return None
        if isinstance(value, float):
            return str(int(value)) if abs(value) < 2.0**53 else None
        return whole(format(value, "f")) if value else "0"
    return str(value) if isinstance(value, int | str | ObjectId | UUID) else None


def scalar_of(value: Any) -> str | None:
    """The text of what BSON holds, where it can be a number or a flag."""
    if isinstance(value, bool):
        return None
    return str(value) if isinstance(value, int | float | str | Decimal128) else None


def leaves_of(value: Any, path: str = "", level: int = 0) -> Any:
    """Path and text of each leaf of a document's value, in its order."""
    if level > MOST_LEVELS:
        return REJECTED
    if isinstance(value, dict):
        pairs = [(f"{path}.{key}" if path else key, each) for key, each in value.items()]
    elif isinstance(value, list):
        pairs = [(path, each) for each in value]
    elif value is None or isinstance(value, bytes):
        return []
    else:
        return [(path, str(value).replace("\x00", "\ufffd"))]
    found = [leaves_of(each, name, level + 1) for name, each in pairs]
    return REJECTED if REJECTED in found else [leaf for leaves in found for leaf in leaves]
