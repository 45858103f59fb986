"""Every command that README and docs show, run as written, in order, in a fresh clone.

A block of commands is labelled `sh` or `sql`, one to be read `text`, a drawing `mermaid`, a
configuration `toml`. Where a block cannot run here a comment above it says why:
`<!-- not run: … -->`; `<!-- given: … -->` holds SQL that it rests on, and `<!-- last: … -->` marks
what would take the data from under the others.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import typer

from jobs.cli.deferred import Deferred
from jobs.cli.main import app
from jobs.sandbox.servers import psql_path
from recsys.config import parse_config

REPOSITORY: Final = Path(__file__).parents[2]
DOCS: Final = REPOSITORY / "docs"
#: The tutorial makes what the other pages look at.
FIRST: Final = (REPOSITORY / "README.md", DOCS / "tutorial.md")
PAGES: Final = (*FIRST, *sorted(set(DOCS.rglob("*.md")) - set(FIRST)))
NOTE: Final = r"(?:^<!-- (?P<note>(?:(?!-->).)*)-->\n)?"
BLOCK: Final = re.compile(NOTE + r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS: Final = 3600


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    where: str
    kind: str
    note: str
    text: str

    @property
    def runs(self) -> bool:
        return self.kind in ("sh", "sql") and not self.note.startswith("not run: ")

    def turn(self) -> int:
        return 2 if self.note.startswith("last: ") else int(self.kind == "sql")


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text[: found.start("kind")].count("\n") + 1
            where = f"{page.relative_to(REPOSITORY)}:{line}"
            yield Block(where, found["kind"], (found["note"] or "").strip(), found["text"])


BLOCKS: Final = tuple(blocks())


def test_no_block_is_missed_and_each_says_what_it_is() -> None:
    fences = sum(len(re.findall(r"^```", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(BLOCKS)
    # Of Python there is one DAG, which tests/dags/test_publication.py runs.
    kinds = ("sh", "sql", "text", "mermaid", "python", "toml")
    assert [b.where for b in BLOCKS if b.kind not in kinds] == []
    assert [
        b.where for b in BLOCKS if b.note and not re.match(r"(not run|last): .|given:", b.note)
    ] == []


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.where) for block in BLOCKS if block.kind == "toml"]
)
def test_the_configuration_takes_it(block: Block) -> None:
    """By itself where it has sources, else over the page's that has, or over the one shipped."""
    page, shown = block.where.partition(":")[0], tomllib.loads(block.text)
    others = [
        tomllib.loads(b.text) for b in BLOCKS if b.kind == "toml" and b.where.startswith(page)
    ]
    shipped = tomllib.loads((REPOSITORY / "recsys.toml").read_text(encoding="utf-8"))
    whole = next((other for other in (shown, *others) if "sources" in other), shipped)
    merged = {name: whole.get(name, {}) | shown.get(name, {}) for name in whole | shown}
    parse_config(merged, block.where)


def lines(block: Block) -> list[str]:
    return [line for line in block.text.splitlines() if line.strip()]


COMMANDS: Final = [
    pytest.param(line, id=f"{block.where} {line[:60]}")
    for block in BLOCKS
    if block.kind == "sh"
    for line in lines(block)
    if line.startswith("recsys ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_line_takes_it(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while (below := getattr(command, "commands", {}).get(words[0] if words else "")) is not None:
        command = below.load() if isinstance(below, Deferred) else below
        words = words[1:]
    command.make_context("recsys", words)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone would hold of the working tree, with the public data beside it."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    folder = tmp_path / "clone"
    for name in names.stdout.splitlines():
        original = REPOSITORY / name
        if original.is_file() or original.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(original, folder / name, follow_symlinks=False)
    (tmp_path / "shared").symlink_to(REPOSITORY.parent / "shared")
    return folder


def script() -> str:
    """All blocks as one script that names each line before it runs.

    Shell commands make what the SQL of any page then looks at.
    """
    parts = ["set -euo pipefail", "export COLUMNS=80"]
    for block in sorted(filter(lambda b: b.runs, BLOCKS), key=Block.turn):
        if block.kind == "sql":
            text = block.note.removeprefix("given:") + block.text
            parts.append(f'echo "== {block.where}" >&2')
            parts.append(
                f'"$PSQL" "$RECSYS_POSTGRES_URI" -v ON_ERROR_STOP=1 <<\'SQL\'\n{text}\nSQL'
            )
            continue
        for line in lines(block):
            parts += [f"echo {shlex.quote(f'== {block.where} {line}')} >&2", line]
    return "\n".join(parts) + "\n"


@pytest.mark.documented
def test_every_command_of_the_pages_runs_as_written(
    clone: Path, shared_data: Path, tmp_path: Path
) -> None:
    del shared_data  # the commands name its place
    own = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
    environment = own | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),
        "PSQL": str(psql_path()),
    }
    log = tmp_path / "log"
    try:
        with log.open("w", encoding="utf-8") as said:
            ended = subprocess.run(
                ["bash", "-c", script()],
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
    finally:
        down = ["recsys", "sandbox", "down"]
        subprocess.run(down, cwd=clone, env=environment, check=False, capture_output=True)
    shown = log.read_text(encoding="utf-8")
    last = shown.rpartition("\n== ")[2]
    assert ended.returncode == 0, last[-4000:]
    assert "next: recsys nightly --as-of 2026-01-01" in shown
    assert "next: recsys nightly --as-of 2017-03-01" in shown
    assert "users of the holdout" in shown
    assert [line for line in tables(shown) if len(line) > 80 or re.search(r"\S…", line)] == []


def tables(shown: str) -> list[str]:
    """The lines of commands that print tables."""
    parts = (part.splitlines() for part in shown.split("\n== "))
    return [
        line
        for command, *told in parts
        if re.search(r" recsys (runs|diff|top|status|backfill|check) ?", command)
        for line in told
        if not line.startswith(("error: ", "20"))
    ]
