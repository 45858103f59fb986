"""Writes the data dictionary and dbt's sources from the comments of the published side.

Run by `make docs`: it migrates an embedded server of its own, and reads the catalog.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

from jobs.run.reporting import report
from jobs.sandbox.postgres_server import PostgresServer
from jobs.sinks.postgres.dictionary import Dictionary, read_dictionary
from jobs.sinks.postgres.migrations import migrate
from recsys.errors import RecsysError
from recsys.sections.ids import Ids


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path, help="the page that holds the generated part")
    parser.add_argument("sources", type=Path, help="the file of dbt's sources")
    return parser


def main(page: Path, sources: Path) -> None:
    dictionary = _of_a_new_server()
    page.write_text(dictionary.page(page.read_text(encoding="utf-8")), encoding="utf-8")
    sources.write_text(dictionary.dbt_sources(), encoding="utf-8")


def _of_a_new_server() -> Dictionary:
    with tempfile.TemporaryDirectory(prefix="recsys-docs-") as folder:
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        try:
            uri = SecretStr(server.uri())
            migrate(uri, Ids())
            return read_dictionary(uri)
        finally:
            server.stop()


if __name__ == "__main__":
    arguments = arg_parser().parse_args()
    try:
        main(arguments.page, arguments.sources)
    except RecsysError as error:
        sys.exit(report(error))
