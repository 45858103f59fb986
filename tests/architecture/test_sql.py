"""Every SQL file parses, says what it is for, and is used; no SQL is written in Python."""

import ast
import re
from pathlib import Path

import pglast
import pytest

from jobs.db.statements import SQL
from jobs.sinks.postgres.migrations import with_id_types
from recsys.sections.ids import Ids

REPOSITORY = Path(__file__).parents[2]
FILES = sorted(SQL.rglob("*.sql"))
CODE = [p for folder in ("jobs", "recsys", "dags") for p in (REPOSITORY / folder).rglob("*.py")]
STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|COPY)\s", re.IGNORECASE)


def named(path: Path) -> str:
    return str(path.relative_to(SQL).with_suffix(""))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_parses_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    text = with_id_types(text, Ids())
    text = re.sub(r"recs\.\{partition\}", "recs.p", text)
    text = re.sub(r"\{(first|last|start|end|snapshot|run_id)\}", "'1'", text)
    text = re.sub(r"\{rows\}", "SELECT 1", text)
    text = re.sub(r"\{(user_id|item_id)\}", "bigint", text)
    text = re.sub(r"\{\w+\}", "x", text)
    text = re.sub(r"%\(\w+\)s", "'1'", text)
    assert pglast.parse_sql(text)


def test_every_file_is_used() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in CODE)
    unused = [
        named(path)
        for path in FILES
        if path.parent.name != "migrations"
        and not path.name.endswith(".example.sql")
        and f'"{named(path)}"' not in source
    ]
    assert unused == []


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_python_holds_no_sql(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    assert [text for text in strings if STATEMENT.match(text)] == []
