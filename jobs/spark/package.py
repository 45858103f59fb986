"""Packs the code into one archive for `spark-submit --py-files` (plain Python).

The same code gives the same bytes, wherever and whenever it is packed.
"""

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
"""Folder, or archive, that the running code comes from."""
ARCHIVE: Final = "recsys.zip"
_PARTS: Final = {"recsys": "*.py", "data_contracts": "*.py", "jobs": "*.py", "jobs/sql": "*.sql"}
# They run where Airflow does, never on executors.
_LEFT_OUT: Final = "jobs/dags"
# The oldest time that the format has, so that a checkout's times do not show.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o100644 << 16


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path, help="where the archive goes")
    return parser


def pack(target: Path) -> Path:
    """Writes the running code to an archive and gives its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Stored, not deflated: compressed bytes depend on the version of zlib.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in _files():
            entry = zipfile.ZipInfo(file.relative_to(ROOT).as_posix(), _TIME)
            entry.external_attr = _READABLE
            archive.writestr(entry, file.read_bytes())
    return target


def _files() -> Iterator[Path]:
    for folder, pattern in _PARTS.items():
        for file in sorted((ROOT / folder).rglob(pattern)):
            if not file.is_relative_to(ROOT / _LEFT_OUT):
                yield file


if __name__ == "__main__":
    pack(arg_parser().parse_args().target)
