"""The notebooks of docs/notebooks, executed as they are on the lake of two nights."""

from pathlib import Path
from typing import Final

import nbformat
import pytest
from nbclient import NotebookClient

from recsys.as_of import AsOf
from tests.e2e.conftest import Pipeline, environment_of

NOTEBOOKS: Final = Path(__file__).parents[2] / "docs" / "notebooks"
BEFORE, DAY = AsOf.parse("2025-12-31"), AsOf.parse("2026-01-01")


def read(name: str) -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = nbformat.reads(
        (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"), as_version=4
    )
    return found


def executed(name: str) -> list[str]:
    """Runs a notebook; gives what each cell of code shows, in order, as text."""
    notebook = read(name)
    kept = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=kept).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    results = ([each for each in cell.outputs if "data" in each] for cell in cells)
    return ["".join(each["data"]["text/plain"] for each in found) for found in results]


def test_every_notebook_runs_on_the_lake_of_two_nights(
    two_nights: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RECSYS_LAKE", "RECSYS_CONFIG"):
        monkeypatch.setenv(name, environment_of(two_nights.settings)[name])
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parents[1]))
    dates = f"[{BEFORE!r}, {DAY!r}]"

    found, at, *shown = executed("look_at_a_night")
    assert (found, at) == (dates, repr(DAY))
    assert "ndcg" in shown[0]
    assert all(shown)

    found, _, *shown = executed("compare_two_nights")
    assert found == dates
    assert "overlap" in shown[0]
    assert all(shown)

    *_, compared = executed("try_a_generator")
    assert all(f"recent, {days} days" in compared for days in (2, 7, 30))


@pytest.mark.parametrize("file", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_is_kept_without_what_it_once_showed(file: Path) -> None:
    cells = [cell for cell in read(file.stem).cells if cell.cell_type == "code"]
    assert cells
    assert [cell for cell in cells if cell.outputs or cell.execution_count] == []
