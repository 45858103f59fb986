"""Runs nx-27017 on a unix socket: its own command knows ports only, open to every user."""

import asyncio
import signal
import sys
from contextlib import suppress

from nx_27017.handler import NeoSQLiteHandler
from nx_27017.server import handle_client


async def serve(data: str, socket: str) -> None:
    """Answers until the process is asked to end.

    data: folder of a file for each database.
    """
    handler = NeoSQLiteHandler(data_dir=data)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handle_client(reader, writer, handler)

    server = await asyncio.start_unix_server(answer, socket)
    loop = asyncio.get_running_loop()
    for asked in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(asked, server.close)
    async with server:
        with suppress(asyncio.CancelledError):
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
