"""The floors: what the machine gives when there is no cache backend at all, only its unavoidable work."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.taps import Exchange

__all__ = ["NO_IO", "PING_PONG", "PingPong", "no_io"]

PING_PONG = "raw socket"
NO_IO = "no I/O"


class PingPong:
    """A raw blocking Python socket that sends and receives the same bytes as a backend's operation."""

    def __init__(self, port: int, db: int, exchanges: Sequence[Exchange]) -> None:
        """Connect to 127.0.0.1 at `port`, select `db`, and stand ready to repeat `exchanges`."""
        self._exchanges = tuple(exchanges)
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A Python timeout would put a poll before every recv. The kernel's costs nothing and still ends a wait for
        # bytes that never come.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 10, 0))
        self._buffer = memoryview(bytearray(max([4096, *(exchange.reply_size for exchange in self._exchanges)])))
        self._socket.sendall(f"SELECT {db}\r\n".encode())
        if self._socket.recv(64) != b"+OK\r\n":
            raise ConnectionError(f"the server refused SELECT {db}")

    def batch(self, operations: int) -> None:
        """Do `operations` ping-pongs; raises `OSError` when the server does not answer as it did before."""
        send, receive, buffer, exchanges = self._socket.sendall, self._socket.recv_into, self._buffer, self._exchanges
        for _ in range(operations):
            for request, size in exchanges:
                send(request)
                got = receive(buffer)
                while got < size:
                    more = receive(buffer[got:])
                    if not more:
                        raise ConnectionError("the server closed the connection of the raw socket")
                    got += more

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def no_io() -> Callable[[], Awaitable[None]]:
    """Return an operation that costs what asyncio itself costs: a future, completed by `call_soon`, awaited."""
    loop = asyncio.get_running_loop()
    create_future, call_soon = loop.create_future, loop.call_soon

    async def operation() -> None:
        future = create_future()
        call_soon(future.set_result, None)
        await future

    return operation
