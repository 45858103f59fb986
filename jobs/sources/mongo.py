"""MongoDB: connections, and reads of whole collections as Arrow batches."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from bson import CodecOptions
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from pydantic import SecretStr
from pymongo import ASCENDING, DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    InvalidURI,
    OperationFailure,
    ProtocolError,
)

from jobs.sources.documents import Document, raw_rows, value_at
from recsys.errors import IncompleteReadError, MappingError, MongoUnavailableError, SettingsError
from recsys.schemas import Table
from recsys.sections.ids import Ids
from recsys.sections.sources import Source
from recsys.window import Window

Filter = Mapping[str, Any]

DEFAULT_DATABASE: Final = "market"
ROWS_PER_BATCH: Final = 20_000
ROWS_PER_READ: Final = 500_000
_TIMEOUT_MS: Final = 10_000
_FEW: Final = 3
_SHARE: Final = 0.1
#: Dates that Python cannot hold come back as another type instead of failing the whole batch.
_CODEC: Final = CodecOptions[Document](
    tz_aware=True,
    tzinfo=UTC,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
#: Unauthorized, AuthenticationFailed, and the hosted service's own code for the latter.
_REFUSALS: Final = (13, 18, 8000)
_REMEDY: Final = "check that the server runs and RECSYS_MONGO_URI points at it"


@contextmanager
def database(uri: SecretStr) -> Iterator[Database[Document]]:
    """The database that the URI names, or `market`.

    Raises MongoUnavailableError where the server does not answer or goes away in the middle of a
    read, SettingsError for a bad URI.
    """
    try:
        # It only warns of options that it does not know, and quotes them on standard error.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            client: MongoClient[Document] = MongoClient(
                uri.get_secret_value(),
                appname="recsys",
                serverSelectionTimeoutMS=_TIMEOUT_MS,
                connectTimeoutMS=_TIMEOUT_MS,
            )
    except (ConfigurationError, InvalidURI, UserWarning, ValueError) as error:
        raise SettingsError(f"RECSYS_MONGO_URI is not a MongoDB URI: {error}") from None
    try:
        with client:
            yield client.get_default_database(DEFAULT_DATABASE).with_options(_CODEC)
    except ConnectionFailure as error:
        message = f"MongoDB does not answer ({_short(error)}); {_REMEDY}"
        raise MongoUnavailableError(message) from error
    except CursorNotFound as error:
        # A server that was started again answers, but knows nothing of reads from before.
        message = f"MongoDB lost a read that was under way ({_short(error)}); run again"
        raise MongoUnavailableError(message) from error
    except OperationFailure as error:
        if error.code in _REFUSALS:
            message = f"MongoDB refuses the login of RECSYS_MONGO_URI ({_short(error)}); correct it"
            raise SettingsError(message) from error
        raise
    except ProtocolError as error:
        message = f"MongoDB's answers are out of order ({_short(error)}); run again"
        raise MongoUnavailableError(message) from error


def _short(error: Exception) -> str:
    return str(error).split(",")[0][:200]


@dataclass(frozen=True)
class MongoRead:
    """A read of one collection, cut into filters that together match every document once."""

    filters: tuple[Filter, ...]
    rows: int
    """Documents the server counts."""
    total: int
    """Documents of the whole collection, counted at the same time."""
    without: tuple[str, Window] | None = None
    """A field and window whose documents the reader must leave out itself."""


def plan_read(uri: SecretStr, source: Source, window: Window | None, *, outside: bool) -> MongoRead:
    """Plans the read of a collection.

    window: only documents whose `time` field is a date inside, or with `outside` only the others.
    Raises MappingError for a collection that does not exist or a field no document has.
    """
    time = source.time
    with database(uri) as db:
        if faults := _mapping_faults(db, source):
            raise MappingError(faults[0])
        collection = db[source.place]
        total = collection.count_documents({})
        if time is None or window is None:
            return MongoRead(({},) if total else (), total, total)
        inside = _dates_in(time, window)
        count = collection.count_documents(inside)
        if outside:
            return _plan_outside(collection, time, window, count, total)
        return MongoRead(_slices(collection, time, inside, window, count), count, total)


def check_kept(uri: SecretStr, read: Mapping[str, int]) -> None:
    """Raises IncompleteReadError where a collection is much larger or smaller than when its read
    was planned: somebody is emptying or filling it, and what was read may be any part of it.

    read: documents of each collection at its plan. MongoDB has no snapshot that lasts, and a read
    of what is left of a collection agrees with a count of it. A few documents come and go always.
    """
    with database(uri) as db:
        now = {place: db[place].count_documents({}) for place in read}
    for place, before in read.items():
        changed = abs(now[place] - before)
        if changed > max(_FEW, _SHARE * max(now[place], before)):
            raise IncompleteReadError(
                f"collection {place} had {before} documents when its read began, and has "
                f"{now[place]} now; nothing of it was kept, run the extraction again when nobody "
                "empties or fills it"
            )


def _dates_in(path: str, window: Window) -> Filter:
    """A filter for the documents whose value at a path is one date within a window.

    A bare range also matches lists, by any of their values and even by two on either side of it;
    several windows would find the same document.
    """
    steps = path.split(".")
    lists = [{".".join(steps[: i + 1]): {"$type": "array"}} for i in range(len(steps))]
    return {path: {"$gte": window.start, "$lt": window.end}, "$nor": lists}


def _plan_outside(collection: Any, time: str, window: Window, inside: int, total: int) -> MongoRead:
    """Servers disagree on which values a negated range matches; where one finds fewer documents
    than it counts, the whole collection is read and filtered here."""
    rows = total - inside
    if rows == 0:
        return MongoRead((), 0, total)
    if inside == 0:
        return MongoRead(({},), rows, total, (time, window))
    others = {"$nor": [_dates_in(time, window)]}
    if sum(1 for _ in collection.find(others, {"_id": True})) == rows:
        return MongoRead((others,), rows, total)
    return MongoRead(({},), rows, total, (time, window))


def mapping_faults(uri: SecretStr, source: Source) -> list[str]:
    """Everything that is wrong with the mapping of a collection, as messages."""
    with database(uri) as db:
        return _mapping_faults(db, source)


def _mapping_faults(db: Database[Document], source: Source) -> list[str]:
    """A mapped field that not one document has is a mistake in the mapping, not missing data."""
    if source.place not in db.list_collection_names():
        missing = f"collection {source.place} does not exist in database {db.name}"
        return [f"{missing}; correct it under [sources]"]
    collection = db[source.place]
    empty = collection.find_one({}) is None
    names = [name for group in source.fields().values() for name in group]
    return [
        f"no document of collection {source.place} has a field {name!r}; "
        "correct the mapping under [sources]"
        for name in dict.fromkeys([*names, *([source.time] if source.time is not None else [])])
        # A filter would take it as an operator, and `$where` runs programs.
        if any(step.startswith("$") for step in name.split("."))
        or not (empty or collection.find_one({name: {"$exists": True}}))
    ]


def newest_rows(
    uri: SecretStr, source: Source, table: Table, ids: Ids, most: int
) -> pa.RecordBatch:
    """The raw rows of the documents that were added last, as far as their `_id` tells."""
    with database(uri) as db:
        found = db[source.place].find({}, _projection(source)).sort("_id", DESCENDING).limit(most)
        return raw_rows(list(found), source, table, ids)


def _projection(source: Source, *more: str) -> Mapping[str, bool]:
    """The top-level fields that a read needs: servers differ in what they make of dotted ones."""
    names = [*more, *(name for group in source.fields().values() for name in group)]
    return dict.fromkeys(sorted({name.split(".")[0] for name in names}), True)


def _slices(
    collection: Any, time: str, inside: Filter, window: Window, count: int
) -> tuple[Filter, ...]:
    """Filters over equal spans of time, as many as the number of documents calls for."""
    parts = -(-count // ROWS_PER_READ)
    if parts <= 1:
        return (inside,) if count else ()
    first = collection.find_one(inside, sort=[(time, ASCENDING)])
    last = collection.find_one(inside, sort=[(time, DESCENDING)])
    spread = Window(value_at(first, time), window.end).slices(parts) if first and last else [window]
    return tuple(_dates_in(time, part) for part in spread)


def read_rows(
    uri: SecretStr, plan: MongoRead, part: int, source: Source, table: Table, ids: Ids
) -> Iterator[pa.RecordBatch]:
    """The raw batches of one filter of a plan; runs on executors."""
    wanted = _projection(source, *([plan.without[0]] if plan.without else []))
    with database(uri) as db:
        found = iter(db[source.place].find(plan.filters[part], wanted))
        while documents := list(islice(found, ROWS_PER_BATCH)):
            kept = [d for d in documents if not _left_out(d, plan.without)]
            yield raw_rows(kept, source, table, ids)


def _left_out(document: Document, without: tuple[str, Window] | None) -> bool:
    if without is None:
        return False
    field, window = without
    value = value_at(document, field)
    return isinstance(value, datetime) and value in window
