"""Where a lake may be, and how its files are replaced."""

from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from upath import UPath

from jobs.lake.files import is_local, put
from jobs.run import settings
from jobs.run.settings import lake_path
from recsys.errors import SettingsError


class NeverOver(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """Renames nothing over another file, as HDFS does not."""

    protocol = "neverover"

    def mv(self, path1: str, path2: str, **options: object) -> None:
        if self.exists(path2):
            raise OSError("File exists")
        super().mv(path1, path2, **options)


@pytest.mark.filterwarnings("ignore:UPath 'neverover' filesystem not explicitly implemented")
def test_a_file_is_replaced_where_nothing_can_be_renamed_over_it(tmp_path: Path) -> None:
    fsspec.register_implementation("neverover", NeverOver, clobber=True)
    folder = UPath(f"neverover://{tmp_path}")
    assert not is_local(folder)
    for content in (b"old", b"new"):
        put(folder / "file", content, folder / "beside")
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(FileNotFoundError):
        put(folder / "absent" / "file", b"new", folder / "beside")


def test_a_lake_is_a_folder_or_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (".lake", tmp_path / ".lake", f"file://{tmp_path}/.lake"):
        found = lake_path(str(place))
        assert is_local(found)
        assert str(found) == f"{tmp_path}/.lake"
    assert str(lake_path("s3://bucket/lake")) == "s3://bucket/lake"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere://lake", "RECSYS_LAKE is at nowhere://, which cannot be used: .*nowhere"),
        ("gs://bucket/lake", "RECSYS_LAKE is at gs://, which cannot be used: .*gcsfs"),
        ("sftp://me:hidden@host/lake", "RECSYS_LAKE holds a password"),
    ],
)
def test_a_place_that_cannot_be_a_lake_is_refused(place: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        lake_path(place)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    "name",
    ["LAKE", "SANDBOX", "CONFIG", "SPARK_MASTER", "POSTGRES_URI", "MONGO_URI"],
)
def test_a_variable_that_is_set_to_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"RECSYS_{name}", value)
    with pytest.raises(SettingsError, match=f"RECSYS_{name} is set to nothing; give it a value"):
        settings.load_settings()
