"""What servers tell of themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.commands.info import parse_info
from django_cachex.commands.server import ServerCommands
from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cache(request: pytest.FixtureRequest, make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache that speaks the one protocol or the other."""
    return make_cache(OPTIONS={"protocol": request.param})


@pytest.fixture
def slow(server: Server) -> Iterator[Server]:
    """The shared server, while it takes every command for a slow one."""
    server.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    server.command("SLOWLOG", "RESET")
    yield server
    server.command("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    server.command("SLOWLOG", "RESET")


@pytest.mark.standalone("which of several servers answers is the topology's business")
def test_info_is_about_the_server(cache: RedisCache, server: Server, call: Caller) -> None:
    assert call(cache.info)["tcp_port"] == server.plain_port


def test_info(cache: RedisCache, call: Caller) -> None:
    # In slot 0, whose primary is asked on a cluster.
    call(cache.set, "{3560}", 1, 100)
    found = call(cache.info)
    assert type(found["tcp_port"]) is int
    assert type(found["redis_version"]) is str
    assert type(found["used_memory"]) is int
    assert type(found["mem_fragmentation_ratio"]) is float
    assert found["db0"]["keys"] >= 1
    assert {type(figure) for figure in found["db0"].values()} == {int}
    assert not any(name.startswith("#") for name in found)


def test_one_section(cache: RedisCache, call: Caller) -> None:
    found = call(cache.info, "memory")
    assert "used_memory" in found
    assert "tcp_port" not in found
    call(cache.set, "k", 1)
    assert all(name.startswith("db") for name in call(cache.info, section="keyspace"))
    assert call(cache.info, "no-such-section") == {}
    assert call(cache._cache.info, "cpu").keys() == call(cache.info, "cpu").keys()


@pytest.mark.standalone("a cluster tells the log of one primary alone")
def test_slowlog(cache: RedisCache, slow: Server, call: Caller) -> None:
    call(cache.set, "k", "v")
    call(cache.get_many, ["k", "l"])
    found = call(cache.slowlog_get)
    (row,) = [row for row in found if row["command"][0] == "MGET"]
    assert set(row) == {"id", "start_time", "duration", "command", "client_address", "client_name"}
    assert row["command"] == ["MGET", cache.make_key("k"), cache.make_key("l")]
    assert abs(row["start_time"] - time.time()) < 60
    assert 0 <= row["duration"] < 10**7
    assert type(row["id"]) is int
    assert row["client_address"].startswith("127.0.0.1:")
    assert type(row["client_name"]) is str
    numbers = [row["id"] for row in found]
    assert numbers == sorted(numbers, reverse=True)
    assert len(call(cache.slowlog_get, 2)) == 2
    assert len(call(cache.slowlog_get, count=1)) == 1
    assert call(cache.slowlog_get, 0) == []


@pytest.mark.standalone("a cluster tells the log of one primary alone")
def test_slow_commands_that_are_no_text(cache: RedisCache, slow: Server, call: Caller) -> None:
    call(cache.set, "k", b"\xff\xfe")
    (row,) = [row for row in call(cache.slowlog_get) if row["command"][0] == "SET"]
    assert row["command"][1] == cache.make_key("k")
    assert {type(word) for word in row["command"]} == {str}


@pytest.mark.standalone("a cluster tells the log of one primary alone")
def test_slowlog_len(cache: RedisCache, slow: Server, call: Caller) -> None:
    slow.command("CONFIG", "SET", "slowlog-log-slower-than", -1)
    slow.command("SLOWLOG", "RESET")
    found = call(cache.slowlog_len)
    assert (found, type(found)) == (0, int)
    assert call(cache.slowlog_get) == []
    slow.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    call(cache.get, "k")
    assert call(cache.slowlog_len) >= 1


@pytest.mark.standalone("a cluster tells the log of one primary alone")
def test_more_slow_commands_than_are_told(cache: RedisCache, slow: Server, call: Caller) -> None:
    for _ in range(15):
        call(cache.get, "k")
    assert len(call(cache.slowlog_get)) == 10
    assert len(call(cache.slowlog_get, 12)) == 12


def test_what_looks_like_a_number() -> None:
    """Hashes, names and versions stay text."""
    said = b"a:5\r\nb:-1.5\r\nc:1234e567\r\nd:nan\r\ne:infinity\r\nf:1_000\r\ng: 5\r\nh:7.2.4\r\ni:\r\nj:" + b"9" * 5000
    assert parse_info(b"config_file:/etc/x=y/v.conf\r\nerrorstat_ERR:count=1\r\ndb0:keys=1,expires=0") == {
        "config_file": "/etc/x=y/v.conf",
        "errorstat_ERR": {"count": 1},
        "db0": {"keys": 1, "expires": 0},
    }
    found = parse_info(said)
    assert found.pop("j") == "9" * 5000
    assert found == {
        "a": 5, "b": -1.5, "c": "1234e567", "d": "nan", "e": "infinity", "f": "1_000", "g": " 5", "h": "7.2.4", "i": ""
    }  # fmt: skip


def test_pipelines_have_none_of_it(cache: RedisCache) -> None:
    for pipeline in (cache.pipeline(), cache.apipeline()):
        for name in ("info", "slowlog_get", "slowlog_len", "ainfo", "script_load"):
            assert not hasattr(pipeline, name)


ROW = [1, 2, 3, [b"GET"], b"127.0.0.1:1", b""]


def test_replies_of_newer_servers() -> None:
    """What they add to a row is left out."""
    built = vars(ServerCommands)["slowlog_get"].build(ServerCommands())
    assert built.reply([[*ROW, b"more"]]) == built.reply([ROW])


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("info", 1),
        ("info", None),
        ("slowlog_get", None),
        ("slowlog_get", [1]),
        ("slowlog_get", [ROW[:4]]),
        ("slowlog_get", [[*ROW[:3], b"GET", *ROW[4:]]]),
        ("slowlog_get", [[b"1", *ROW[1:]]]),
        ("slowlog_len", b"1"),
    ],
)
def test_replies_that_make_no_sense(method: str, reply: Any) -> None:
    built = vars(ServerCommands)[method].build(ServerCommands())
    with pytest.raises(ResponseError, match="unexpected"):
        built.reply(reply)
