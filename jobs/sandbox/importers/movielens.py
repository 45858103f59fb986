"""MovieLens in its CSV form (ml-latest-small, ml-latest, ml-20m, ml-25m, ml-32m)."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import pyarrow as pa

from jobs.sandbox.importers.tables import interactions_table, market_of, repeated
from jobs.sandbox.market import Market
from jobs.sources.column_files import read_csv, times
from jobs.sources.documents import Document

_NO_GENRE: Final = "(no genres listed)"
_TITLE: Final = re.compile(r"(?P<name>.*?)\s*\((?P<year>\d{4})\)\s*")


def read_movielens(folder: Path) -> Market:
    """Ratings as interactions, movies as items; genres and members' tags describe them.

    Reads ratings.csv, movies.csv and tags.csv; ids are bigint. Raises ImportFileError for a file
    that is missing or malformed.
    """
    path = folder / "ratings.csv"
    types = {"userId": pa.int64(), "movieId": pa.int64(), "rating": pa.float64()}
    ratings = read_csv(path, types | {"timestamp": pa.int64()})
    movies = read_csv(
        folder / "movies.csv", {"movieId": pa.int64(), "title": pa.string(), "genres": pa.string()}
    )
    interactions = interactions_table(
        ratings["userId"],
        ratings["movieId"],
        repeated("rating", pa.string(), ratings.num_rows),
        ratings["rating"],
        times(path, "timestamp", ratings["timestamp"]),
    )
    titles = movies.select(["movieId", "title"]).rename_columns(["item_id", "title"])
    profiles = _profiles(movies, _tags(folder / "tags.csv"))
    return market_of(path, interactions, titles=titles, item_profiles=profiles)


def _tags(path: Path) -> dict[int, list[str]]:
    """Tags that members gave each movie, once for each time."""
    table = read_csv(path, {"movieId": pa.int64(), "tag": pa.string()})
    tags = defaultdict(list)
    for movie, tag in zip(*(table[name].to_pylist() for name in ("movieId", "tag")), strict=True):
        tags[movie].append(tag)
    return tags


def _profiles(movies: pa.Table, tags: dict[int, list[str]]) -> list[Document]:
    return [_profile(row, tags.get(row["movieId"], [])) for row in movies.to_pylist()]


def _profile(movie: Document, tags: list[str]) -> Document:
    match = _TITLE.fullmatch(movie["title"])
    name = match["name"] if match else movie["title"]
    return {
        "item_id": movie["movieId"],
        "title": movie["title"],
        "text": " ".join([name, *tags]),
        "tags": [genre for genre in movie["genres"].split("|") if genre and genre != _NO_GENRE],
        "attributes": {"year": int(match["year"])} if match else {},
    }
