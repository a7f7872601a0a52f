"""Finding the master: sentinels that are dead, silent, wrong, locked or elsewhere, and none that knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheConnectionError, MasterNotFoundError
from tests.faults.outcomes import SLACK, eventually
from tests.sentinel.fake import FakeSentinel
from tests.sentinel_servers import SERVICE
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.certificates import Certificates
    from tests.sentinel_servers import SentinelSet
    from tests.servers import Server

LIMITS = {"socket_connect_timeout": 0.4, "socket_timeout": 0.6, "operation_timeout": 1.0}
#: What a call may take with these, on a busy machine.
SECONDS = LIMITS["operation_timeout"] + SLACK


def works(cache: Any, call: Caller) -> None:
    call(cache.set, "k", "v")
    assert call(cache.add, "k", "w") is False
    assert eventually(lambda: call(cache.get, "k") == "v")


def address(server: Server) -> tuple[str, int]:
    return "127.0.0.1", server.port


def test_a_service_that_nobody_knows(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    cache = make_cache("redis://no-such-service", **LIMITS)
    for method, *args in ((cache.get, "k"), (cache.set, "k", 1), (cache.get_many, ["a", "b"]), (cache.keys,)):
        begun = time.monotonic()
        with pytest.raises(MasterNotFoundError) as caught:
            call(method, *args)
        assert time.monotonic() - begun < SECONDS
        assert isinstance(caught.value, CacheConnectionError)
        assert "no-such-service" in str(caught.value)
        for host, port in sentinel_set.addresses:
            assert f"{host}:{port}" in str(caught.value), "the sentinels tried are named"


def test_no_sentinel_answers(make_cache: Callable[..., Any], call: Caller) -> None:
    with FakeSentinel(silent=True) as silent:
        dead = ("127.0.0.1", free_port())
        cache = make_cache(sentinels=[dead, silent.address], **LIMITS)
        for method, *args in ((cache.get, "k"), (cache.set, "k", 1), (cache.blpop, "k", 1)):
            begun = time.monotonic()
            with pytest.raises(MasterNotFoundError) as caught:
                call(method, *args)
            assert time.monotonic() - begun < SECONDS
            for host, port in (dead, silent.address):
                assert f"{host}:{port}" in str(caught.value)


def test_pipelines_without_a_master(make_cache: Callable[..., Any], call: Caller) -> None:
    cache = make_cache(sentinels=[("127.0.0.1", free_port())], **LIMITS)
    p = cache.apipeline() if call.is_async else cache.pipeline()
    p.set("k", 1)
    with pytest.raises(MasterNotFoundError):
        call.run(p.execute()) if call.is_async else p.execute()


def test_one_sentinel_is_enough(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    with FakeSentinel(silent=True) as silent, FakeSentinel(None) as ignorant:
        useless = [("127.0.0.1", free_port()), silent.address, ignorant.address]
        for good in sentinel_set.addresses:
            begun = time.monotonic()
            works(make_cache(sentinels=[*useless, good], client_name=f"{good[1]}-{call.mode}"), call)
            assert time.monotonic() - begun < 1 + SLACK, "a silent one holds nobody up for long"


def test_a_sentinel_that_is_behind(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    """It gives a replica as the master: the server's own ROLE tells."""
    replica = sentinel_set.replicas()[0]
    with FakeSentinel(address(replica)) as stale:
        cache = make_cache(sentinels=[stale.address], **LIMITS)
        begun = time.monotonic()
        with pytest.raises(MasterNotFoundError, match=f"127.0.0.1:{replica.port}"):
            call(cache.set, "k", 1)
        assert time.monotonic() - begun < SECONDS
        works(make_cache(sentinels=[stale.address, *sentinel_set.addresses], client_name=f"b-{call.mode}"), call)
        # As soon as it knows better, so do we.
        stale.master = address(sentinel_set.master())
        assert eventually(lambda: _stored(cache, call))


def _stored(cache: Any, call: Caller) -> bool:
    try:
        call(cache.set, "k", 1)
    except MasterNotFoundError:
        return False
    return True


