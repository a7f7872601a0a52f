"""A connection of our own to the server: what it reports about the connections of the others."""

from __future__ import annotations

import socket
from typing import Self

__all__ = ["Admin", "ServerError"]

type Reply = bytes | int | list[Reply] | None


class ServerError(RuntimeError):
    """The server refused a command, or closed the connection."""


class Admin:
    """A blocking connection that belongs to no contender, so that asking disturbs none of them."""

    def __init__(self, port: int) -> None:
        """Connect to 127.0.0.1 at `port`."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
        self._socket.close()

    def call(self, *words: str) -> Reply:
        """Send one command and return its reply; raises `ServerError` when the server refuses it."""
        packed = [f"*{len(words)}\r\n".encode()]
        for word in words:
            data = word.encode()
            packed.append(b"$%d\r\n%b\r\n" % (len(data), data))
        self._socket.sendall(b"".join(packed))
        return self._reply()

    def _reply(self) -> Reply:
        line = self._reader.readline()
        if not line:
            raise ServerError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ServerError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"*":
            return [self._reply() for _ in range(size)]
        return self._reader.read(size + 2)[:-2]

    def _text(self, *words: str) -> str:
        reply = self.call(*words)
        if not isinstance(reply, bytes):
            raise ServerError(f"{words[0]} returned {type(reply).__name__} instead of text")
        return reply.decode()

    def info(self) -> dict[str, str]:
        """Return the server's INFO as a flat mapping."""
        lines = (line.partition(":") for line in self._text("INFO").splitlines())
        return {name: value for name, separator, value in lines if separator}

    def opened(self) -> int:
        """Return how many connections the server has accepted since it started."""
        return int(self.info()["total_connections_received"])

    def clients(self, db: int) -> list[str]:
        """Return the CLIENT IDs of the connections that have selected `db`, our own excepted."""
        own = str(self.call("CLIENT", "ID"))
        found = []
        for line in self._text("CLIENT", "LIST").splitlines():
            fields = dict(field.partition("=")[::2] for field in line.split(" "))
            if fields.get("db") == str(db) and fields.get("id") != own:
                found.append(fields["id"])
        return found

    def kill(self, db: int) -> int:
        """Close the connections that have selected `db`; return how many there were."""
        victims = self.clients(db)
        for client in victims:
            self.call("CLIENT", "KILL", "ID", client)
        return len(victims)
