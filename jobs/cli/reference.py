"""Writes docs/commands.md: every command, from what its `--help` says.

Run by `make docs`; with --check it changes nothing and ends with 1 where the page is out of date.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from jobs.cli.deferred import Deferred
from jobs.cli.main import app

_HEAD: Final = """# Commands

Generated from `--help` by `make docs`. `recsys --debug COMMAND` shows an error's traceback; what
exit codes mean is in [operations](operations.md#exit-codes). What prints figures takes `--json`.
"""


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path, help="the page to write")
    parser.add_argument("--check", action="store_true", help="only compare")
    return parser


def reference() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *_commands(typer.main.get_command(app), "recsys")))


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, found in group.commands.items():
        command = found.load() if isinstance(found, Deferred) else found
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield from _command(command, f"{path} {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    """A section: usage, what it does, a row for each argument and option."""
    context = typer.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    *paragraphs, example = command.help.split("\n\n")
    yield f"## `{path}`\n"
    yield from (f"{text}\n" for text in paragraphs)
    yield f"```text\n{usage}\n{example}\n```\n"
    records = (parameter.get_help_record(context) for parameter in command.params)
    rows = [f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in filter(None, records)]
    if rows:
        yield "\n".join(["| argument | meaning |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(page: Path, *, check: bool) -> int:
    wanted = reference()
    if not check:
        page.write_text(wanted, encoding="utf-8")
    elif page.read_text(encoding="utf-8") != wanted:
        sys.stderr.write(f"error: {page} is out of date; run `make docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    arguments = arg_parser().parse_args()
    sys.exit(main(arguments.page, check=arguments.check))
