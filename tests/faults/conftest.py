"""What fault scenarios may ask for beside a server: a proxy that misbehaves, several servers, a place for figures."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster_servers import Cluster
from tests.faults.figures import FULL, figure
from tests.faults.proxy import Proxies
from tests.sentinel_servers import SentinelSet
from tests.servers import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.proxy import Proxy
    from tests.servers import Family

__all__ = ["cluster", "each_family", "family", "figure", "make_cache_at", "proxies", "sentinel_set", "start_proxy"]


# The faults are the proxy's and the kernel's: they look the same with each server program.
@pytest.fixture(scope="session", params=FAMILIES if FULL else FAMILIES[:1], ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    """The server program that scenarios run on; each one in turn in a full run."""
    return request.param  # type: ignore[no-any-return]


# Who takes over, and when, is up to the servers: here the programs differ.
@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.name)
def each_family(request: pytest.FixtureRequest) -> Family:
    """The server program that clusters and Sentinel sets run; always each one in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def cluster(each_family: Family) -> Iterator[Cluster]:
    """A cluster for the tests of a module: each leaves it whole."""
    with Cluster(each_family) as running:
        yield running


@pytest.fixture(scope="module")
def sentinel_set(each_family: Family) -> Iterator[SentinelSet]:
    """A Sentinel set for the tests of a module: each leaves it whole."""
    with SentinelSet(each_family) as running:
        yield running


@pytest.fixture
def make_cache_at(key_prefix: str) -> Iterator[Callable[..., Any]]:
    """Make caches: `make_cache_at(location, backend, **OPTIONS)`. As `make_cache`, but it starts no server."""
    made: list[Any] = []

    def make(location: str | list[str], backend: Callable[..., Any], **options: Any) -> Any:
        made.append(backend(location, {"KEY_PREFIX": key_prefix, "OPTIONS": options}))
        return made[-1]

    yield make
    for cache in made:
        cache.close()


@pytest.fixture(scope="session")
def proxies() -> Iterator[Proxies]:
    """The processes that forward."""
    with contextlib.closing(Proxies()) as found:
        yield found


@pytest.fixture
def start_proxy(proxies: Proxies) -> Iterator[Callable[..., Proxy]]:
    """Start proxies: `start_proxy(server)`; takes the arguments of `Proxies.start`."""
    with contextlib.ExitStack() as stack:
        yield lambda server, **address: stack.enter_context(proxies.start(server, **address))