def test_a_master_that_is_gone(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    with FakeSentinel(("127.0.0.1", free_port())) as wrong:
        begun = time.monotonic()
        with pytest.raises(CacheConnectionError):
            call(make_cache(sentinels=[wrong.address], **LIMITS).set, "k", 1)
        assert time.monotonic() - begun < SECONDS
        works(make_cache(sentinels=[wrong.address, *sentinel_set.addresses], client_name=f"g-{call.mode}"), call)


def test_the_list_of_sentinels_is_renewed(
    sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller
) -> None:
    """The one sentinel of the settings dies: those it told of are asked from then on."""
    with FakeSentinel(address(sentinel_set.master()), others=sentinel_set.addresses) as known:
        cache = make_cache(sentinels=[known.address], client_name=f"renewed-{call.mode}")
        works(cache, call)
    sentinel_set.failover()
    works(cache, call)


# Ways in


def test_sentinels_with_a_password(
    start_sentinel_set: Callable[..., SentinelSet], make_cache: Callable[..., Any], call: Caller
) -> None:
    """Theirs is not that of the data servers, and neither is sent to the other."""
    running = start_sentinel_set(
        sentinel_password="for sentinels",
        password="for data",
        users={"app": "on >secret ~* &* +@all"},
    )
    works(make_cache(on=running), call)
    data = (
        running.nodes[0].url_for(user="app", password="secret").replace(f"127.0.0.1:{running.nodes[0].port}", SERVICE)
    )
    works(make_cache(data, on=running), call)
    works(make_cache(f"redis://{SERVICE}", on=running, username="app", password="secret"), call)
    for kwargs in ({}, {"password": "wrong-token"}):
        begun = time.monotonic()
        with pytest.raises(CacheConnectionError) as caught:
            call(make_cache(on=running, sentinel_kwargs=kwargs, **LIMITS).get, "k")
        assert time.monotonic() - begun < SECONDS
        assert "wrong-token" not in str(caught.value)
        assert any(code in str(caught.value) for code in ("NOAUTH", "WRONGPASS")), "it says what is wrong"
    for wrong in (f"redis://{SERVICE}", f"redis://:wrong-token@{SERVICE}"):
        with pytest.raises(CacheConnectionError, match=r"NOAUTH|WRONGPASS") as caught:
            call(make_cache(wrong, on=running, **LIMITS).get, "k")
        assert "wrong-token" not in str(caught.value)


def test_sentinels_with_users(
    start_sentinel_set: Callable[..., SentinelSet], make_cache: Callable[..., Any], call: Caller
) -> None:
    running = start_sentinel_set()
    for sentinel in running.sentinels:
        sentinel.command("ACL", "SETUSER", "watcher", "on", ">seen", "allchannels", "+@all")
        sentinel.command("ACL", "SETUSER", "default", "off")
    works(make_cache(on=running, sentinel_kwargs={"username": "watcher", "password": "seen"}), call)
    with pytest.raises(CacheConnectionError):
        call(make_cache(on=running, **LIMITS).get, "k")


def test_tls_behind_a_tunnel(
    start_sentinel_set: Callable[..., SentinelSet],
    make_cache: Callable[..., Any],
    certificates: Certificates,
    call: Caller,
) -> None:
    """Servers and sentinels announce ports that clients cannot use, and `address_remap` knows better."""
    running = start_sentinel_set(sentinel_tls=certificates, tls=certificates, password="secret")
    seen: set[int] = set()

    def remap(host: str, port: int) -> tuple[str, int]:
        seen.add(port)
        return running.remap(host, port)

    tls = {"ssl_ca_certs": str(certificates.ca)}
    # One of the sentinels, so that the others are known by what it announces.
    only = {"sentinels": running.addresses[:1], "sentinel_kwargs": {"ssl": True, **tls}}
    cache = make_cache(on=running, address_remap=remap, **tls, **only)
    works(cache, call)
    assert running.master().plain_port in seen
    running.sentinels[0].kill()
    running.failover()
    works(cache, call)
    assert {sentinel.plain_port for sentinel in running.sentinels[1:]} <= seen


def test_a_remap_that_fails(make_cache: Callable[..., Any], call: Caller) -> None:
    def remap(host: str, port: int) -> tuple[str, int]:
        raise LookupError("nobody there")

    with pytest.raises(LookupError, match="nobody there"):
        call(make_cache(address_remap=remap, **LIMITS).get, "k")
