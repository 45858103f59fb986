"""goodbooks-10k: the books that readers want to read."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from jobs.sandbox.importers.tables import interactions_table, market_of, repeated
from jobs.sandbox.market import Market
from jobs.sources.column_files import read_csv
from jobs.sources.documents import Document
from recsys.schemas import TIMESTAMP

_BOOKS = {
    "book_id": pa.int64(),
    "authors": pa.string(),
    "original_publication_year": pa.float64(),
    "title": pa.string(),
    "language_code": pa.string(),
}


def read_goodbooks(folder: Path, at: datetime) -> Market:
    """Wishes to read as bookmarks, books as items; authors, language and year describe them.

    Reads to_read.csv.zip and books.csv; ids are bigint. The data has no times: everything happens
    on `at`. Raises ImportFileError for a file that is missing or malformed.
    """
    path = folder / "to_read.csv.zip"
    wishes = read_csv(path, {"user_id": pa.int64(), "book_id": pa.int64()})
    books = read_csv(folder / "books.csv", _BOOKS, nullable=("original_publication_year",))
    rows = wishes.num_rows
    interactions = interactions_table(
        wishes["user_id"],
        wishes["book_id"],
        repeated("bookmark", pa.string(), rows),
        repeated(None, pa.float64(), rows),
        repeated(at, TIMESTAMP, rows),
    )
    titles = books.select(["book_id", "title"]).rename_columns(["item_id", "title"])
    profiles = [_profile(book) for book in books.to_pylist()]
    return market_of(path, interactions, titles=titles, item_profiles=profiles)


def _profile(book: Document) -> Document:
    year = book["original_publication_year"]
    known = {"language": book["language_code"] or None, "year": None if year is None else int(year)}
    return {
        "item_id": book["book_id"],
        "title": book["title"],
        "text": book["title"],
        "tags": [author.strip() for author in book["authors"].split(",") if author.strip()],
        "attributes": {name: value for name, value in known.items() if value is not None},
    }
