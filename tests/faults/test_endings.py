"""Row 23: programs that end, or are interrupted, while a server owes them replies."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.program import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.proxy import Proxy
    from tests.servers import Server


@pytest.mark.parametrize(
    "how",
    [
        "daemons",
        "connecting daemons",
        "busy daemons",
        "loop with tasks",
        "exit in a task",
        "loop left open",
        "loop in a daemon",
        "just after a call",
    ],
)
def test_the_interpreter_ends(
    how: str, server: Server, start_proxy: Callable[[Server], Proxy], figure: Callable[[str], None]
) -> None:
    proxy = start_proxy(server)
    proxy.hole(trigger=b"SETINFO" if how == "connecting daemons" else b"silent")
    with start("ending", proxy.url, how, warnings="ignore") as program:
        said, errors = program.communicate(timeout=30)
        ended = time.monotonic() - float(said)
    figure(f"row 23: {how}: ended within {ended:.3f} s")
    assert program.returncode == 0, errors
    assert "Fatal" not in errors
    assert "panic" not in errors
    # The limits of its calls are 30 s and more.
    assert ended < 5


@pytest.mark.parametrize("to", ["a server", "nobody"])
def test_the_interpreter_ends_just_after_a_connection_was_made(to: str, server: Server) -> None:
    """Who has made it may still be telling the loop."""
    url = server.url if to == "a server" else "redis://127.0.0.1:1"
    for _ in range(20):
        with start("connecting", url, warnings="ignore") as program:
            said, errors = program.communicate(timeout=30)
        assert (program.returncode, said) == (0, "over\n"), errors


@pytest.mark.parametrize("how", ["waiting", "connecting", "pool", "loop"])
def test_ctrl_c(
    how: str, server: Server, start_proxy: Callable[[Server], Proxy], figure: Callable[[str], None]
) -> None:
    proxy = start_proxy(server)
    proxy.hole(trigger=b"SETINFO" if how == "connecting" else b"silent")
    with start("interrupted", proxy.url, how, warnings="ignore") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        proxy.heal()
        sent = time.monotonic()
        program.send_signal(signal.SIGINT)
        said, errors = program.communicate(timeout=30)
        ended = time.monotonic() - sent
    assert program.returncode == 0, errors
    raised, *more = said.splitlines()
    late = float(raised) - sent
    figure(f"row 23: Ctrl-C while {how}: raised after {late:.3f} s, ended after {ended:.3f} s")
    # The limits of its calls are 30 s and more.
    assert late < 5
    assert more == (["fine"] if how == "waiting" else [])
    assert ended < 10
