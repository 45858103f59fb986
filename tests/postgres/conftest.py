"""Servers that a test may stop, freeze or fill."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.sandbox.postgres_server import PostgresServer


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """An embedded server that nothing else uses."""
    with tempfile.TemporaryDirectory(prefix="recsys-own-") as folder:
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        yield server
        server.stop()
