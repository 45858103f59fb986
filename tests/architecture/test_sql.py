"""Every statement parses, says what it is for, and is used; no SQL is written in Python."""

import ast
import re
from pathlib import Path

import pglast
import pytest

from jobs.db.statements import SQL, statements
from jobs.sinks.postgres.migrations import with_id_types
from recsys.sections.ids import Ids

REPOSITORY = Path(__file__).parents[2]
CODE = [p for folder in ("jobs", "recsys", "dags") for p in (REPOSITORY / folder).rglob("*.py")]
STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|COPY)\s", re.IGNORECASE)


SCRIPTS = {
    "schema": (SQL / "schema.sql").read_text(encoding="utf-8"),
    "roles": (SQL / "roles.sql").read_text(encoding="utf-8"),
    **{f"{p.parent.name}/{p.stem}": p.read_text(encoding="utf-8") for p in SQL.glob("*/*.sql")},
}
PAGES = sorted(p.stem for p in SQL.glob("*.sql") if p.stem not in SCRIPTS)
TEXTS = SCRIPTS | {f"{page}/{n}": text for page in PAGES for n, text in statements(page).items()}


@pytest.mark.parametrize("name", TEXTS)
def test_a_statement_parses_and_says_what_it_is_for(name: str) -> None:
    text = TEXTS[name]
    assert text.startswith("-- ")
    text = with_id_types(text, Ids())
    text = re.sub(r"recs\.\{partition\}", "recs.p", text)
    text = re.sub(r"\{(first|last|start|end|snapshot|run_id)\}", "'1'", text)
    text = re.sub(r"\{rows\}", "SELECT 1", text)
    text = re.sub(r"\{(user_id|item_id)\}", "bigint", text)
    text = re.sub(r"\{\w+\}", "x", text)
    text = re.sub(r"%\(\w+\)s", "'1'", text)
    assert pglast.parse_sql(text)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_it_is_for_and_names_each_statement_once(page: str) -> None:
    text = (SQL / f"{page}.sql").read_text(encoding="utf-8")
    assert re.match(r"-- [^\n]+\n", text)
    names = re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert names == list(statements(page))


def test_every_statement_is_used() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in CODE)
    run_by_folder = ("migrations/", "examples/", "repeatable/listed.example")
    unused = [
        name for name in TEXTS if not name.startswith(run_by_folder) and f'"{name}"' not in source
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
