"""A pooler in transaction mode, as PgBouncer is one: small, for one kind of client at a time."""

import contextlib
import os
import socket
import struct
import threading
import time
from pathlib import Path
from queue import LifoQueue
from typing import Final

_STARTUP: Final = 196_608
_TLS: Final = 80_877_103
_TERMINATE: Final = b"X"
_READY: Final = b"Z"
_IDLE: Final = b"I"


class Pooler:
    """Hands each transaction of any client to a server connection that is free.

    `servers` connections are made with the first client's startup message. As with PgBouncer, the
    process number that a client is told is made up.
    """

    def __init__(self, server: Path, folder: Path, servers: int) -> None:
        self._server, self._servers = server, servers
        self._free: LifoQueue[socket.socket] = LifoQueue()
        self._greeting = b""
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more clients and lets the servers go."""
        self._listener.close()
        while not self._free.empty():
            self._free.get().close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            startup = self._startup(client)
            with self._lock:
                for _ in range(self._servers if not self._greeting else 0):
                    self._connect(startup)
            made_up = b"K" + struct.pack("!iii", 12, os.getpid(), 0)
            client.sendall(self._greeting + made_up + _READY + struct.pack("!i", 5) + _IDLE)
            while (first := read_message(client)) and first[:1] != _TERMINATE:
                self._transaction(client, first)

    def _startup(self, client: socket.socket) -> bytes:
        while True:
            (length,) = struct.unpack("!i", exactly(client, 4))
            body = exactly(client, length - 4)
            if struct.unpack("!i", body[:4]) == (_TLS,):
                client.sendall(b"N")
                continue
            return struct.pack("!i", length) + body

    def _connect(self, startup: bytes) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server / ".s.PGSQL.5432"))
        server.sendall(startup)
        greeting = b""
        while (message := read_message(server))[:1] != _READY:
            greeting += message if message[:1] != b"K" else b""
        self._greeting = greeting
        self._free.put(server)

    def _transaction(self, client: socket.socket, message: bytes) -> None:
        """Passes messages until the server is outside a transaction again."""
        server = self._free.get()
        while True:
            server.sendall(message)
            if message[:1] in (b"Q", b"S"):
                while (answer := read_message(server))[:1] != _READY:
                    client.sendall(answer)
                client.sendall(answer)
                if answer[-1:] == _IDLE:
                    break
            message = read_message(client)
            if not message or message[:1] == _TERMINATE:
                server.close()
                return
        # The client knows already: on a busy machine it asks again before the server is free.
        time.sleep(0.003)
        self._free.put(server)


def read_message(source: socket.socket) -> bytes:
    """One message of the protocol; nothing where the other side has gone."""
    kind = source.recv(1)
    if not kind:
        return b""
    length = exactly(source, 4)
    return kind + length + exactly(source, struct.unpack("!i", length)[0] - 4)


def exactly(source: socket.socket, count: int) -> bytes:
    """As many bytes as were asked for."""
    found = b""
    while len(found) < count:
        more = source.recv(count - len(found))
        if not more:
            raise OSError("the other side has gone")
        found += more
    return found
