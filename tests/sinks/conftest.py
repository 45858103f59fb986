"""Every sink there is, each in an empty place."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.object_store import ObjectStore
from tests.sinks.cases import Case

#: The last one is a file that the tests add.
SINKS = ("postgres", "files", "files in an object store", "sqlite")


@pytest.fixture(params=SINKS)
def case(
    request: pytest.FixtureRequest,
    postgres_uri: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Case:
    """A sink in which nothing was published yet."""
    record = postgres_uri.get_secret_value()
    if request.param == "postgres":
        return Case("postgres", record)
    if request.param != "files in an object store":
        return Case(request.param, record, {"path": str(tmp_path / "sink")})
    store: ObjectStore = request.getfixturevalue("object_store")
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    place = request.getfixturevalue("bucket")
    assert "AWS_ENDPOINT_URL" in os.environ
    return Case("files", record, {"path": str(place)}, dict(store.environment))
