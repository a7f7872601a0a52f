"""A TCP proxy that misbehaves on demand, between a client under test and a real server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server

__all__ = ["Proxies", "Proxy"]


class _Process:
    """A forwarding process, between lines."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("forwarder.py")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, program], stdin=pipe, stdout=pipe, text=True)

    def tell(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give an order and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Proxies:
    """Makes proxies. Their processes take longer to start than many a test, so they are used again."""

    def __init__(self) -> None:
        """Start none yet."""
        self._idle: list[_Process] = []

    def close(self) -> None:
        """End the processes that are idle."""
        for process in self._idle:
            process.kill()
        self._idle.clear()

    @contextlib.contextmanager
    def start(self, server: Server, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Proxy]:
        """Forward to `server` for a while; afterwards all connections are closed.

        Args:
            server: Where to.
            host: The address to listen on.
            port: The port to listen on; 0: any.
        """
        process = self._idle.pop() if self._idle else _Process()
        try:
            yield Proxy(process, server, host, port)
            process.tell({"end": True})
        except BaseException:
            process.kill()
            raise
        self._idle.append(process)


class Proxy:
    """What forwards to one server. A new fault replaces the last one; `heal` ends it.

    `trigger` in the methods: nothing happens to a connection until the client sends these bytes, so that for example
    handshakes pass and a certain command does not.

    Attributes:
        port: Where clients connect.
    """

    def __init__(self, process: _Process, server: Server, host: str, port: int) -> None:
        """Begin; see `Proxies.start`."""
        self._process = process
        self.port: int = process.tell({"begin": ["127.0.0.1", server.port], "from": [host, port]})["port"]
        self._server = server

    @property
    def url(self) -> str:
        """A LOCATION that leads through it to the server."""
        return self._server.url.replace(f":{self._server.port}", f":{self.port}")

    # What it does

    def heal(self) -> None:
        """Forward everything as it comes; black holes stay black."""
        self._set(kind="pass")

    def delay(self, low: float, high: float, *, trigger: bytes = b"") -> None:
        """Hold back what the server says for `low` to `high` seconds, in order; with a trigger only the reply to it."""
        self._set(kind="delay", low=low, high=high, trigger=trigger)

    def hole(self, *, trigger: bytes = b"", old: bool = True, new: bool = True) -> None:
        """Forward nothing any more and close nothing, on open connections, on new ones or on both."""
        self._set(kind="hole", trigger=trigger, old=old, new=new)

    def cut(self, *, after: int = 0, trigger: bytes = b"", reset: bool = False, times: int = -1) -> None:
        """Cut a connection when the server has answered, once `after` bytes of the answer have passed."""
        self._set(kind="cut", after=after, trigger=trigger, reset=reset, times=times)

    def throttle(self, size: int, pause: float, *, trigger: bytes = b"") -> None:
        """Deliver what the server says in pieces of `size` bytes, every `pause` seconds."""
        self._set(kind="throttle", size=size, pause=pause, trigger=trigger)

    def corrupt(self, *, trigger: bytes = b"") -> None:
        """Flip one bit of whatever the server says."""
        self._set(kind="corrupt", trigger=trigger)

    def answer(
        self,
        head: bytes,
        *,
        trigger: bytes,
        unit: bytes = b"",
        units: int = 0,
        size: int = 0,
        pause: float = 0.0,
        close: bool = False,
    ) -> None:
        """Speak in the server's place: `head`, then `unit` so many times (negative: without end).

        Args:
            head: How the answer begins.
            trigger: The command that is answered so.
            unit: What follows.
            units: How often.
            size: Bytes to write at once.
            pause: Seconds between two writes.
            close: Whether the connection is closed afterwards.
        """
        self._set(
            kind="answer", head=head, trigger=trigger, unit=unit, units=units, size=size, pause=pause, reset=close
        )

    # What it saw

    def accepted(self) -> list[float]:
        """Return when it was connected to, in seconds of the monotonic clock."""
        found: list[float] = self._process.tell({"ask": True})["accepted"]
        return found

    def happened(self) -> int:
        """Return how many replies were cut, corrupted or replaced."""
        found: int = self._process.tell({"ask": True})["happened"]
        return found

    def open(self) -> int:
        """Return how many connections there are."""
        found: int = self._process.tell({"ask": True})["open"]
        return found

    def forget(self) -> None:
        """Count from zero."""
        self._process.tell({"forget": True})

    # Inside

    def _set(self, **fault: Any) -> None:
        texts = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in fault.items()}
        self._process.tell({"set": texts})
