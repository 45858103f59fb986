"""Columns of CSV and Parquet files that people bring; an error names the file and the row."""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recsys.errors import ImportFileError
from recsys.schemas import TIMESTAMP

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: One thread: only then do Arrow's messages hold the row. No value may be longer than a block.
_WITH_ROWS: Final = pyarrow.csv.ReadOptions(use_threads=False, block_size=2**26)
_QUOTED_LINES: Final = pyarrow.csv.ParseOptions(newlines_in_values=True)
_CONVERSION: Final = re.compile(r"In CSV column #(\d+): Row #(\d+): .* to (.+): invalid value (.*)")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while reading a file into ImportFileError."""
    try:
        yield
    except FileNotFoundError:
        raise ImportFileError(f"{path}: no such file; correct the path") from None
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        message = f"{path}: cannot be read: {error}; check the path or fetch the file again"
        raise ImportFileError(message) from None
    except pa.ArrowException as error:
        detail = str(error).splitlines()[0]
        raise ImportFileError(f"{path}: {detail}; correct the file") from None


def csv_columns(path: Path) -> list[str]:
    """The names in the header of a CSV file."""
    with reading(path), _opened(path) as file:
        options = {"read_options": _WITH_ROWS, "parse_options": _QUOTED_LINES}
        return list(pyarrow.csv.open_csv(file, **options).schema.names)


def read_csv(
    path: Path, types: Mapping[str, pa.DataType], nullable: Sequence[str] = ()
) -> pa.Table:
    """Some columns of a CSV file, which may be gzipped or alone in a zip.

    Raises ImportFileError, with the row, for a value of another type or, but for `nullable`, none.
    """
    names = csv_columns(path)
    for name in types:
        if name not in names:
            raise ImportFileError(
                f"{path}: there is no column {name!r} but {', '.join(names)}; "
                f"the header must hold {', '.join(types)}"
            )
    convert = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types))
    with reading(path), _opened(path) as file:
        try:
            table = pyarrow.csv.read_csv(file, _WITH_ROWS, _QUOTED_LINES, convert)
        except pa.ArrowInvalid as error:
            raise ImportFileError(f"{path}: {_explained(str(error), names)}") from None
    for name in types:
        if name not in nullable:
            _check_filled(path, name, table[name])
    return table


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if path.suffix != ".zip":
        with pa.input_stream(path, compression="detect") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if len(members) != 1:
            raise ImportFileError(f"{path}: holds {len(members)} files; zip one CSV file alone")
        with archive.open(members[0]) as member:
            yield member


def _explained(detail: str, names: Sequence[str]) -> str:
    match = _CONVERSION.match(detail)
    if match is None:
        return f"{detail.splitlines()[0]}; correct the file"
    column, row, wanted, value = match.groups()
    return f"row {row}: {names[int(column)]} {value} is not of type {wanted}; correct the row"


def _check_filled(path: Path, name: str, values: pa.ChunkedArray) -> None:
    if values.null_count:
        refuse(path, first_true(values.is_null()), f"{name} is empty; fill it or remove the row")


def first_true(mask: pa.ChunkedArray) -> int:
    """The row of the first true value, or -1."""
    return int(pc.index(mask, True).as_py())


def refuse(path: Path, row: int, message: str) -> NoReturn:
    """Raises ImportFileError for a row, counted from 0; in text files the header is row 1."""
    first = 1 if path.suffix == ".parquet" else 2
    raise ImportFileError(f"{path}: row {row + first}: {message}")


def times(path: Path, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants from Unix seconds, ISO 8601 text, dates or timestamps; UTC unless they say."""
    if pa.types.is_timestamp(values.type):
        result = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(TIMESTAMP)
    else:
        instants = [_or_none(_instant, value) for value in values.to_pylist()]
        result = pa.chunked_array([pa.array(instants, TIMESTAMP)])
    return _read(path, name, values, result, "a time in ISO 8601 or in seconds since 1970")


def numbers(path: Path, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers from numbers or text."""
    floats = [_or_none(float, value) for value in values.to_pylist()]
    result = pa.chunked_array([pa.array(floats, pa.float64())])
    return _read(path, name, values, result, "a number")


def _read(
    path: Path, name: str, values: pa.ChunkedArray, result: pa.ChunkedArray, wanted: str
) -> pa.ChunkedArray:
    """`result`, after a check that it has no null; a null means that `values` could not be read."""
    if result.null_count:
        row = first_true(result.is_null())
        refuse(path, row, f"{name} {values[row].as_py()!r} is not {wanted}; correct the row")
    return result


def _or_none(parse: Callable[[Any], Any], value: Any) -> Any:
    try:
        return None if value is None else parse(value)
    except (ValueError, OverflowError, TypeError):
        return None


def _instant(value: Any) -> datetime:
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        return _EPOCH + timedelta(seconds=float(value))
    except ValueError:
        moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
