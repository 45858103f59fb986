"""The documentation names what the code has, and the code has what the documentation names."""

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from jobs.app.config_reference import with_reference
from jobs.cli.main import app
from jobs.cli.reference import reference
from jobs.run import settings
from jobs.sources import source_types
from jobs.steps import NAMES
from recsys import errors
from recsys.errors import RecsysError
from tests.architecture.cli_commands import commands
from tests.architecture.documents import (
    COMMANDS,
    CONFIGURATION,
    CONTRIBUTING,
    OPERATIONS,
    README,
    REPOSITORY,
    SOURCES,
)

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]


def test_every_make_target_is_among_those_for_contributors() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(re.findall(r"^\| `make ([a-z-]+)", CONTRIBUTING, re.MULTILINE)) == targets


def test_every_job_is_on_the_way_of_one_row() -> None:
    assert [name for name in NAMES if f"`{name}`" not in README] == []


def test_the_reference_of_the_configuration_is_what_the_models_say() -> None:
    assert with_reference(CONFIGURATION) == CONFIGURATION


def test_the_reference_of_the_commands_is_what_their_help_says() -> None:
    assert reference() == COMMANDS


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names that a page's headings can be linked by."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if "://" not in link and (
            not target.exists() or (heading and heading not in anchors(target))
        ):
            broken.append(link)
    assert broken == []


def test_the_readme_comes_to_an_explained_list_in_few_commands() -> None:
    clone, own = (readme_block(title) for title in ("From a clone to", "On your own tables"))
    assert len(clone) <= 5
    assert len(own) <= 6
    assert {clone[-1].partition(" --why")[1], own[-1].partition(" --why")[1]} == {" --why"}


def readme_block(heading: str) -> list[str]:
    _, _, section = README.partition(f"## {heading}")
    return section.partition("```sh\n")[2].partition("```")[0].splitlines()


def test_every_environment_variable_is_in_the_configuration_guide() -> None:
    known = [v for v in vars(settings).values() if isinstance(v, str) and v.startswith("RECSYS_")]
    assert len(known) == 6
    assert [name for name in known if f"`{name}`" not in CONFIGURATION] == []


def test_every_module_and_path_that_a_guide_names_is_there() -> None:
    guides = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    text = "\n".join(guide.read_text(encoding="utf-8") for guide in guides)
    modules = set(re.findall(r"`((?:recsys|jobs|data_contracts)(?:\.[A-Za-z_]+)+)`", text))
    modules = {name for name in modules if not name.endswith(".toml")}
    missing = [name for name in modules if not _is_there(name)]
    paths = set(re.findall(r"`((?:recsys|jobs|data_contracts|sql|tests)/[\w/.]+)`", text))
    missing += [p for p in paths if "NNNN" not in p and not (REPOSITORY / p).exists()]
    assert missing == []


def _is_there(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    above, _, own = name.rpartition(".")
    return _imports(name) or (_imports(above) and hasattr(import_module(above), own))


def _imports(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def error_classes() -> list[type[RecsysError]]:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [kind for kind in found if issubclass(kind, RecsysError) and kind is not RecsysError]


def test_every_cause_has_its_own_exit_code_and_is_in_the_operations_guide() -> None:
    codes = sorted(kind.exit_code for kind in error_classes())
    assert len(codes) == len(set(codes))
    table = "".join(line for line in OPERATIONS.splitlines() if line.startswith("| "))
    numbers = {int(n) for n in re.findall(r"\b\d{2,3}\b", table.replace("20 - 27", "20 27 "))}
    missing = [code for code in codes if code not in numbers]
    assert missing == []


@pytest.mark.parametrize("kind", source_types.POSTGRES)
def test_the_types_of_sources_are_in_their_guide(kind: source_types.Kind) -> None:
    names = source_types.MONGO[kind], tuple(source_types.POSTGRES[kind])
    mongo, postgres = (", ".join(f"`{name}`" for name in each) for each in names)
    assert f"| {postgres} | {mongo} |" in SOURCES


def test_every_test_that_a_guide_names_is_there() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("tests/**/*.py"))
    named = re.findall(r"`(test_\w+)` \|$", OPERATIONS + SOURCES, re.MULTILINE)
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []


@pytest.mark.parametrize(
    ("name", "command"),
    [pytest.param(n, c, id=n) for n, c in commands(typer.main.get_command(app))],
)
def test_every_command_shows_an_example_of_itself(name: str, command: Any) -> None:
    assert f"Example: {name}" in command.help or name in command.help
