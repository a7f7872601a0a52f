"""The bookshops as processes: one ASGI server per backend, on a loopback port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from examples.harness.visitor import VisitError, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.harness.server import Server

__all__ = ["ShopError", "ShopProcess", "running_shops"]

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that a bookshop may take until it answers, and until it has stopped.
START_SECONDS = 15
STOP_SECONDS = 5


class ShopError(Exception):
    """A bookshop did not start; the text holds what it printed."""


def _listening(port: int) -> socket.socket:
    """Listen on ``port``, or on a free one where that is taken."""
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.close()
            if wanted == 0:
                raise
        else:
            listener.listen(1024)
            return listener
    msg = "unreachable: port 0 is always bound or raises"
    raise AssertionError(msg)


class ShopProcess:
    """One bookshop on one backend, in a process of its own.

    The socket is bound here and handed over, so that no port can be lost between choosing and using it. The process
    watches its standard input and stops when that closes, so it cannot outlive the demo, however that ends.
    """

    def __init__(self, backend: str, server: Server, port: int = 0) -> None:
        """Choose an address: ``port``, or a free one where that is 0 or taken."""
        self.backend = backend
        self._server = server
        self._listener = _listening(port)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, peer: str = "") -> None:
        """Start the process; ``peer`` is the address of the shop whose numbers it shows beside its own."""
        descriptor = self._listener.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "examples.bookshop.serve", str(descriptor)],
            cwd=ROOT,
            env=os.environ
            | {
                "BOOKSHOP_BACKEND": self.backend,
                "BOOKSHOP_SERVER": "" if self._server.embedded and self.backend == "cachex" else self._server.url,
                "BOOKSHOP_DIRECTORY": self._server.directory,
                "BOOKSHOP_READINGS": self._server.url,
                "BOOKSHOP_PEER": peer,
                "DJANGO_SETTINGS_MODULE": "examples.bookshop.settings",
            },
            pass_fds=[descriptor],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches the whole foreground group; the demo decides in which order things end.
            start_new_session=True,
        )

    def cpu_seconds(self) -> float:
        """Return the processor time that the process has used, in seconds; 0 where there is no /proc to tell."""
        try:
            stat = Path(f"/proc/{self._process.pid if self._process else 0}/stat").read_text()
        except OSError:
            return 0.0
        # Behind the program's name, which is in brackets and may hold spaces: fields 14 and 15, in clock ticks.
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def output(self) -> str:
        """Return what the process has printed, its last 4,000 characters."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")[-4000:].strip()

    async def ready(self) -> None:
        """Wait until a cached page comes back.

        Raises:
            ShopError: the process ended, answers with an error, or does not answer in time.
        """
        problem = "no answer"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                problem = "it ended"
                break
            try:
                async with asyncio.timeout(5), Visitor.at(self.address) as visitor:
                    answer = await visitor.get("/stock/0/")
            except (OSError, VisitError) as error:
                problem = repr(error)
            else:
                if answer.status == 200:
                    return
                problem = f"HTTP {answer.status}"
                break
            await asyncio.sleep(0.05)
        msg = f"The bookshop on the {self.backend} backend did not start ({problem}).\n{self.output()}"
        raise ShopError(msg)

    def stop(self) -> None:
        """Stop the process and give the port back; does nothing the second time."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._listener.close()
        self._output.close()


@contextlib.contextmanager
def running_shops(backends: list[str], server: Server, ports: list[int]) -> Iterator[list[ShopProcess]]:
    """Start a bookshop per backend; all are stopped on leaving, also by Ctrl-C or an error."""
    shops: list[ShopProcess] = []
    try:
        for backend, port in zip(backends, ports, strict=True):
            shops.append(ShopProcess(backend, server, port))
        for shop in shops:
            shop.start(next((other.address for other in shops if other is not shop), ""))
        yield shops
    finally:
        for shop in shops:
            shop.stop()
