"""A sentinel that says what a test wants it to say."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedIOBase

__all__ = ["FakeSentinel"]


class FakeSentinel:
    """Answers as a sentinel does; a context manager.

    Attributes:
        master: Whom it gives as the master; None: it does not know the service.
        replicas: Whom it gives as the replicas.
        others: Whom it gives as the other sentinels.
        silent: Whether it says nothing at all.
        hangs_up: Whether it does so when somebody subscribes.
        asked: How many times it was asked for the master.
    """

    def __init__(
        self,
        master: tuple[str, int] | None = None,
        *,
        replicas: Iterable[tuple[str, int]] = (),
        others: Iterable[tuple[str, int]] = (),
        silent: bool = False,
        hangs_up: bool = False,
    ) -> None:
        """Begin to listen; the arguments are the attributes."""
        self.master, self.replicas, self.others, self.silent = master, list(replicas), list(others), silent
        self.hangs_up = hangs_up
        self.asked = 0
        self._listeners: list[BufferedIOBase] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Conversation)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.fake = self  # type: ignore[attr-defined]
        self.address: tuple[str, int] = cast("tuple[str, int]", self._server.server_address)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the sentinel."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def listeners(self) -> int:
        """How many have subscribed so far."""
        return len(self._listeners)

    def tell(self, channel: str, message: str) -> None:
        """Publish a message to all who have subscribed and are still there."""
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.write(_packed(["message", channel, message]))

    def listen(self, listener: BufferedIOBase) -> None:
        """Take note of a subscriber."""
        self._listeners.append(listener)

    def answer(self, words: list[str]) -> bytes:
        """Return the reply to a command."""
        match [word.upper() for word in words[:2]]:
            case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME"]:
                self.asked += 1
                return b"*-1\r\n" if self.master is None else _packed([self.master[0], str(self.master[1])])
            case ["SENTINEL", "REPLICAS" | "SLAVES"]:
                return self._rows(self.replicas, "slave")
            case ["SENTINEL", "SENTINELS"]:
                return self._rows(self.others, "sentinel")
            case ["PING", *_]:
                return b"+PONG\r\n"
        return b"+OK\r\n"

    def _rows(self, addresses: list[tuple[str, int]], flags: str) -> bytes:
        if self.master is None:
            return b"-ERR No such master with that name\r\n"
        rows = [["ip", host, "port", str(port), "flags", flags] for host, port in addresses]
        return b"*%d\r\n" % len(rows) + b"".join(map(_packed, rows))


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        # Who has heard enough hangs up.
        with contextlib.suppress(ConnectionError):
            self._converse(cast("Any", self.server).fake)

    def _converse(self, fake: FakeSentinel) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2].decode())
            if fake.silent:
                continue
            if words[0] == "SUBSCRIBE" and fake.hangs_up:
                break
            if words[0] == "SUBSCRIBE":
                for number, channel in enumerate(words[1:], 1):
                    self.wfile.write(_packed(["subscribe", channel], b":%d\r\n" % number))
                fake.listen(self.wfile)
            else:
                self.wfile.write(fake.answer(words))


def _packed(words: list[str], *more: bytes) -> bytes:
    packed = [b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words]
    return b"*%d\r\n" % (len(words) + len(more)) + b"".join(packed) + b"".join(more)
