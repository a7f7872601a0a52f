"""Raw clients of a cluster: they route by the keys of the command, and to the primary of slot 0 without any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex import _core
from django_cachex.exceptions import CrossSlotError, NotSupportedError

if TYPE_CHECKING:
    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster


@pytest.fixture
def run(cache: RedisClusterCache, call: Caller) -> Any:
    """Run a command on a raw client."""
    client = call(cache.get_client, write=True)
    assert isinstance(client, _core.AsyncRedisCluster if call.is_async else _core.RedisCluster)

    def send(*words: Any) -> Any:
        result = client.execute_command(*words)
        return call.run(result) if call.is_async else result

    return send


def test_commands_go_where_their_keys_are(cache: RedisClusterCache, places: Places, run: Any) -> None:
    for key in places.apart():
        made = cache.make_key(key)
        assert run("SET", made, "v") == b"OK"
        assert places.owner(key).command("GET", made) == b"v"
        assert run("GET", made) == b"v"
        assert run("OBJECT", "ENCODING", made) == b"embstr"
        assert run("BITOP", "NOT", made, made) == 1
        assert run("EVAL", "return redis.call('STRLEN', KEYS[1])", 1, made) == 1
        assert run("XADD", made + "-{" + made + "}", "1-1", "f", "v") == b"1-1"
        assert run("XREAD", "COUNT", 1, "STREAMS", made + "-{" + made + "}", "0")[0][1][0][0] == b"1-1"
        assert run("ZUNIONSTORE", made + "z", 1, made + "z") == 0
        assert run("LMPOP", 1, made + "l", "LEFT") is None


def test_attributes_are_commands(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    client = call(cache.get_client, write=True)
    for key in places.apart():
        assert call(client.set, cache.make_key(key), "v") == b"OK"
        assert call(client.get, cache.make_key(key)) == b"v"


def test_without_keys_slot_0_answers(cluster: Cluster, cache: RedisClusterCache, run: Any, call: Caller) -> None:
    client = call(cache.get_client)
    port = cluster.owner(0).plain_port
    assert call(client.info)["tcp_port"] == port
    assert call(client.ping) is True
    assert run("CONFIG", "GET", "port")[1] == str(port).encode()
    assert call(cache.info)["tcp_port"] == port
    assert call(cache.info, "server")["tcp_port"] == port


def test_keys_in_several_slots(cache: RedisClusterCache, places: Places, run: Any) -> None:
    one, two, _ = (cache.make_key(key) for key in places.apart())
    with pytest.raises(CrossSlotError, match=r"^CROSSSLOT "):
        run("MSET", one, 1, two, 2)
    assert run("MSET", "{x}1", 1, "{x}2", 2) == b"OK"
    assert run("DEL", "{x}1", "{x}2") == 2


def test_slots_that_move(cluster: Cluster, cache: RedisClusterCache, tag: str, run: Any) -> None:
    made = cache.make_key(tag)
    run("SET", made, 1)
    source = cluster.owner(made)
    cluster.move(cluster.slot(made), source, next(n for n in cluster.primaries() if n is not source)).run()
    assert run("INCRBY", made, 5) == 6


@pytest.mark.parametrize("words", [("MULTI",), ("READONLY",), ("READWRITE",), ("ASKING",), ("SUBSCRIBE", "c")], ids=str)
def test_what_is_refused(run: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(NotSupportedError):
        run(*words)


def test_slow_commands_of_slot_0(cluster: Cluster, cache: RedisClusterCache, call: Caller) -> None:
    node = cluster.owner(0)
    node.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    try:
        node.command("SLOWLOG", "RESET")
        call(cache.eval, "return 'slow'", 0)
        assert any(row["command"][0] in {"EVAL", "SLOWLOG"} for row in call(cache.slowlog_get))
        assert call(cache.slowlog_len) >= 1
    finally:
        node.command("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
        node.command("SLOWLOG", "RESET")
