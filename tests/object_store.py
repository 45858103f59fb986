"""An object store for tests: SeaweedFS, which speaks S3, on loopback."""

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upath import UPath

from jobs.sandbox.processes import last_lines, wait_until

_SECONDS: Final = 60.0
_BUCKET: Final = "tests"  # each has volumes of its own, which are few
_SERVERS: Final = ("master", "volume", "filer", "s3")


@dataclass(frozen=True)
class ObjectStore:
    """Where the store is, and who may use it."""

    url: str
    key: str
    secret: str

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells a process of it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def folder(self, name: str) -> UPath:
        """A place in its one bucket, which this process reaches without that environment."""
        bucket = UPath(f"s3://{_BUCKET}", endpoint_url=self.url, key=self.key, secret=self.secret)
        bucket.fs.makedirs(_BUCKET, exist_ok=True)
        return bucket / name


@contextmanager
def started(folder: Path) -> Iterator[ObjectStore]:
    """Runs a store whose data and log are in a folder."""
    ports = _free_ports(2 * len(_SERVERS))
    s3 = ports[_SERVERS.index("s3")]
    store = ObjectStore(f"http://127.0.0.1:{s3}", "lake", secrets.token_hex(16))
    identity = {
        "name": "lake",
        "credentials": [{"accessKey": store.key, "secretKey": store.secret}],
        "actions": ["Admin"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    served = [
        option
        for server, port, more in zip(_SERVERS, ports, ports[len(_SERVERS) :], strict=False)
        for option in (f"-{server}.port={port}", f"-{server}.port.grpc={more}")
    ]
    command = [
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=32",
        *served,
    ]
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        if not wait_until(lambda: _writes(store), _SECONDS):
            raise TimeoutError(f"SeaweedFS does not answer: {last_lines(folder / 'weed.log', 20)}")
        yield store
    finally:
        server.kill()  # asked to end, it waits for its clients
        server.wait(_SECONDS)


def _writes(store: ObjectStore) -> bool:
    """Whether it takes files: it opens its doors before it has found all its parts."""
    try:
        store.folder("ready").write_bytes(b"yes")
    except OSError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
