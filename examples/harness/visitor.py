"""A visitor of a web site: one kept-alive HTTP/1.1 connection with cookies.

Small on purpose: a full HTTP client costs more processor time per request than the pages under test, and on two cores
that would be measured instead of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Answer", "VisitError", "Visitor"]


class VisitError(Exception):
    """The site answered with something that is not a usable HTTP response."""


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Visitor:
    """Visits one site over one connection, which opens on entering and closes on leaving the ``async with`` block."""

    def __init__(self, host: str, port: int) -> None:
        """Prepare a visit to ``http://host:port``."""
        self._host = host
        self._port = port
        self._cookies: dict[str, str] = {}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    def at(cls, address: str) -> Self:
        """Prepare a visit to ``address``, an ``http://host:port`` URL."""
        parts = urlsplit(address)
        return cls(parts.hostname or "127.0.0.1", parts.port or 80)

    async def __aenter__(self) -> Self:
        """Open the connection."""
        self._streams = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def get(self, path: str) -> Answer:
        """Fetch ``path`` and remember the cookies it sets.

        Raises:
            VisitError: the answer is not HTTP, has no length, or the connection closed in the middle of it.
            OSError: the connection broke.
        """
        if self._streams is None:
            msg = "A visitor makes requests inside its 'async with' block."
            raise VisitError(msg)
        reader, writer = self._streams
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        if self._cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self._cookies.items()))
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = self._headers(head[1:-2])
            return Answer(
                int(head[0].split(" ", 2)[1]), headers, await reader.readexactly(int(headers["content-length"]))
            )
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError, KeyError, ValueError) as error:
            msg = f"No usable answer to GET {path}: {error!r}"
            raise VisitError(msg) from error

    def _headers(self, lines: list[str]) -> dict[str, str]:
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
            if name.lower() == "set-cookie":
                cookie, _, content = value.strip().partition(";")[0].partition("=")
                self._cookies[cookie] = content
        return headers
