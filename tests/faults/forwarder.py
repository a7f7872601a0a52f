"""The program behind `tests.faults.proxy`: forwards TCP connections and does to them what it is told.

A process of its own, so that it takes no interpreter time from the client under test. It reads one JSON object per line
from standard input and answers each with one line: `{"begin": [host, port], "from": [host, port]}` listens at the
second address and forwards to the first, `{"end": true}` closes everything, `{"set": fault}` replaces the fault,
`{"ask": true}` asks for the counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

__all__ = ["Fault", "Forwarder"]

# What is written at once when a hostile answer has no piece size of its own, and how much may wait to be taken.
_PIECE = 64 * 1024
_BACKLOG = 256 * 1024


@dataclass
class Fault:
    """What happens to a connection; see the methods of `tests.faults.proxy.Proxy`, which set one each.

    Attributes:
        kind: What is done.
        trigger: Nothing is done to a connection until a client's bytes contain this.
        low: The shortest delay in seconds.
        high: The longest delay in seconds.
        after: How many bytes of the reply still pass.
        reset: Whether a connection is cut with RST instead of FIN.
        times: How often it happens; negative: always.
        size: Bytes of one piece.
        pause: Seconds between two pieces.
        head: How a hostile answer begins.
        unit: What then follows...
        units: ...that many times.
        new: Whether connections of later on are concerned.
        old: Whether those that are open now are.
    """

    kind: str = "pass"
    trigger: str = ""
    low: float = 0.0
    high: float = 0.0
    after: int = 0
    reset: bool = False
    times: int = -1
    size: int = 0
    pause: float = 0.0
    head: str = ""
    unit: str = ""
    units: int = 0
    new: bool = True
    old: bool = True


@dataclass
class _Counts:
    accepted: list[float] = field(default_factory=list)
    happened: int = 0


class _Upstream(asyncio.Protocol):
    """The side towards the server."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair

    def data_received(self, data: bytes) -> None:
        self._pair.reply(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pair.close()


class _Pair(asyncio.Protocol):
    """The side towards the client, and both ends of what is forwarded."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._client: asyncio.Transport
        self._server: asyncio.Transport | None = None
        self._early = bytearray()
        # What is held back, with the moment until which it is.
        self._late: deque[tuple[float, bytes]] = deque()
        # The fault that has begun to happen to this connection.
        self._struck: Fault | None = None
        self._passed = 0
        self._hole = False
        self._answer: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)
        forwarder = self._forwarder
        forwarder.counts.accepted.append(time.monotonic())
        forwarder.pairs.add(self)
        forwarder.clients.add(self._client)
        fault = forwarder.fault
        self._hole = fault.kind == "hole" and fault.new and not fault.trigger
        forwarder.keep(asyncio.ensure_future(self._connect()))

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            upstream, _ = await loop.create_connection(lambda: _Upstream(self), *self._forwarder.target)
        except OSError:
            self.close()
            return
        self._server = upstream
        if self._client.is_closing():
            upstream.close()
        elif self._early:
            upstream.write(bytes(self._early))
            self._early.clear()

    def data_received(self, data: bytes) -> None:
        fault = self._forwarder.fault
        if self._is_dumb():
            return
        # Without a trigger a hole is for the connections that `obey` and `connection_made` choose.
        chosen = fault.kind == "hole" and not fault.trigger
        again = self._struck is not fault or fault.kind == "answer"
        if again and not chosen and fault.trigger.encode("latin-1") in data:
            self._strike(fault)
            if self._is_dumb():
                return
        if self._server is None:
            self._early += data
        else:
            self._server.write(data)

    def _is_dumb(self) -> bool:
        return self._hole or (self._answer is not None and not self._answer.done())

    def _strike(self, fault: Fault) -> None:
        if fault.times == 0:
            return
        fault.times -= 1
        self._struck = fault
        self._passed = 0
        if fault.kind == "hole":
            self._hole = True
        elif fault.kind == "answer":
            self._forwarder.counts.happened += 1
            self._answer = asyncio.ensure_future(self._say(fault))

    async def _say(self, fault: Fault) -> None:
        client = self._client
        client.write(fault.head.encode("latin-1"))
        unit = fault.unit.encode("latin-1")
        size = fault.size or _PIECE
        batch = max(1, size // max(1, len(unit)))
        left = fault.units
        while left and not client.is_closing():
            if client.get_write_buffer_size() > _BACKLOG:
                await asyncio.sleep(0.001)
                continue
            now = batch if left < 0 else min(batch, left)
            client.write(unit * now)
            left -= now
            await asyncio.sleep(fault.pause)
        if fault.reset:
            self.close()

    def reply(self, data: bytes) -> None:
        fault = self._struck
        if self._is_dumb():
            return
        if fault is None or fault is not self._forwarder.fault:
            self._pass(data, 0.0)
        elif fault.kind == "delay":
            self._pass(data, random.uniform(fault.low, fault.high))
            if fault.trigger:
                self._struck = None
        elif fault.kind == "cut":
            left = fault.after - self._passed
            self._client.write(data[: max(0, left)])
            self._passed += len(data)
            if left <= len(data):
                self._forwarder.counts.happened += 1
                self._cut(reset=fault.reset)
        elif fault.kind == "throttle":
            for start in range(0, len(data), fault.size):
                self._pass(data[start : start + fault.size], fault.pause, spread=True)
        elif fault.kind == "corrupt":
            broken = bytearray(data)
            broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
            self._forwarder.counts.happened += 1
            self._pass(bytes(broken), 0.0)
        else:
            self._pass(data, 0.0)

    def _pass(self, data: bytes, delay: float, *, spread: bool = False) -> None:
        now = asyncio.get_running_loop().time()
        if not delay and not self._late:
            self._client.write(data)
            return
        # What was said first arrives first.
        last = max(self._late[-1][0], now) if self._late else now
        self._late.append((last + delay if spread else max(last, now + delay), data))
        if len(self._late) == 1:
            self._wait()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, self._late[0][0] - loop.time()), self._deliver)

    def _deliver(self) -> None:
        # Timers are rounded to a millisecond.
        now = asyncio.get_running_loop().time() + 0.001
        while self._late and self._late[0][0] <= now:
            data = self._late.popleft()[1]
            if not self._client.is_closing() and not self._hole:
                self._client.write(data)
        if self._late:
            self._wait()

    def _cut(self, *, reset: bool) -> None:
        if reset:
            held: socket.socket = self._client.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._client.abort()
        self.close()

    def swallow(self) -> None:
        """Forward nothing any more, and close nothing."""
        self._hole = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._forwarder.clients.discard(self._client)
        if self._answer is not None:
            self._answer.cancel()
        self.close()

    def close(self) -> None:
        """End both sides."""
        self._forwarder.pairs.discard(self)
        for side in (self._client, self._server):
            # A silent side stays silent: the client of a black hole is not told that the server has gone.
            if side is not None and not (self._hole and side is self._client):
                side.close()


class Forwarder:
    """What listens at one address and forwards to another."""

    def __init__(self, target: tuple[str, int]) -> None:
        """Forward to `target`."""
        self.target = target
        self.fault = Fault()
        self.counts = _Counts()
        self.pairs: set[_Pair] = set()
        self.clients: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._listener: asyncio.Server

    def keep(self, task: asyncio.Future[None]) -> None:
        """Hold a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def listen(self, host: str, port: int) -> int:
        """Begin, and return the port."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Pair(self), host, port, backlog=4096)
        found: int = self._listener.sockets[0].getsockname()[1]
        return found

    def end(self) -> None:
        """Close everything, silent connections too."""
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        # Those of black holes are not among the pairs any more once the server has closed its side.
        for client in self.clients:
            client.abort()

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what a line says and return the answer."""
        if "set" in order:
            self.fault = Fault(**order["set"])
            if self.fault.kind == "hole" and self.fault.old and not self.fault.trigger:
                for pair in self.pairs:
                    pair.swallow()
        if order.get("forget"):
            self.counts = _Counts()
        return {
            "accepted": self.counts.accepted,
            "happened": self.counts.happened,
            "open": len(self.pairs),
        }


async def _serve() -> None:
    """Obey until standard input ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    forwarder: Forwarder | None = None
    while line := await orders.readline():
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if "begin" in order:
            host, port = order["begin"]
            forwarder = Forwarder((host, port))
            answer = {"port": await forwarder.listen(*order["from"])}
        elif forwarder is not None and "end" in order:
            forwarder.end()
        elif forwarder is not None:
            answer = forwarder.obey(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
