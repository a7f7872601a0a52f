"""What we show works: the Python in README and docs, and the demo in examples/."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.test import override_settings

from tests.certificates import Certificates
from tests.faults.outcomes import eventually
from tests.pages import ROOT, WrongAnswerError, blocks_of, pages, run, run_settings
from tests.servers import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers import Server

__all__: list[str] = []

_PAGES = [page for page in pages() if blocks_of(page)]
_ROW = re.compile(r"^ {4}(?P<name>django-cachex|Django's own backend) +(?P<cells>.+)$", re.MULTILINE)
#: The pages of the bookshop that the demo visits.
_SHOP_PAGES = ("books/3/", "stock/3/", "astock/3/", "shelves/sea/", "recent/3/")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for the whole file: what is shown is shown once, not for each server program."""
    with FAMILIES[0].start() as running:
        yield running


@pytest.fixture
def settings_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the pages' settings take for granted: BASE_DIR with certificates, passwords in the environment."""
    (tmp_path / "certificates").mkdir()
    Certificates(tmp_path / "certificates")
    monkeypatch.setenv("CACHE_PASSWORD", "secret")
    monkeypatch.setenv("SENTINEL_PASSWORD", "other secret")
    return {"BASE_DIR": tmp_path, "os": os}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, server: Server, settings_names: dict[str, Any]) -> None:
    """Everything a page shows runs, in order, and gives what it says."""
    names: dict[str, Any] = {}
    entry = {"BACKEND": "django_cachex.cache.RedisCache", "LOCATION": server.url}
    with override_settings(CACHES={"default": entry}):
        cache.clear()
        for block in blocks_of(page):
            if block.is_settings:
                run_settings(block, dict(settings_names))
            else:
                run(block, names)


def test_the_acl_user_of_the_security_page(server: Server) -> None:
    """The user that the page recommends can do what the cache does, under its prefix and nowhere else."""
    from django_cachex.cache import RedisCache
    from django_cachex.exceptions import NoPermissionError

    line = re.search(r"^ *(ACL SETUSER .+)$", (ROOT / "docs/security.md").read_text(), re.MULTILINE)
    assert line is not None
    server.command(*line[1].split())
    shop = RedisCache(server.url, {"KEY_PREFIX": "shop", "OPTIONS": {"username": "shop", "password": "password"}})
    assert shop.set_many({"a": 1, "b": [2]}) == []
    assert shop.get_many(["a", "b"]) == {"a": 1, "b": [2]}
    assert shop.incr("a") == 2
    assert shop.touch("a", 60)
    assert shop.ttl("a") == 60
    assert shop.incr_version("b") == 2
    assert sorted(shop.iter_keys()) == ["a"]
    assert shop.delete_pattern("*") == 1
    for forbidden in (shop.clear, shop.keys):
        with pytest.raises(NoPermissionError):
            forbidden()
    with pytest.raises(NoPermissionError):
        RedisCache(server.url, {"OPTIONS": {"username": "shop", "password": "password"}}).get("a")


def test_every_page_has_code_that_runs() -> None:
    """The collector finds blocks at all: an empty run would prove nothing."""
    assert ROOT / "README.md" in _PAGES
    assert sum(len(blocks_of(page)) for page in _PAGES) > len(_PAGES)


@pytest.fixture
def make_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Write a page of one's own."""
    monkeypatch.setattr("tests.pages.ROOT", tmp_path)

    def make(text: str) -> Path:
        page = tmp_path / "page.md"
        page.write_text(text)
        return page

    return make


def test_a_wrong_answer_is_found(make_page: Callable[[str], Path]) -> None:
    """A page that promises 3 for 1 + 1, or 1 for True, fails and says where."""
    wrong = blocks_of(make_page("# Title\n\n```python\n1 + 1  # -> 3\n```\n"))
    with pytest.raises(WrongAnswerError, match=r"page\.md:4: promises 3, gives 2"):
        run(wrong[0], {})
    with pytest.raises(WrongAnswerError):
        run(blocks_of(make_page("```python\n1 == 1  # -> 1\n```\n"))[0], {})


