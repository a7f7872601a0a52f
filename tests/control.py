"""A second way to a server, so that a test never asks the code under test what the server saw."""

from __future__ import annotations

import socket
import threading
from typing import Self

__all__ = ["Control", "Reply", "ServerError", "pack"]

type Reply = str | bytes | int | list[Reply | ServerError] | None


class ServerError(Exception):
    """An error reply; `str()` is the server's own text."""


def pack(*words: str | bytes | float) -> bytes:
    """Return the request for the command `words`, as a server reads it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Control:
    """One plain RESP2 connection, for what a test asserts on the server's side.

    It reconnects when it has been cut, as servers are killed and restarted under it. Threads may share it.
    """

    def __init__(
        self, address: tuple[str, int] | str, *, login: tuple[str, str] | None = None, timeout: float = 5.0
    ) -> None:
        """Remember where to connect.

        Args:
            address: `(host, port)`, or the path of a Unix socket.
            login: User and password, sent before anything else.
            timeout: Seconds to wait for a connection and for each reply.
        """
        self._address = address
        self._login = login
        self._timeout = timeout
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._buffer = bytearray()

    def __call__(self, *words: str | bytes | float) -> Reply:
        """Send one command and return its reply.

        Args:
            words: The command and its arguments.

        Returns:
            Bulk strings as bytes, simple strings as str, null as None, error replies inside arrays as values.

        Raises:
            ServerError: The server answered with an error.
            OSError: It does not answer at all.
        """
        with self._lock:
            reused = self._socket is not None
            try:
                return self._exchange(pack(*words))
            except (ConnectionError, TimeoutError):
                self._drop()
                if not reused:
                    raise
                # A server that was restarted in between cut the connection that is kept from the last command.
                return self._exchange(pack(*words))

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connection; the next command opens another one."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        self._buffer.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> Reply:
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        self._socket.sendall(request)
        reply = self._reply()
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def _connect(self) -> None:
        if isinstance(self._address, str):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(self._timeout)
            self._socket.connect(self._address)
        else:
            self._socket = socket.create_connection(self._address, self._timeout)
        if self._login is not None:
            self._exchange(pack("AUTH", *self._login))

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _receive(self) -> None:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the control connection")
        self._buffer += data

    def _reply(self) -> Reply | ServerError:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"+":
                return rest.decode()
            case b"-":
                return ServerError(rest.decode())
            case b":":
                return int(rest)
            case b"$":
                return self._bulk(int(rest))
            case b"*":
                return None if rest == b"-1" else [self._reply() for _ in range(int(rest))]
        raise ValueError(f"not a RESP2 reply: {line[:40]!r}")

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        while len(self._buffer) < size + 2:
            self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[: size + 2]
        return data
