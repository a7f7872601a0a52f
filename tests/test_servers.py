"""The servers and the helpers that every other test stands on."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.control import ServerError
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.certificates import Certificates
    from tests.servers import Family, Server

ROOT = Path(__file__).parents[1]


def test_restart_keeps_the_port_and_loses_the_data(start_server: Callable[..., Server]) -> None:
    server = start_server()
    port = server.port
    server.command("SET", "k", "v")
    server.restart()
    assert server.port == port
    assert server.command("GET", "k") is None


def test_kill_refuses_connections(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        server.command("PING")


def test_suspend_accepts_but_does_not_answer(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.suspend()
    with socket.create_connection(("127.0.0.1", server.port), 1) as connection:
        connection.settimeout(0.2)
        connection.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(10)
        server.resume()
        connection.settimeout(5)
        assert connection.recv(10) == b"+PONG\r\n"


def test_clients_are_those_of_the_code_under_test(start_server: Callable[..., Server]) -> None:
    server = start_server()
    assert server.clients() == []
    with socket.create_connection(("127.0.0.1", server.port), 1) as connection:
        connection.sendall(b"CLIENT SETNAME under-test\r\n")
        connection.recv(10)
        assert [client["name"] for client in server.clients()] == ["under-test"]


def test_acl_users_and_password(start_server: Callable[..., Server]) -> None:
    server = start_server(password="pass word", users={"reader": "on >secret ~* +@read"})
    with server.client(user="reader", password="secret") as reader:
        assert reader("GET", "k") is None
        with pytest.raises(ServerError, match="NOPERM"):
            reader("SET", "k", "v")
    with server.client(user="default", password="pass word") as default:
        assert default("PING") == "PONG"
    with server.client(user="default", password="wrong") as wrong, pytest.raises(ServerError, match="WRONGPASS"):
        wrong("PING")


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(start_server: Callable[..., Server], certificates: Certificates, *, mutual: bool) -> None:
    server = start_server(tls=certificates, mutual_tls=mutual)
    context = ssl.create_default_context(cafile=certificates.ca)
    if mutual:
        context.load_cert_chain(certificates.client.cert, certificates.client.key)
    with (
        socket.create_connection(("127.0.0.1", server.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"PING\r\n")
        assert connection.recv(10) == b"+PONG\r\n"


def test_tls_with_wrong_certificates(start_server: Callable[..., Server], certificates: Certificates) -> None:
    for pair in (certificates.expired, certificates.misnamed):
        server = start_server(tls=certificates, tls_pair=pair)
        context = ssl.create_default_context(cafile=certificates.ca)
        with (
            socket.create_connection(("127.0.0.1", server.port), 5) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(plain, server_hostname="localhost")


def test_a_server_that_does_not_start_says_why(family: Family) -> None:
    with pytest.raises(RuntimeError, match="no-such-directive"):
        family.start(config={"no-such-directive": "1"})


def test_free_ports_are_out_of_the_way_of_outgoing_connections() -> None:
    assert free_port() + 10_000 < 32_768


def test_servers_end_when_pytest_is_killed() -> None:
    script = "from tests.servers import *; s = FAMILIES[0].start(); print(s.pid, s.directory, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        pid, directory = process.stdout.readline().split()
        process.kill()
    deadline = time.monotonic() + 5
    while Path(directory).exists() or _alive(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In a container without an init nobody collects an orphan: it is gone all the same.
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
