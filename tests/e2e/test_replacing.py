"""Demo data never replace what came from somebody's own sources."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.lake.claims import Marker, read_marker
from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from recsys.errors import SettingsError
from tests.e2e.conftest import Pipeline

DAY = AsOf.parse("2026-01-01")
SMALL = ["--users", "30", "--items", "24", "--days", "10", "--events", "400"]


def state(pipeline: Pipeline) -> tuple[object, ...]:
    """Everything that a demo would replace."""
    lake = Path(pipeline.settings.lake.path)
    files = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    tables = ("recs.run", "recs.user_list", "recs.live", "market.interactions")
    rows = [str(pipeline.query(f"SELECT t::text FROM {t} AS t ORDER BY 1")) for t in tables]  # noqa: S608
    return {path: files[path] for path in files if path.name != ".lock"}, *rows


@pytest.fixture
def published(pipeline: Pipeline) -> Pipeline:
    """A live run and a lake that no command for demo data made."""
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    return pipeline


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.csv"
    file.write_text("user,item\n1,2\n2,3\n", encoding="utf-8")
    return file


def test_what_is_published_from_other_sources_stays(
    published: Pipeline, environment: dict[str, str], pairs: Path
) -> None:
    before = state(published)
    for command in (["seed", *SMALL], ["import", "pairs", str(pairs)]):
        result = CliRunner().invoke(app, command, env=environment)
        assert result.exit_code == SettingsError.exit_code, result.output
        assert "would destroy 1 published runs, run 1 of them live" in result.output
        assert "partitions of the lake" in result.output
        assert state(published) == before
    result = CliRunner().invoke(app, ["migrate", "--recreate"], env=environment)
    assert result.exit_code == SettingsError.exit_code, result.output
    assert state(published) == before

    told = ["seed", *SMALL, "--replace-published"]
    result = CliRunner().invoke(app, told, env=environment)
    assert result.exit_code == 0, result.output
    assert published.query("SELECT * FROM recs.run") == []
    assert read_marker(published.settings.lake) == Marker(demo=True)


def test_what_a_demo_made_is_replaced(
    pipeline: Pipeline, environment: dict[str, str], pairs: Path
) -> None:
    for command in (["seed", *SMALL], ["import", "pairs", str(pairs)], ["seed", *SMALL]):
        result = CliRunner().invoke(app, command, env=environment)
        assert result.exit_code == 0, result.output
        if command[0] == "seed":
            pipeline.run(DAY)
            assert pipeline.query("SELECT count(*) FROM recs.run") == [(1,)]
    own = Path(environment["RECSYS_CONFIG"])
    shipped = own.read_text(encoding="utf-8")
    own.write_text(shipped.replace('"market.blocks"', '"shop.blocks"'), encoding="utf-8")
    before = state(pipeline)
    result = CliRunner().invoke(app, ["seed", *SMALL], env=environment)
    assert result.exit_code == SettingsError.exit_code, result.output
    assert "[sources] names shop.blocks" in result.output
    assert state(pipeline) == before
    told = ["migrate", "--recreate", "--replace-published"]
    result = CliRunner().invoke(app, told, env=environment)
    assert result.exit_code == 0, result.output
