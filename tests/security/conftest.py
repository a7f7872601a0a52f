"""Servers that speak TLS, and caches that trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import free_port
from tests.tls_front import TlsFront

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_cachex.cache import RedisCache
    from tests.certificates import Certificates, Pair
    from tests.servers import Family, Server

__all__ = ["connect", "front", "mutual_server", "tls_server"]


@pytest.fixture(scope="package")
def tls_server(family: Family, certificates: Certificates) -> Iterator[Server]:
    """A server that speaks TLS with a right certificate."""
    with family.start(tls=certificates) as running:
        yield running


@pytest.fixture(scope="package")
def mutual_server(family: Family, certificates: Certificates) -> Iterator[Server]:
    """The same, and clients have to show a certificate too."""
    with family.start(tls=certificates, mutual_tls=True) as running:
        yield running


@pytest.fixture
def connect(make_cache: Callable[..., RedisCache], certificates: Certificates) -> Callable[..., RedisCache]:
    """Make a cache on a server, with the `ssl_*` options as keywords; the right authority is trusted without."""

    def make(server: Server | str, **options: Any) -> RedisCache:
        location = server if isinstance(server, str) else server.url
        given = {"ssl_ca_certs": str(certificates.ca), "socket_connect_timeout": 5, **options}
        return make_cache(location, OPTIONS={name: value for name, value in given.items() if value is not ...})

    return make


@pytest.fixture
def front(server: Server, certificates: Certificates) -> Iterator[Callable[..., tuple[TlsFront, str]]]:
    """Put TLS of a certain kind in front of the shared server: `front(newest=...)` gives it and its LOCATION."""
    fronts: list[TlsFront] = []

    def start(pair: Pair | None = None, **how: Any) -> tuple[TlsFront, str]:
        port = free_port()
        fronts.append(TlsFront(port, server.plain_port, certificates, pair or certificates.server, **how))
        return fronts[-1], f"rediss://127.0.0.1:{port}"

    yield start
    for each in fronts:
        each.close()
