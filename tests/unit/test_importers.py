"""Files of interactions, read or refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.sandbox.importers.deskdrop import read_deskdrop
from jobs.sandbox.importers.goodbooks import read_goodbooks
from jobs.sandbox.importers.movielens import read_movielens
from jobs.sandbox.importers.pairs import read_pairs
from recsys.as_of import AsOf
from recsys.errors import ImportFileError
from recsys.sections.ids import Ids

DAY: Final = AsOf.parse("2017-01-01")


@pytest.mark.parametrize(
    "written",
    [
        "1456790400",
        "1456790400.0",
        "2016-03-01T00:00:00",
        "2016-03-01 01:00:00+01:00",
        "2016-03-01",
    ],
)
def test_timestamps_of_pairs(tmp_path: Path, written: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"user,note,item,weight,timestamp\n1,x,2,0.25,{written}\n", encoding="utf-8")

    market = read_pairs(path, Ids(), DAY.instant)

    (row,) = market.interactions.to_pylist()
    moment = datetime(2016, 3, 1, tzinfo=UTC)
    assert row == {
        "user_id": 1, "item_id": 2, "kind": "pair", "value": 0.25,
        "created_at": moment, "received_at": moment,
    }  # fmt: skip
    assert market.as_of == AsOf.parse("2016-03-02")


@pytest.mark.parametrize("moment", [datetime(2016, 3, 1), datetime(2016, 3, 1, tzinfo=UTC)])  # noqa: DTZ001
def test_timestamps_of_parquet(tmp_path: Path, moment: datetime) -> None:
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"user": ["1"], "item": [2], "created_at": [moment]}), path)

    (row,) = read_pairs(path, Ids(), DAY.instant).interactions.to_pylist()

    assert row["created_at"] == datetime(2016, 3, 1, tzinfo=UTC)
    assert row["value"] == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "Empty CSV"),
        ("user,item\n", "holds no rows"),
        ("who,item\n1,2\n", "no column user or user_id but who, item"),
        ("user,item,item_id\n1,2,2\n", "columns item and item_id; leave one out"),
        ("user,item\n1,2\nu7,2\n", r"row 3: user 'u7' is not a bigint.*user under \[ids\]"),
        ("user,item\n1,9223372036854775808\n", r"row 2: item '9223372036854775808'"),
        ("user,item\n1,\n", "row 2: item '' is not a bigint"),
        ("user,item\n1,2\n1\n", r"Row #3: Expected 2 columns, got 1"),
        ("user,item,weight\n1,2,heavy\n", "row 2: weight 'heavy' is not a number"),
        ("user,item,timestamp\n1,2,noon\n", "row 2: timestamp 'noon' is not a time"),
        ("user,item,timestamp\n1,2,1456790400000000\n", "row 2: timestamp '14.*' is not a time"),
    ],
)
def test_pairs_that_cannot_be_read(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(content, encoding="utf-8")

    assert_refused(lambda: read_pairs(path, Ids(), DAY.instant), path, complaint)


def test_other_files_that_cannot_be_read(tmp_path: Path) -> None:
    ratings, movies = tmp_path / "ratings.csv", tmp_path / "movies.csv"
    log, books = tmp_path / "log.csv", tmp_path / "to_read.csv.zip"
    table = tmp_path / "table.parquet"

    assert_refused(lambda: read_movielens(tmp_path), ratings, "no such file")
    ratings.write_text("userId,movieId,rating,timestamp\n1,2,x,3\n")
    assert_refused(lambda: read_movielens(tmp_path), ratings, "row 2: rating 'x' is not of type")
    ratings.write_text("userId,movieId,rating,timestamp\n1,2,3.5,3\n1,,3.5,3\n")
    assert_refused(lambda: read_movielens(tmp_path), ratings, "row 3: movieId is empty")
    ratings.write_text("userId,movieId,rating,timestamp\n1,2,3.5,3\n1,9,3.5,3\n")
    movies.write_text("movieId,title,genres\n2,Two,(no genres listed)\n")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n")
    assert_refused(lambda: read_movielens(tmp_path), ratings, "row 3: item 9 is not in the cata")
    movies.write_text("movieId,title,genres\n2,Two,Drama\n9,Nine,\n2,Deux,Drama\n")
    assert_refused(lambda: read_movielens(tmp_path), tmp_path, "item 2 is in the catalogue twice")
    log.write_text("timestamp,eventType,contentId,personId\n1,VIEW,2,3\n1,SNEEZE,2,3\n")
    assert_refused(lambda: read_deskdrop(log), log, "row 3: eventType 'SNEEZE' is none of VIEW")
    log.write_text("timestamp,eventType,contentId,personId\n1,VIEW,2.5,3\n")
    assert_refused(lambda: read_deskdrop(log), log, "row 2: contentId '2.5' is not of type int64")
    books.write_text("not an archive")
    assert_refused(lambda: read_goodbooks(tmp_path, DAY.instant), books, "cannot be read")
    table.write_text("not a table")
    assert_refused(lambda: read_pairs(table, Ids(), DAY.instant), table, "Parquet")
    pq.write_table(pa.table({"user": [1.0, 1.5], "item": [2, 3]}), table)
    assert_refused(
        lambda: read_pairs(table, Ids(), DAY.instant), table, "row 2: user 1.5 is not a bigint"
    )


def assert_refused(read: Callable[[], object], path: Path, complaint: str) -> None:
    """Reading fails with one line that begins with the file and says what is wrong."""
    with pytest.raises(ImportFileError, match=complaint) as caught:
        read()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
