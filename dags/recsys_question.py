"""The question about a held run, in Markdown: Airflow shows tables, and breaks plain text anew."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_COUNTS: Final = ("users_before", "users_after", "users_lost", "users_new")
_SHARES: Final = ("overlap", "rbo", "churn")
#: What means something in Markdown; titles are whatever people wrote.
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&:@/])")


def question(outcome: Mapping[str, Any], diff: Mapping[str, Any] | None) -> str:
    """The gates that a held run does not pass, and what it changes against the live run.

    outcome: what became of the run. diff: `recsys diff --json` against the live run, if any.
    """
    parts = [
        f"Run {outcome['run']} of {outcome['as_of']} is held back:",
        "\n".join(f"- {_plain(violation)}" for violation in outcome["violations"]),
    ]
    if diff is None:
        return "\n\n".join([*parts, "No run is live."])
    before = diff["before"]
    parts.append(f"Run {before['run']} of {before['as_of']} stays live unless you approve.")
    figures = [(name.replace("_", " "), value) for name, value in diff["figures"].items()]
    bands = [
        (name, *(band[field] for field in (*_COUNTS, *_SHARES)))
        for name, band in diff["bands"].items()
    ]
    items = [
        (item["item"], item["title"], f"{item['before']:.3%}", f"{item['after']:.3%}")
        for item in diff["items"]
    ]
    headings = [name.removeprefix("users_") for name in (*_COUNTS, *_SHARES)]
    parts += [
        _table(("figure", "value"), figures),
        "Users and their lists",
        _table(("band", *headings), bands),
        "Share of all exposure",
        _table(("item", "title", "before", "after"), items),
    ]
    return "\n\n".join(parts)


def _table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heading, ["---"] * len(heading), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
