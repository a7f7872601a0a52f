"""A tap on the wire: the very bytes that a backend exchanges for one operation."""

from __future__ import annotations

import selectors
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.cache.backends.base import BaseCache

    from benchmarks.contenders import Contender

__all__ = ["Exchange", "recorded"]


class Exchange(NamedTuple):
    """One round trip: the bytes sent, and how many bytes come back."""

    request: bytes
    reply_size: int


class _Tap:
    """A relay on a port of its own that notes who said what, in order."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, tuple[socket.socket, bool]] = {}
        self.heard: list[tuple[bool, bytes]] = []
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._relay, name="tap", daemon=True)

    def __enter__(self) -> Self:
        for source in (self._listener, self._wake_reader):
            self._selector.register(source, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake_writer.send(b"\0")
        self._thread.join()
        for open_socket in (self._listener, self._wake_reader, self._wake_writer, *self._peers):
            open_socket.close()
        self._selector.close()

    def _relay(self) -> None:
        while True:
            for key, _ in self._selector.select():
                source = key.fileobj
                if source is self._wake_reader:
                    return
                if source is self._listener:
                    self._accept()
                elif isinstance(source, socket.socket):
                    self._forward(source)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server_port))
        self._peers[client], self._peers[server] = (server, True), (client, False)
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        target, is_request = self._peers[source]
        data = source.recv(1 << 20)
        if data:
            self.heard.append((is_request, data))
            target.sendall(data)
            return
        for end in (source, target):
            self._selector.unregister(end)
            del self._peers[end]
            end.close()


def recorded(contender: Contender, server_port: int, operation: Callable[[BaseCache], object]) -> tuple[Exchange, ...]:
    """Return what `contender` and the server say to each other during one `operation`, connecting left out."""
    with _Tap(server_port) as tap:
        cache = contender.new(tap.port)
        for _ in range(2):  # the first connects, the second shows that what follows is the usual
            operation(cache)
        tap.heard.clear()
        operation(cache)
        heard = list(tap.heard)
    exchanges: list[Exchange] = []
    spoke_last = False
    for is_request, data in heard:
        if is_request and not spoke_last:
            exchanges.append(Exchange(data, 0))
        else:
            request, size = exchanges.pop()
            exchanges.append(Exchange(request + data, size) if is_request else Exchange(request, size + len(data)))
        spoke_last = is_request
    return tuple(exchanges)
