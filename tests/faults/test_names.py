"""Row 19: a name that leads to another address from one moment on."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.faults.program import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.proxy import Proxy
    from tests.servers import Server

_UNSHARE = ["unshare", "--mount", "--map-root-user"]


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_unshare(), reason="needs a mount namespace, for an /etc/hosts of its own")
def test_the_next_connection_goes_there(
    start_server: Callable[..., Server], start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    first, second = start_server(config={"bind": "127.0.0.1"}), start_server(config={"bind": "127.0.0.1"})
    # The same port on another loopback address.
    start_proxy(second, host="127.0.0.2", port=first.port)
    first.command("SET", ":1:who", 1)
    second.command("SET", ":1:who", 2)
    hosts = tmp_path / "hosts"
    hosts.write_text("")
    url = f"redis://cache.test:{first.port}"
    with start("names", url, str(hosts), "127.0.0.1", "127.0.0.2", warnings="ignore", inside=_UNSHARE) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        assert program.stdout.readline() == "1 1\n"
        # What is connected stays so.
        assert program.stdout.readline() == "1\n"
        first.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        said, errors = program.communicate("go on\n", timeout=30)
    assert said == "2 2\n", errors
    assert first.clients() == []
