"""What every test may ask for: a running server, a cache on it, and a way to call both of its surfaces."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Any

import django
import hypothesis
import pytest
import uvloop
from django.test import override_settings

from tests.caller import Caller
from tests.certificates import Certificates
from tests.servers import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.cache.backends.base import BaseCache

    from django_cachex.cache import RedisCache
    from tests.servers import Family, Server

__all__ = [
    "cache",
    "call",
    "call_anyhow",
    "call_on_any_loop",
    "certificates",
    "django_cache",
    "family",
    "key_prefix",
    "make_cache",
    "server",
    "start_server",
]


def pytest_configure() -> None:
    """Set Django up before anything is collected."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
    django.setup()
    # How long one example takes says more about what else the machine does.
    hypothesis.settings.register_profile("tests", deadline=None)
    hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    """Each server program of this machine in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def server(family: Family) -> Iterator[Server]:
    """An open server that all tests share: leave it as it was, but for keys."""
    with family.start(unix_socket=True) as running:
        yield running


@pytest.fixture
def start_server(family: Family) -> Iterator[Callable[..., Server]]:
    """Start servers for one test alone, to be killed, frozen or configured: `start_server(password="x")`.

    Takes the arguments of `tests.servers.Options`.
    """
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(family.start(**options))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for servers and clients, right and wrong."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def key_prefix() -> str:
    """A KEY_PREFIX that no other test has."""
    return "test-" + secrets.token_hex(4)


@pytest.fixture
def make_cache(server: Server, key_prefix: str) -> Iterator[Callable[..., RedisCache]]:
    """Make caches: `make_cache(OPTIONS={...})`.

    Takes the keys of a CACHES entry as keywords, `location` for the place (the shared server without) and `backend` for
    the class (`RedisCache` without). All caches of one test share its key prefix.
    """
    from django_cachex.cache import RedisCache

    made: list[RedisCache] = []

    def make(
        location: str | list[str] | None = None, *, backend: type[RedisCache] = RedisCache, **params: Any
    ) -> RedisCache:
        cache = backend(location or server.url, {"KEY_PREFIX": key_prefix, **params})
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.close()


@pytest.fixture
def cache(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache with default settings, and a key prefix of its own."""
    return make_cache()


@pytest.fixture
def django_cache(server: Server, key_prefix: str) -> Iterator[BaseCache]:
    """`django.core.cache.cache` as an application sees it, configured in settings.CACHES."""
    from django.core.cache import cache as default

    entry = {"BACKEND": "django_cachex.cache.RedisCache", "LOCATION": server.url, "KEY_PREFIX": key_prefix}
    with override_settings(CACHES={"default": entry}):
        yield default


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Call a method and, in the second run of the test, its async twin: `call(cache.get, "k")`."""
    with Caller(request.param) as caller:
        yield caller


@pytest.fixture(params=["sync", "async", "queued", "aqueued"])
def call_anyhow(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """As `call`, and once more through a pipeline of either kind."""
    with Caller(request.param) as caller:
        yield caller


@pytest.fixture(params=["sync", "asyncio", "uvloop"])
def call_on_any_loop(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """As `call`, for what may depend on the loop: once more on uvloop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None
    with Caller("sync" if request.param == "sync" else "async", factory) as caller:
        yield caller
