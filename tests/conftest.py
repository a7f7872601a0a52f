"""What every test may ask for: a running server, a cache on it, and a way to call both of its surfaces."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
from typing import TYPE_CHECKING, Any

import django
import hypothesis
import pytest
import uvloop
from django.test import override_settings
from django.utils.module_loading import import_string

from tests.caller import Caller
from tests.certificates import Certificates
from tests.servers import FAMILIES
from tests.topologies import EVERY, STANDALONE, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.cache.backends.base import BaseCache

    from django_cachex.cache import RedisCache
    from tests.servers import Family, Server
    from tests.topologies import AsOne, Topology

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
    "settle",
    "start_server",
    "topology",
]

# What is tested on every topology, by folder.
_ON_EVERY_TOPOLOGY = ("cache", "commands")


def pytest_configure(config: pytest.Config) -> None:
    """Set Django up before anything is collected."""
    config.addinivalue_line("markers", "standalone(reason): this test is about one server alone, for this reason")
    config.addinivalue_line(
        "markers", "one_slot: commands need these keys in one slot, so the key prefix is a hash tag"
    )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
    django.setup()
    # How long one example takes says more about what else the machine does.
    hypothesis.settings.register_profile("tests", deadline=None)
    hypothesis.settings.load_profile("tests")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of caches and commands on every topology.

    Those that start servers of their own, or say that they are about a single one, run on one.
    """
    if "topology" not in metafunc.fixturenames:
        return
    alone = (
        metafunc.definition.path.parent.name not in _ON_EVERY_TOPOLOGY
        or "start_server" in metafunc.fixturenames
        or metafunc.definition.get_closest_marker("standalone") is not None
    )
    names = [pytest.param(STANDALONE, id=pytest.HIDDEN_PARAM)] if alone else EVERY
    metafunc.parametrize("topology", names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out RESP3 beyond one server: how a reply is read does not depend on who sent it."""

    def is_twice(item: pytest.Item) -> bool:
        name = item.name
        return "resp3" in name and ("cluster" in name or "sentinel" in name)

    config.hook.pytest_deselected(items=[item for item in items if is_twice(item)])
    items[:] = [item for item in items if not is_twice(item)]


def pytest_collection_finish() -> None:
    """Take the thousands of collected tests out of sight of the garbage collector: it would walk them all each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    """Each server program of this machine in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def topology(request: pytest.FixtureRequest, family: Family) -> Iterator[Topology]:
    """Open servers that all tests share: one, or in further runs of the test a cluster or a Sentinel set."""
    with standing(request.param, family) as running:
        yield running


@pytest.fixture(scope="session")
def server(topology: Topology) -> Server | AsOne:
    """The servers of the topology as one: leave it as it was, but for keys."""
    return topology.server


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
def key_prefix(request: pytest.FixtureRequest) -> str:
    """A KEY_PREFIX that no other test has."""
    prefix = "test-" + secrets.token_hex(4)
    return prefix if request.node.get_closest_marker("one_slot") is None else f"{{{prefix}}}"


@pytest.fixture
def make_cache(topology: Topology, key_prefix: str) -> Iterator[Callable[..., RedisCache]]:
    """Make caches: `make_cache(OPTIONS={...})`.

    Takes the keys of a CACHES entry as keywords, `location` for the place (the shared servers without) and `backend`
    for the class (without, that of the topology or, at another place, `RedisCache`). All caches of one test share its
    key prefix.
    """
    from django_cachex.cache import RedisCache

    made: list[RedisCache] = []

    def make(
        location: str | list[str] | None = None, *, backend: type[RedisCache] | None = None, **params: Any
    ) -> RedisCache:
        params = {"KEY_PREFIX": key_prefix, **params}
        if location is None:
            location = topology.location
            params["OPTIONS"] = {**topology.options, **params.get("OPTIONS", {})}
            backend = backend or import_string(topology.backend)
        cache = (backend or RedisCache)(location, params)
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
def django_cache(topology: Topology, key_prefix: str) -> Iterator[BaseCache]:
    """`django.core.cache.cache` as an application sees it, configured in settings.CACHES."""
    from django.core.cache import cache as default

    entry = {
        "BACKEND": topology.backend,
        "LOCATION": topology.location,
        "KEY_PREFIX": key_prefix,
        "OPTIONS": topology.options,
    }
    with override_settings(CACHES={"default": entry}):
        yield default


@pytest.fixture
def settle(request: pytest.FixtureRequest) -> Callable[[], None]:
    """What callers do around each call: where replicas serve reads, wait until they have what was written.

    Tests of commands are about what a call answers; how far reads lag behind is the topology's business.
    """
    if "topology" not in request.fixturenames:
        return lambda: None
    found: Topology = request.getfixturevalue("topology")
    return found.catch_up


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, settle: Callable[[], None]) -> Iterator[Caller]:
    """Call a method and, in the second run of the test, its async twin: `call(cache.get, "k")`."""
    with Caller(request.param, settle=settle) as caller:
        yield caller


@pytest.fixture(params=["sync", "async", "queued", "aqueued"])
def call_anyhow(request: pytest.FixtureRequest, settle: Callable[[], None]) -> Iterator[Caller]:
    """As `call`, and once more through a pipeline of either kind."""
    with Caller(request.param, settle=settle) as caller:
        yield caller


@pytest.fixture(params=["sync", "asyncio", "uvloop"])
def call_on_any_loop(request: pytest.FixtureRequest, settle: Callable[[], None]) -> Iterator[Caller]:
    """As `call`, for what may depend on the loop: once more on uvloop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None
    with Caller("sync" if request.param == "sync" else "async", factory, settle=settle) as caller:
        yield caller
