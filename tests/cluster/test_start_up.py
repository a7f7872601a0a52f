"""Where a cluster is found, and what is said where there is none."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex.cache import RedisClusterCache
from django_cachex.exceptions import (
    AuthenticationError,
    CacheConnectionError,
    CacheTimeoutError,
    CachexError,
    ClusterDownError,
    ClusterUnreachableError,
    NoPermissionError,
)
from tests.faults.outcomes import SLACK, eventually, until_it_works
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.caller import Caller
    from tests.certificates import Certificates
    from tests.cluster_servers import Cluster
    from tests.servers import Server

LIMITS = {"socket_connect_timeout": 0.4, "socket_timeout": 0.6, "operation_timeout": 1.0}
#: What a call may take with these, on a busy machine.
SECONDS = LIMITS["operation_timeout"] + SLACK


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of somebody who takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


def works(cache: RedisClusterCache, call: Caller) -> None:
    """Use all nodes."""
    data = {f"k{number}": number for number in range(50)}
    call(cache.set_many, data)
    assert call(cache.get_many, data) == data
    assert call(cache.get, "k7") == 7
    assert call(cache.delete_many, data) == 50


def test_one_seed_is_enough(cluster: Cluster, make_cache: Callable[..., Any], call: Caller) -> None:
    for node in (cluster.primaries()[1], cluster.replicas()[0]):
        works(make_cache(node.url), call)


def test_a_seed_that_is_dead(cluster: Cluster, make_cache: Callable[..., Any], call: Caller) -> None:
    for _ in range(3):
        dead = f"redis://127.0.0.1:{free_port()}"
        begun = time.monotonic()
        works(make_cache([dead, cluster.primaries()[0].url.replace("valkey:", "redis:")]), call)
        assert time.monotonic() - begun < SECONDS


def test_a_seed_that_is_silent(cluster: Cluster, make_cache: Callable[..., Any], silent: str, call: Caller) -> None:
    begun = time.monotonic()
    works(make_cache([silent, cluster.primaries()[0].url.replace("valkey:", "redis:")]), call)
    assert time.monotonic() - begun < 3 + SLACK, "within the time limit of one operation, if not at once"


def test_the_seed_dies_later(cluster: Cluster, make_cache: Callable[..., Any], call: Caller) -> None:
    """What was learnt of the cluster is enough to go on."""
    seed = cluster.replicas()[0]
    cache = make_cache(seed.url, OPTIONS={"topology_refresh_interval": 0.2})
    works(cache, call)
    seed.kill()
    try:
        time.sleep(0.4)
        works(cache, call)
        time.sleep(0.4)
        works(cache, call)
    finally:
        seed.start()


def test_no_seed_answers(make_cache: Callable[..., Any], silent: str, call: Caller) -> None:
    dead = [f"redis://127.0.0.1:{free_port()}" for _ in range(2)]
    cache = make_cache([*dead, silent], OPTIONS=LIMITS)
    for method, *args in ((cache.get, "k"), (cache.set_many, {"a": 1, "b": 2}), (cache.keys,), (cache.clear,)):
        begun = time.monotonic()
        with pytest.raises(ClusterUnreachableError) as caught:
            call(method, *args)
        assert time.monotonic() - begun < SECONDS
        assert isinstance(caught.value, CacheConnectionError)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        for seed in (*dead, silent):
            assert seed.removeprefix("redis://") in str(caught.value), "the addresses tried are named"


def test_pipelines_without_a_cluster(make_cache: Callable[..., Any], call: Caller) -> None:
    cache = make_cache(f"redis://127.0.0.1:{free_port()}", OPTIONS=LIMITS)
    p = cache.apipeline() if call.is_async else cache.pipeline()
    p.set("a", 1).set("b", 2)
    with pytest.raises(ClusterUnreachableError):
        call.run(p.execute()) if call.is_async else p.execute()
    with pytest.raises(ClusterUnreachableError):
        call(cache.blpop, "k", 1)


def test_it_comes_up_later(cluster: Cluster, make_cache: Callable[..., Any], call: Caller) -> None:
    seed = cluster.replicas()[0]
    seed.kill()
    cache = make_cache(seed.url, OPTIONS={**LIMITS, "client_name": f"late-{call.mode}"})
    try:
        with pytest.raises(ClusterUnreachableError):
            call(cache.get, "k")
    finally:
        seed.start()

    def served() -> bool:
        try:
            works(cache, call)
        except CacheConnectionError:
            return False
        return True

    assert eventually(served)


def test_no_cluster_at_all(start_server: Callable[..., Server], make_cache: Callable[..., Any], call: Caller) -> None:
    server = start_server()
    cache = make_cache(server.url, OPTIONS=LIMITS)
    begun = time.monotonic()
    with pytest.raises(ClusterUnreachableError, match="cluster support disabled") as caught:
        call(cache.get, "k")
    assert time.monotonic() - begun < SECONDS
    assert f"127.0.0.1:{server.port}" in str(caught.value)


@pytest.mark.parametrize("location", ["redis://127.0.0.1:7000?db=3", "redis://127.0.0.1:7000/3"])
def test_another_database(location: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="a cluster has one database"):
        RedisClusterCache(location, {})


def test_slots_that_nobody_has(cluster: Cluster, make_cache: Callable[..., Any], call: Caller, tag: str) -> None:
    cache = make_cache(OPTIONS=LIMITS)
    works(cache, call)
    slot = cluster.slot(cache.make_key(tag))
    owner = cluster.owner(slot)
    for node in cluster.nodes:
        if node not in cluster.replicas():
            node.command("CLUSTER", "DELSLOTS", slot)
    try:
        for method, *args in ((cache.get, tag), (cache.set, tag, 1), (cache.get_many, [tag, "a", "b"])):
            begun = time.monotonic()
            with pytest.raises(ClusterDownError, match=r"^CLUSTERDOWN ") as caught:
                call(method, *args)
            assert time.monotonic() - begun < SECONDS
            assert "127.0.0.1:" in str(caught.value)
    finally:
        for node in cluster.primaries():
            node.command("CLUSTER", "SETSLOT", slot, "NODE", owner.command("CLUSTER", "MYID"))  # type: ignore[arg-type]
    cluster.settle()
    call(cache.set, tag, 1)
    works(cache, call)


# Ways in


def test_a_password(start_cluster: Callable[..., Cluster], make_cache: Callable[..., Any], call: Caller) -> None:
    cluster = start_cluster(password="pass word", users={"app": "on >secret ~* &* +@all -flushdb"})
    works(make_cache(cluster.urls), call)
    without = [node.url_for(user="app", password="secret") for node in cluster.nodes]
    app = make_cache(without)
    works(app, call)
    with pytest.raises(NoPermissionError, match=r"^NOPERM "):
        call(app.flush_db)
    plain = [f"redis://127.0.0.1:{node.port}" for node in cluster.nodes]
    works(make_cache(plain, OPTIONS={"username": "app", "password": "secret"}), call)
    works(make_cache(plain, OPTIONS={"credential_provider": lambda: ("app", "secret")}), call)
    for options in ({}, {"password": "wrong-token"}):
        begun = time.monotonic()
        with pytest.raises(AuthenticationError) as caught:
            call(make_cache(plain, OPTIONS={**LIMITS, **options}).get, "k")
        assert time.monotonic() - begun < SECONDS
        assert "wrong-token" not in str(caught.value)


def test_tls_behind_a_tunnel(
    start_cluster: Callable[..., Cluster], make_cache: Callable[..., Any], certificates: Certificates, call: Caller
) -> None:
    """The nodes announce ports that clients cannot use, and `address_remap` knows better."""
    cluster = start_cluster(password="secret", tls=certificates)
    seen: list[tuple[str, int]] = []

    def remap(host: str, port: int) -> tuple[str, int]:
        seen.append((host, port))
        return cluster.remap(host, port)

    cache = make_cache(cluster.urls[0], OPTIONS={"address_remap": remap, "ssl_ca_certs": str(certificates.ca)})
    works(cache, call)
    assert {port for _, port in seen} == {node.plain_port for node in cluster.nodes}
    source, target, _ = cluster.primaries()
    cluster.reshard(50, source, target)
    works(cache, call)
    cluster.failover(cluster.primaries()[0])
    works(cache, call)
    reading = make_cache(
        cluster.urls,
        OPTIONS={"address_remap": remap, "ssl_ca_certs": str(certificates.ca), "read_from_replicas": True},
    )
    call(reading.set, "k", 1)
    assert eventually(lambda: call(reading.get, "k") == 1)


def test_a_remap_that_fails(cluster: Cluster, make_cache: Callable[..., Any], call: Caller) -> None:
    def remap(host: str, port: int) -> tuple[str, int]:
        raise LookupError("nobody there")

    with pytest.raises((LookupError, CachexError)) as caught:
        call(make_cache(OPTIONS={**LIMITS, "address_remap": remap}).get, "k")
    assert isinstance(caught.value, LookupError), "an application's own exceptions pass unchanged"


def test_host_names(start_cluster: Callable[..., Cluster], make_cache: Callable[..., Any], call: Caller) -> None:
    config = {"cluster-announce-hostname": "localhost", "cluster-preferred-endpoint-type": "hostname"}
    cluster = start_cluster(config=config)
    cache = make_cache(cluster.urls[2])
    works(cache, call)
    source, target, _ = cluster.primaries()
    cluster.reshard(20, source, target)
    works(cache, call)


def test_endpoints_that_are_not_told(
    start_cluster: Callable[..., Cluster], make_cache: Callable[..., Any], call: Caller
) -> None:
    """As behind one address of a managed service: the host is the one that was asked, the ports differ."""
    cluster = start_cluster(config={"cluster-preferred-endpoint-type": "unknown-endpoint"})
    cache = make_cache(cluster.urls[0])
    works(cache, call)
    source, target, _ = cluster.primaries()
    cluster.reshard(20, source, target)
    works(cache, call)


def test_each_caller_gets_an_exception_of_its_own(make_cache: Callable[..., Any], call: Caller) -> None:
    """A traceback that callers share would show each the variables of the others."""

    def remap(host: str, port: int) -> tuple[str, int]:
        raise ValueError("no such host here")

    cache = make_cache(OPTIONS={**LIMITS, "address_remap": remap})
    raised = []
    for _ in range(20):
        with pytest.raises(ValueError, match="no such host here") as caught:
            call(cache.get, "k")
        raised.append(caught.value)
        assert sum(entry.name == "test_each_caller_gets_an_exception_of_its_own" for entry in caught.traceback) == 1
    assert len({*map(id, raised)}) == 20


def test_a_remap_that_hangs(cluster: Cluster, make_cache: Callable[..., Any], call: Caller) -> None:
    """It ends one search, not all that come after."""
    healed, over = threading.Event(), threading.Event()

    def remap(host: str, port: int) -> tuple[str, int]:
        if not healed.is_set():
            over.wait(30)
        return host, port

    limits = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3, "operation_timeout": 1}
    cache = make_cache(OPTIONS={**limits, "address_remap": remap, "client_name": f"hanging-{call.mode}"})
    try:
        with pytest.raises((CacheConnectionError, CacheTimeoutError)):
            call(cache.get, "k")
        healed.set()
        until_it_works(call, cache.get, "k")
    finally:
        over.set()
