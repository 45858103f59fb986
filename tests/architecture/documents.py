"""Texts of the documentation."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ANALYSTS = (REPOSITORY / "docs" / "analysts.md").read_text(encoding="utf-8")
CONFIGURATION = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMANDS = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
CONTRIBUTING = (REPOSITORY / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
SOURCES = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
