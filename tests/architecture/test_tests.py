"""Test modules stand alone: what several use is in a module whose name says what it holds."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: Found as text, so also in the programs that tests write down and run.
IMPORT = re.compile(r"^\s*((?:from|import) tests\b[^\n(]*(?:\([^)]*)?\btest_\w+)", re.MULTILINE)


def test_no_test_module_is_imported() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")}
    importing = {
        str(path.relative_to(TESTS)): found
        for path, text in sources.items()
        if (found := IMPORT.findall(text))
    }
    assert importing == {}