def test_blocks_that_are_not_run(make_page: Callable[[str], Path]) -> None:
    """Other languages and marked blocks are left alone; what is not closed is an error."""
    assert not blocks_of(make_page("```sh\nmake\n```\n\n<!-- not run: needs the moon -->\n```python\nmoon()\n```\n"))
    with pytest.raises(ValueError, match="not closed"):
        blocks_of(make_page("```python\n1\n"))


def _demo(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "examples/demo.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | (env or {}), capture_output=True, text=True, timeout=60, check=False
    )


def _rows(output: str) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = {}
    for match in _ROW.finditer(output):
        rows.setdefault(match["name"], []).append(match["cells"].replace(" ms", "").replace(" /s", "").split())
    return rows


def _listening(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  an address of ours
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def test_the_demo(server: Server) -> None:
    """The demo answers every request, counts hits and misses, and leaves no connection behind."""
    before = {client["id"] for client in server.clients()}

    def left() -> list[dict[str, str]]:
        return [client for client in server.clients() if client["id"] not in before]

    done = _demo("--server", server.url, "--rounds", "1", "--requests", "24", "--visitors", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = _rows(done.stdout)
    # Five pages, and the line of sync beside async.
    assert {name: len(found) for name, found in rows.items()} == {"django-cachex": 6, "Django's own backend": 6}
    for found in rows.values():
        for requests, hits, misses, *_ in found[:5]:
            assert requests == "24"
            assert int(hits) > 0
            assert int(misses) > 0
    assert "FAILED" not in done.stdout
    # At most one connection per thread of a view, and the loop's; Django's backend makes one per request.
    assert all(int(opened) <= 24 for *_, opened in rows["django-cachex"][:5])
    # The server notices the end of a process when it comes to it, and may close connections of ours that were idle.
    assert eventually(lambda: not left()), left()


def test_the_demo_starts_its_own_server() -> None:
    """Without a server the demo starts the embedded one, and it goes away."""
    done = _demo("--rounds", "1", "--requests", "8", "--visitors", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(embedded)" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_serve_ends_with_everything(server: Server, number: signal.Signals) -> None:
    """The bookshops show their pages and the numbers, and end with the demo however that ends."""
    command = [sys.executable, "-u", "examples/demo.py", "--serve", "--server", server.url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            addresses = []
            for line in process.stdout or ():
                addresses += re.findall(r"http://\S+", line)
                if "Ctrl-C" in line:
                    break
            assert len(addresses) == 2
            for address in addresses:
                assert all(_listening(address + page) for page in _SHOP_PAGES)
            with urllib.request.urlopen(addresses[0], timeout=5) as answer:  # noqa: S310  an address of ours
                home = answer.read().decode()
            assert "django-cachex" in home
            assert "Django's own backend" in home or "Django&#x27;s own backend" in home
            assert home.count("<table>") == 2
            assert re.search(r"<strong>\d+</strong> connections? open at the server", home)
            assert all(f'href="/{page.split("/")[0]}/' in home for page in _SHOP_PAGES)
        finally:
            process.send_signal(number)
        if number != signal.SIGKILL:
            assert process.wait(15) == 0
    deadline = time.monotonic() + 10
    while any(map(_listening, addresses)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_listening, addresses))


def test_the_demo_says_what_is_missing(tmp_path: Path) -> None:
    """Without uvicorn it says so, and how to get it, instead of a traceback."""
    (tmp_path / "uvicorn.py").write_text("raise ImportError('no uvicorn here')")
    done = _demo(env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "no uvicorn here" in done.stderr
    assert "pip install uvicorn" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_says_that_there_is_no_server() -> None:
    """A server that refuses is told in one line."""
    done = _demo("--server", "redis://127.0.0.1:1")
    assert done.returncode == 1
    assert "The demo failed" in done.stderr
    assert "Traceback" not in done.stderr
