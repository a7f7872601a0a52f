"""Row 22: processes that fork while the cache is in use."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from tests.faults.figures import size
from tests.faults.program import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Server

_CHILDREN = 8


def test_during_traffic(start_server: Callable[..., Server], figure: Callable[[str], None]) -> None:
    server = start_server()
    rounds = size(25, 125)
    with start("forking", server.url, server.port, rounds, _CHILDREN, warnings="ignore") as program:
        # One that hangs ends here, and not only with its pytest.
        alarm = threading.Timer(60, program.kill)
        alarm.start()
        said, errors = program.communicate()
        alarm.cancel()
    assert program.returncode == 0, errors
    result = json.loads(said)
    figure(f"row 22: {result}")
    assert result.pop("calls") > rounds
    assert result == {
        "forks": rounds * _CHILDREN,
        "hung": 0,
        "failed": 0,
        "inherited": 0,
        "shared": 0,
        "wrong": [],
    }, errors


def test_without_a_word_to_python(start_server: Callable[..., Server]) -> None:
    """As uWSGI forks: Python's at-fork handlers do not run."""
    server = start_server()
    with start("c_fork", server.url, _CHILDREN, warnings="ignore") as program:
        alarm = threading.Timer(60, program.kill)
        alarm.start()
        said, errors = program.communicate()
        alarm.cancel()
    assert program.returncode == 0, errors
    assert json.loads(said) == {"codes": [0] * 2 * _CHILDREN, "wrong": [], "after": "value 0"}, errors


def test_without_a_warning(server: Server) -> None:
    with start("quiet_fork", server.url) as program:
        said, errors = program.communicate(timeout=60)
    assert said == "quiet\n", errors
    assert errors == ""
