"""Several servers in LOCATION: the first takes the writes, the others share the reads.

The servers here know nothing of each other, so that it shows where a command went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Family, Server

pytestmark = pytest.mark.standalone("about several locations of one cache")


@pytest.fixture(scope="module")
def servers(family: Family) -> Iterator[list[Server]]:
    with family.start() as primary, family.start() as one, family.start() as other:
        yield [primary, one, other]


@pytest.fixture
def apart(make_cache: Callable[..., RedisCache], servers: list[Server]) -> RedisCache:
    """A cache whose writes go to the first server and whose reads go to the second."""
    return make_cache([server.url for server in servers[:2]])


def hold(cache: RedisCache, servers: list[Server], *values: str | None) -> None:
    """Let the servers hold these values at `k`, in the order of the servers."""
    for server, value in zip(servers, values, strict=False):
        server.command("DEL", cache.make_key("k"))
        if value is not None:
            server.command("SET", cache.make_key("k"), value, "EX", 100)


def at(server: Server, cache: RedisCache, key: str = "k") -> Any:
    return server.command("GET", cache.make_key(key))


READS: list[tuple[str, tuple[Any, ...], Any, Any]] = [
    ("get", ("k",), 2, None),
    ("has_key", ("k",), True, False),
    ("get_many", (["k"],), {"k": 2}, {}),
    ("ttl", ("k",), 100, -2),
    ("pttl", ("k",), 100, -2),
    ("expiretime", ("k",), 100, -2),
    ("type", ("k",), "string", None),
    ("keys", (), ["k"], []),
    ("iter_keys", (), ["k"], []),
]


@pytest.mark.parametrize(("method", "args", "there", "missing"), READS, ids=[row[0] for row in READS])
def test_reads(
    apart: RedisCache, servers: list[Server], call: Caller, method: str, args: tuple[Any, ...], there: Any, missing: Any
) -> None:
    hold(apart, servers, None, "2")
    found = call(getattr(apart, method), *args)
    if there == 100:
        assert found > 90
    else:
        assert found == there
    hold(apart, servers, "1", None)
    assert call(getattr(apart, method), *args) == missing


def test_writes(apart: RedisCache, servers: list[Server], call: Caller) -> None:
    primary, replica = servers[:2]

    def both(expected: bytes | None) -> None:
        assert at(primary, apart) == expected
        assert at(replica, apart) == b"2"

    hold(apart, servers, None, "2")
    assert call(apart.add, "k", 5) is True
    both(b"5")
    assert call(apart.add, "k", 6, 0) is False
    assert call(apart.incr, "k") == 6
    assert call(apart.decr, "k") == 5
    assert call(apart.set, "k", 7, get=True) == 5
    assert call(apart.set, "k", 8, nx=True) is False
    assert call(apart.set, "k", 8, 0, nx=True, get=True) == 7
    both(b"7")
    call(apart.set_many, {"k": 9}, 50)
    both(b"9")
    assert call(apart.touch, "k", 10) is True
    assert call(apart.expire, "k", 10) is True
    assert call(apart.persist, "k") is True
    assert call(apart.touch, "k", None) is True
    assert primary.command("TTL", apart.make_key("k")) == -1
    assert call(apart.scan, 0, "*", 10_000) == (0, ["k"])
    assert call(apart.rename, "k", "l") is True
    both(None)
    assert call(apart.incr_version, "l") == 2
    assert call(apart.delete_pattern, "*", 2) == 1
    assert call(apart.delete, "k") is False
    assert call(apart.delete_many, ["k"]) == 0
    with pytest.raises(KeyNotFoundError):
        call(apart.incr, "k")
    assert call(apart.clear_all_versions) == 0
    assert call(apart.clear) is True
    both(None)


def test_scan_stays_with_the_primary(apart: RedisCache, servers: list[Server], call: Caller) -> None:
    hold(apart, servers, None, "2")
    assert call(apart.scan, 0, "*", 10_000) == (0, [])
    assert call(apart.keys) == ["k"]


def test_reads_are_shared(make_cache: Callable[..., RedisCache], servers: list[Server], call: Caller) -> None:
    cache = make_cache(",".join(server.url for server in servers))
    hold(cache, servers, "1", "2", "3")
    assert set(call.every([(cache.get, "k")] * 100)) == {2, 3}
    for server in servers[1:]:
        server.command("DEL", cache.make_key("k"))
    hold(cache, servers, "1", None, None)
    assert set(call.every([(cache.get, "k")] * 20)) == {None}


def test_a_walk_stays_with_one_server(
    make_cache: Callable[..., RedisCache], servers: list[Server], call: Caller
) -> None:
    cache = make_cache([server.url for server in servers])
    for server, name in zip(servers, "pab", strict=True):
        server.command("FLUSHALL")
        for number in range(60):
            server.command("SET", cache.make_key(f"{name}{number}"), 1)
    seen = {frozenset(key[0] for key in call(cache.iter_keys, itersize=5)) for _ in range(20)}
    assert seen == {frozenset("a"), frozenset("b")}


def test_raw_clients(apart: RedisCache, servers: list[Server], call: Caller) -> None:
    hold(apart, servers, "1", "2")
    key = apart.make_key("k")
    reader, writer = call(apart.get_client), call(apart.get_client, write=True)
    if call.is_async:
        assert call.run(reader.get(key)) == b"2"
        assert call.run(writer.get(key)) == b"1"
    else:
        assert reader.get(key) == b"2"
        assert writer.get(key) == b"1"


def test_a_walk_begins_elsewhere_if_its_server_does_not_answer(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], call: Caller
) -> None:
    primary, replica = start_server(), start_server()
    cache = make_cache([primary.url, replica.url])
    call(cache.set_many, {f"k{number}": number for number in range(50)})
    call(cache.sadd, "set", *range(50))
    replica.kill()
    assert len(list(call(cache.iter_keys, "k*", itersize=5))) == 50
    assert set(call(cache.sscan_iter, "set", count=5)) == set(range(50))
