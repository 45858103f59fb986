"""Reasons that a run keeps with its lists, as people read them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement
from recsys.as_of import AsOf
from recsys.errors import RunNotThereError


@dataclass(frozen=True)
class AskedRun:
    """A run whose lists are there."""

    run_id: int
    as_of: AsOf
    config_hash: str


@dataclass(frozen=True)
class KeptReason:
    """The row of `recs.why`."""

    verdict: str
    rank: int | None
    score: float | None
    source: str | None
    propensity: float | None
    place_before: int | None
    because: str | None
    because_share: float | None
    generators: Sequence[str] | None
    opinions: Sequence[float | None] | None

    def in_words(self, titles: Mapping[str, str]) -> str:
        """One line: what was drawn, else the own item that speaks most for the place, else who
        does. titles: by item id."""
        if self.propensity is not None and self.propensity < 1:
            return f"{self.source}, chance {self.propensity:.2g}"
        if self.because is not None:
            share = f" ({self.because_share:.0%})" if self.because_share else ""
            return f"you liked {titles.get(self.because, self.because)}{share}"
        said = dict(zip(self.generators or (), self.opinions or (), strict=True))
        loudest = said.get(self.source or "")
        return f"{self.source} {loudest:+.1f}" if loudest is not None else f"{self.source or '-'}"


@dataclass(frozen=True)
class ListedReason:
    """One place of the list that an app gets, and its reason."""

    place: int
    item_id: str
    reason: KeptReason


def asked_run(uri: SecretStr, as_of: AsOf | None) -> AskedRun:
    """The live run, or the newest whose lists are there of an as-of.

    Raises RunNotThereError where there is none.
    """
    instant: datetime | None = None if as_of is None else as_of.instant
    rows = _rows(uri, "reasons/asked_run", {"as_of": instant})
    if not rows:
        wanted = "that is live" if as_of is None else f"as of {as_of} whose lists are kept"
        raise RunNotThereError(
            f"there is no run {wanted}; `recsys runs` lists those that there are"
        )
    ((run_id, at, config_hash),) = rows
    return AskedRun(run_id, AsOf(at), config_hash)


def kept_reason(uri: SecretStr, user_id: str, item_id: str, run_id: int) -> KeptReason:
    """Why an item is on a user's list of a run, from what was kept with it."""
    values = {"user_id": user_id, "item_id": item_id, "run_id": run_id}
    ((found,),) = [[row] for row in _rows(uri, "reasons/kept", values)]
    return KeptReason(*found)


def listed_reasons(
    uri: SecretStr, user_id: str, n: int, segment: str | None = None
) -> list[ListedReason]:
    """Why each item is there on the list that an app gets of a user; see `lookup.top_n`."""
    values = {"user_id": user_id, "n": n, "segment": segment}
    rows = _rows(uri, "reasons/listed", values)
    return [ListedReason(place, item, KeptReason(*kept)) for place, item, *kept in rows]


def hidden_items(uri: SecretStr, user_id: str, items: Set[str]) -> set[str]:
    """Those of some items that were removed since, or blocked by the user."""
    values = {"user_id": user_id, "items": sorted(items)}
    return {item for (item,) in _rows(uri, "reasons/hidden", values)}


def _rows(uri: SecretStr, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement(name), values)
        return cursor.fetchall()
