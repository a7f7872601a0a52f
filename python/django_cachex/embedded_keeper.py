"""The keeper of an embedded server: runs apart from every project process, and ends when the last of them has.

Run as a script with two arguments, the server's private directory and the path of ``valkey-server``. It exits once the
server answers (status 0) or has failed (status 1, reason on stderr); the keeper itself goes on in the background.

Only the standard library: it is started with ``-I -S``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

try:
    import fcntl
except ImportError:  # Windows, for which there is no server either
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOG", "SOCKET", "STARTING", "USERS", "is_kept", "is_same", "keep", "lock"]

SOCKET = "s"
LOG = "server.log"
DATA = "data"
USERS = "users.lock"
"""Held shared by every process that uses the server."""
STARTING = "starting.lock"
"""Held by the one process that starts it."""
KEEPER = "keeper.lock"
"""Held by the keeper as long as it lives."""

START_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.2
PR_SET_PDEATHSIG = 1


def lock(file: Path, *, exclusive: bool, wait: bool = True) -> int:
    """Lock a file, created if need be, and return its descriptor; closing that gives the lock up.

    Args:
        file: the file.
        exclusive: whether nobody else may hold the lock, or only nobody exclusively.
        wait: whether to wait for the lock.

    Raises:
        BlockingIOError: somebody else holds it, and *wait* is false.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_kept(directory: Path) -> bool:
    """Whether a keeper lives for the server of *directory*."""
    try:
        descriptor = lock(directory / KEEPER, exclusive=True, wait=False)
    except BlockingIOError:
        return True
    os.close(descriptor)
    return False


def is_same(file: Path, descriptor: int) -> bool:
    """Whether a path still leads to an open file: what lies under /tmp may be cleaned up at any time."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def keep(directory: Path, binary: Path, ready: int) -> None:
    """Run the server until nobody uses it any more.

    Args:
        directory: the private directory of the server.
        binary: the server's program.
        ready: descriptor that is told about success by a byte, about failure by a text.
    """
    try:
        # For life: the descriptor is closed by the end of the process.
        ours = lock(directory / KEEPER, exclusive=True, wait=False)
    except BlockingIOError:
        os.write(ready, b"+")
        return
    _stop_orphan(directory)
    try:
        server = _start(directory, binary)
    except OSError as error:
        os.write(ready, str(error).encode(errors="replace"))
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        fault = _wait_ready(server, directory)
        os.write(ready, b"+" if fault is None else fault.encode(errors="replace"))
        os.close(ready)
        if fault is None:
            _wait_unused(server, directory, ours)
    finally:
        # With the users' lock held exclusively: whoever comes now waits until everything is gone.
        _stop(server)
        if is_same(directory / KEEPER, ours):
            (directory / SOCKET).unlink(missing_ok=True)
            shutil.rmtree(directory / DATA, ignore_errors=True)


def _leave(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _start(directory: Path, binary: Path) -> subprocess.Popen[bytes]:
    (directory / DATA).mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(directory / SOCKET),
        "unixsocketperm": "700",
        "dir": str(directory / DATA),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    with (directory / LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - the binary of an installed package
            [os.fspath(binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread here
        )


def _die_with_parent() -> None:
    # A keeper that is killed takes the server along; elsewhere the next keeper ends what it finds.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_ready(server: subprocess.Popen[bytes], directory: Path) -> str | None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            log = (directory / LOG).read_bytes()[-300:].decode(errors="replace")
            return f"valkey-server ended with status {server.returncode}: {log}"
        with contextlib.suppress(OSError), _connected(directory) as probe:
            probe.sendall(b"PING\r\n")
            if probe.recv(16).startswith(b"+PONG"):
                return None
        time.sleep(0.005)
    return f"valkey-server did not answer within {START_SECONDS:g} s"


def _wait_unused(server: subprocess.Popen[bytes], directory: Path, ours: int) -> None:
    # Polled rather than waited for: a signal that comes just before a blocking call would not end it.
    while server.poll() is None and is_same(directory / KEEPER, ours):
        with contextlib.suppress(BlockingIOError):
            lock(directory / USERS, exclusive=True, wait=False)
            return
        time.sleep(POLL_SECONDS)


def _stop_orphan(directory: Path) -> None:
    with contextlib.suppress(OSError), _connected(directory) as orphan:
        orphan.sendall(b"SHUTDOWN NOSAVE\r\n")
        orphan.recv(64)
    (directory / SOCKET).unlink(missing_ok=True)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _connected(directory: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(1.0)
    try:
        connection.connect(str(directory / SOCKET))
    except OSError:
        connection.close()
        raise
    return connection


def main(directory: Path, binary: Path) -> int:
    """Start a keeper in the background and wait until its server answers.

    Returns:
        The exit status.
    """
    told, ready = os.pipe()
    if os.fork() == 0:
        os.close(told)
        # Whoever reads our stderr to its end must not wait for the keeper.
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        status = 1
        try:
            keep(directory, binary, ready)
            status = 0
        finally:
            os._exit(status)
    os.close(ready)
    with os.fdopen(told, "rb") as pipe:
        answer = pipe.read()
    if answer == b"+":
        return 0
    sys.stderr.write(answer.decode(errors="replace") or "the keeper ended at once")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
