"""Streams: entries, reading on, groups of consumers, and what is pending in them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.commands.replies import text
from django_cachex.commands.stream_replies import claimed, described, entries, news, pending, step, summary
from django_cachex.exceptions import NotSupportedError, ResponseError, SerializerError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

ENTRIES: list[tuple[str, dict[str, Any]]] = [("1-0", {"a": 1}), ("2-0", {"a": "two", "b": [2]}), ("3-0", {"a": None})]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cache(request: pytest.FixtureRequest, make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache that speaks the one protocol or the other."""
    return make_cache(OPTIONS={"protocol": request.param})


@pytest.fixture
def filled(cache: RedisCache) -> RedisCache:
    """A cache with three entries in the stream `s`."""
    for entry_id, fields in ENTRIES:
        cache.xadd("s", fields, entry_id)
    return cache


@pytest.fixture
def grouped(filled: RedisCache) -> RedisCache:
    """The same with a group `g`, to whose consumer `c` all three are delivered."""
    filled.xgroup_create("s", "g", "0")
    assert filled.xreadgroup("g", "c", {"s": ">"}) == {"s": ENTRIES}
    return filled


@pytest.fixture
def nowhere(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: whatever sends something fails otherwise than a wrong argument does."""
    return make_cache("redis://127.0.0.1:1")


# Entries


def test_xadd(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    first = call_anyhow(cache.xadd, "s", {"f": 1})
    assert type(first) is str
    milliseconds, _, number = first.partition("-")
    assert abs(int(milliseconds) / 1000 - time.time()) < 60
    assert number.isdecimal()
    assert server.command("TYPE", cache.make_key("s")) == "stream"
    assert call_anyhow(cache.xadd, "t", {"f": 1, b"g": "x", 3: [1]}, "5-1") == "5-1"
    assert call_anyhow(cache.xadd, "t", {"f": 2}, b"5-2") == "5-2"
    assert call_anyhow(cache.xadd, "t", fields={"f": 3}, entry_id="6-*", version=None) == "6-0"
    assert call_anyhow(cache.xrange, "t") == [
        ("5-1", {"f": 1, "g": "x", "3": [1]}),
        ("5-2", {"f": 2}),
        ("6-0", {"f": 3}),
    ]
    assert server.command("XRANGE", cache.make_key("t"), "5-2", "5-2") == [[b"5-2", [b"f", b"2"]]]


def test_ids_only_grow(filled: RedisCache, call_anyhow: Caller) -> None:
    for entry_id in ("3-0", "1-5", "0-0", "x"):
        with pytest.raises(ResponseError):
            call_anyhow(filled.xadd, "s", {"a": 1}, entry_id)
    assert call_anyhow(filled.xlen, "s") == 3


def test_xadd_without_a_stream(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.xadd, "s", {"a": 1}, nomkstream=True) is None
    assert call_anyhow(cache.has_key, "s") is False
    call_anyhow(cache.xadd, "s", {"a": 1}, "1-0")
    assert call_anyhow(cache.xadd, "s", {"a": 1}, "2-0", nomkstream=True) == "2-0"


@pytest.mark.parametrize(
    ("trimming", "left"),
    [
        ({"maxlen": 2, "approximate": False}, ["3-0", "9-0"]),
        ({"maxlen": 0, "approximate": False}, []),
        ({"maxlen": 10, "approximate": False}, ["1-0", "2-0", "3-0", "9-0"]),
        ({"minid": "3", "approximate": False}, ["3-0", "9-0"]),
        ({"minid": b"2-1", "approximate": False}, ["3-0", "9-0"]),
        # Three entries fill no node of the server's, so that an approximation leaves them all.
        ({"maxlen": 2}, ["1-0", "2-0", "3-0", "9-0"]),
        ({"minid": "3", "limit": 5}, ["1-0", "2-0", "3-0", "9-0"]),
    ],
    ids=str,
)
def test_trimming_while_adding(
    filled: RedisCache, call_anyhow: Caller, trimming: dict[str, Any], left: list[str]
) -> None:
    assert call_anyhow(filled.xadd, "s", {"a": 1}, "9-0", **trimming) == "9-0"
    assert [entry_id for entry_id, _ in call_anyhow(filled.xrange, "s")] == left


def test_xtrim(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.xtrim, "s", 2, approximate=False) == 1
    assert call_anyhow(filled.xtrim, "s", minid="3-0", approximate=False) == 1
    assert call_anyhow(filled.xrange, "s") == ENTRIES[2:]
    assert call_anyhow(filled.xtrim, "s", 1) == 0
    assert call_anyhow(filled.xtrim, "s", 0, False) == 1
    assert call_anyhow(filled.xtrim, "none", 0) == 0
    with pytest.raises(ResponseError):
        call_anyhow(filled.xtrim, "s", -1)


def test_trimming_large_streams(cache: RedisCache, call: Caller) -> None:
    for number in range(500):
        cache.xadd("s", {"a": 1}, f"{number + 1}-0")
    removed = call(cache.xtrim, "s", 10)
    assert 300 < removed <= 490
    for number in range(500):
        cache.xadd("s", {"a": 1}, f"{number + 501}-0")
    assert call(cache.xtrim, "s", maxlen=10, limit=100) <= 100


def test_xlen_and_xdel(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.xlen, "none") == 0
    assert call_anyhow(filled.xlen, "s") == 3
    assert call_anyhow(filled.xdel, "s", "1-0", b"3-0", "7-7") == 2
    assert call_anyhow(filled.xdel, "s", "1-0") == 0
    assert call_anyhow(filled.xdel, "none", "1-0") == 0
    assert call_anyhow(filled.xrange, "s") == ENTRIES[1:2]
    with pytest.raises(ResponseError):
        call_anyhow(filled.xdel, "s", "x")


def test_xrange(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.xrange, "none") == []
    found = call_anyhow(filled.xrange, "s")
    assert found == ENTRIES
    assert {(type(entry), type(entry[0]), type(entry[1])) for entry in found} == {(tuple, str, dict)}
    assert call_anyhow(filled.xrange, "s", "2", "2") == ENTRIES[1:2]
    assert call_anyhow(filled.xrange, "s", b"(1-0", "+", 1) == ENTRIES[1:2]
    assert call_anyhow(filled.xrange, key="s", start="-", end="(3-0", count=None, version=None) == ENTRIES[:2]
    assert call_anyhow(filled.xrange, "s", "5", "+") == []
    assert call_anyhow(filled.xrange, "s", count=0) == []
    with pytest.raises(ResponseError):
        call_anyhow(filled.xrange, "s", "x")


def test_xrevrange(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.xrevrange, "none") == []
    assert call_anyhow(filled.xrevrange, "s") == ENTRIES[::-1]
    assert call_anyhow(filled.xrevrange, "s", "2-0") == ENTRIES[1::-1]
    assert call_anyhow(filled.xrevrange, "s", "+", "2-0", 1) == ENTRIES[2:]
    assert call_anyhow(filled.xrevrange, key="s", end="+", start="(2-0", count=None, version=None) == ENTRIES[2:]
    assert call_anyhow(filled.xrevrange, "s", count=0) == []


# Reading on


@pytest.mark.one_slot
def test_xread(filled: RedisCache, call_anyhow: Caller) -> None:
    filled.xadd("t", {"x": 1}, "1-0")
    assert call_anyhow(filled.xread, {"s": "0-0"}) == {"s": ENTRIES}
    assert call_anyhow(filled.xread, {"s": "1-0", "none": "0", "t": b"0"}) == {
        "s": ENTRIES[1:],
        "t": [("1-0", {"x": 1})],
    }
    assert call_anyhow(filled.xread, {"s": "0", "t": "1-0"}, 2) == {"s": ENTRIES[:2]}
    assert call_anyhow(filled.xread, streams={"s": "2-0"}, count=1, block=None, version=None) == {"s": ENTRIES[2:]}
    assert call_anyhow(filled.xread, {"s": "3-0", "t": "$"}) is None
    assert call_anyhow(filled.xread, {"none": "0"}) is None
    assert call_anyhow(filled.xread, {"s": 2}) == {"s": ENTRIES[2:]}
    with pytest.raises(ResponseError):
        call_anyhow(filled.xread, {"s": "x"})


@pytest.mark.one_slot
def test_streams_are_called_as_the_caller_calls_them(
    make_cache: Callable[..., RedisCache], call_anyhow: Caller
) -> None:
    class Name(str):
        __slots__ = ()

    cache = make_cache(KEY_FUNCTION=lambda key, prefix, version: f"{prefix}/{version}/{key}/streams")
    name = Name("ü")
    cache.xadd(name, {"a": 1}, "1-0")
    found = call_anyhow(cache.xread, {"other": "0", name: "0"})
    assert found == {"ü": [("1-0", {"a": 1})]}
    assert next(iter(found)) is name


@pytest.mark.parametrize("group", [None, "g"])
def test_waiting_in_vain(
    make_cache: Callable[..., RedisCache],
    call: Caller,
    group: str | None,
    record_property: Callable[[str, object], None],
) -> None:
    cache = make_cache(OPTIONS={"socket_timeout": 0.3})
    cache.xgroup_create("s", "g", mkstream=True)
    start = time.monotonic()
    # Longer than a server may take for a command that does not wait.
    if group:
        assert call(cache.xreadgroup, group, "c", {"s": ">"}, block=600) is None
    else:
        assert call(cache.xread, {"s": "0"}, block=600) is None
    took = time.monotonic() - start
    record_property("seconds", took)
    assert 0.55 < took < 5
    with pytest.raises(ResponseError, match="negative"):
        call(cache.xread, {"s": "0"}, block=-1)
    with pytest.raises(ValueError, match="too long"):
        call(cache.xread, {"s": "0"}, block=10**400)


@pytest.mark.one_slot
@pytest.mark.parametrize("block", [0, 10_000])
def test_waiting_for_news(cache: RedisCache, server: Server, call: Caller, block: int) -> None:
    cache.xgroup_create("s", "g", mkstream=True)
    made = cache.make_key("s")

    def add(after: float, value: int) -> None:
        timer = threading.Timer(after, server.command, ("XADD", made, f"{value}-0", "a", value))
        timer.start()

    add(0.1, 1)
    assert call(cache.xread, {"none": "$", "s": "$"}, block=block) == {"s": [("1-0", {"a": 1})]}
    assert call(cache.xreadgroup, "g", "c", {"s": ">"}, block=block) == {"s": [("1-0", {"a": 1})]}
    add(0.1, 2)
    assert call(cache.xreadgroup, "g", "c", {"s": ">"}, block=block) == {"s": [("2-0", {"a": 2})]}


def test_pipelines_do_not_wait(cache: RedisCache) -> None:
    for pipeline in (cache.pipeline(), cache.apipeline()):
        for block in (0, 10):
            with pytest.raises(NotSupportedError):
                pipeline.xread({"s": "0"}, block=block)
            with pytest.raises(NotSupportedError):
                pipeline.xreadgroup("g", "c", {"s": ">"}, block=block)
        assert len(pipeline) == 0


# Descriptions


def test_xinfo_stream(filled: RedisCache, call_anyhow: Caller) -> None:
    found = call_anyhow(filled.xinfo_stream, "s")
    assert (found["length"], found["groups"], found["last-generated-id"]) == (3, 0, "3-0")
    assert (found["first-entry"], found["last-entry"]) == (ENTRIES[0], ENTRIES[2])
    assert all(type(name) is str for name in found)
    filled.xtrim("s", 0, approximate=False)
    found = call_anyhow(filled.xinfo_stream, key="s", full=False, version=None)
    assert (found["length"], found["first-entry"], found["last-entry"]) == (0, None, None)


def test_xinfo_stream_in_full(grouped: RedisCache, call_anyhow: Caller) -> None:
    grouped.xgroup_create("s", "h")
    found = call_anyhow(grouped.xinfo_stream, "s", full=True)
    assert (found["length"], found["entries"]) == (3, ENTRIES)
    group, empty = found["groups"]
    assert (group["name"], group["last-delivered-id"], group["pel-count"]) == ("g", "3-0", 3)
    assert [row[:2] for row in group["pending"]] == [["1-0", "c"], ["2-0", "c"], ["3-0", "c"]]
    assert [type(column) for column in group["pending"][0]] == [str, str, int, int]
    (consumer,) = group["consumers"]
    assert (consumer["name"], consumer["pel-count"]) == ("c", 3)
    assert [row[0] for row in consumer["pending"]] == ["1-0", "2-0", "3-0"]
    assert abs(consumer["seen-time"] / 1000 - time.time()) < 60
    assert (empty["name"], empty["consumers"], empty["pending"]) == ("h", [], [])


def test_xinfo_groups_and_consumers(grouped: RedisCache, call_anyhow: Caller) -> None:
    (group,) = call_anyhow(grouped.xinfo_groups, "s")
    told = {name: group[name] for name in ("name", "consumers", "pending", "last-delivered-id")}
    assert told == {"name": "g", "consumers": 1, "pending": 3, "last-delivered-id": "3-0"}
    (consumer,) = call_anyhow(grouped.xinfo_consumers, "s", "g")
    assert (consumer["name"], consumer["pending"], type(consumer["idle"])) == ("c", 3, int)
    grouped.xgroup_create("s", "h")
    assert call_anyhow(grouped.xinfo_consumers, "s", group=b"h") == []
    grouped.xadd("t", {"a": 1})
    assert call_anyhow(grouped.xinfo_groups, key="t", version=None) == []


def test_describing_nothing(cache: RedisCache, call_anyhow: Caller) -> None:
    for method, *args in (
        (cache.xinfo_stream,),
        (cache.xinfo_stream, True),
        (cache.xinfo_groups,),
        (cache.xinfo_consumers, "g"),
    ):
        with pytest.raises(ResponseError, match="no such key"):
            call_anyhow(method, "none", *args)
    cache.xadd("s", {"a": 1})
    with pytest.raises(ResponseError, match="NOGROUP"):
        call_anyhow(cache.xinfo_consumers, "s", "none")


# Groups


def test_xgroup_create(cache: RedisCache, call_anyhow: Caller) -> None:
    with pytest.raises(ResponseError):
        call_anyhow(cache.xgroup_create, "s", "g")
    assert call_anyhow(cache.xgroup_create, "s", "g", mkstream=True) is True
    assert call_anyhow(cache.xlen, "s") == 0
    with pytest.raises(ResponseError, match="BUSYGROUP"):
        call_anyhow(cache.xgroup_create, "s", "g")
    cache.xadd("s", {"a": 1}, "1-0")
    cache.xadd("s", {"a": 2}, "2-0")
    assert call_anyhow(cache.xgroup_create, "s", "all", "0") is True
    assert call_anyhow(cache.xgroup_create, "s", "later", b"1-0", False, 1) is True
    assert call_anyhow(cache.xgroup_create, "s", "new") is True
    last = {group["name"]: (group["last-delivered-id"], group["entries-read"]) for group in cache.xinfo_groups("s")}
    assert last["later"] == ("1-0", 1)
    assert (last["all"][0], last["new"][0]) == ("0-0", "2-0")


def test_xgroup_setid(filled: RedisCache, call_anyhow: Caller) -> None:
    filled.xgroup_create("s", "g")
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": ">"}) is None
    assert call_anyhow(filled.xgroup_setid, "s", "g", "2-0") is True
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": ">"}) == {"s": ENTRIES[2:]}
    assert call_anyhow(filled.xgroup_setid, "s", "g", b"0", entries_read=0) is True
    assert filled.xinfo_groups("s")[0]["entries-read"] == 0
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": ">"}) == {"s": ENTRIES}
    with pytest.raises(ResponseError, match="NOGROUP"):
        call_anyhow(filled.xgroup_setid, "s", "none", "0")
    with pytest.raises(ResponseError):
        call_anyhow(filled.xgroup_setid, "none", "g", "0")


def test_xgroup_destroy(grouped: RedisCache, call_anyhow: Caller) -> None:
    destroyed = call_anyhow(grouped.xgroup_destroy, "s", "g")
    assert (destroyed, type(destroyed)) == (1, int)
    assert call_anyhow(grouped.xgroup_destroy, "s", "g") == 0
    with pytest.raises(ResponseError):
        call_anyhow(grouped.xgroup_destroy, "none", "g")


def test_xgroup_delconsumer(grouped: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(grouped.xgroup_delconsumer, "s", "g", "none") == 0
    assert call_anyhow(grouped.xgroup_delconsumer, "s", "g", "c") == 3
    assert call_anyhow(grouped.xpending, "s", "g")["pending"] == 0
    with pytest.raises(ResponseError, match="NOGROUP"):
        call_anyhow(grouped.xgroup_delconsumer, "s", "none", "c")
    with pytest.raises(ResponseError):
        call_anyhow(grouped.xgroup_delconsumer, "none", "g", "c")


@pytest.mark.one_slot
def test_xreadgroup(filled: RedisCache, call_anyhow: Caller) -> None:
    filled.xadd("t", {"x": 1}, "1-0")
    filled.xgroup_create("s", "g", "0")
    filled.xgroup_create("t", "g", "0")
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": ">"}, 1) == {"s": ENTRIES[:1]}
    assert call_anyhow(filled.xreadgroup, "g", b"d", {"s": b">"}, count=1) == {"s": ENTRIES[1:2]}
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": ">", "t": ">"}) == {
        "s": ENTRIES[2:],
        "t": [("1-0", {"x": 1})],
    }
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": ">", "t": ">"}) is None
    # What is pending for oneself can be read again.
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": "0"}) == {"s": [ENTRIES[0], ENTRIES[2]]}
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": "1-0"}) == {"s": ENTRIES[2:]}
    assert call_anyhow(filled.xreadgroup, "g", "other", {"s": "0"}) is None
    assert call_anyhow(filled.xreadgroup, "g", "other", {"s": "0", "t": ">"}) is None
    assert call_anyhow(filled.xreadgroup, "g", "c", {"s": "0", "t": "1-0"}) == {"s": [ENTRIES[0], ENTRIES[2]]}


def test_pending_entries_that_have_been_deleted(grouped: RedisCache, call_anyhow: Caller) -> None:
    grouped.xdel("s", "2-0")
    found = call_anyhow(grouped.xreadgroup, "g", "c", {"s": "0"})
    assert found == {"s": [ENTRIES[0], ("2-0", {}), ENTRIES[2]]}


def test_xreadgroup_without_acknowledging(filled: RedisCache, call_anyhow: Caller) -> None:
    filled.xgroup_create("s", "g", "0")
    assert call_anyhow(
        filled.xreadgroup, group="g", consumer="c", streams={"s": ">"}, count=None, block=None, noack=True, version=None
    ) == {"s": ENTRIES}
    assert call_anyhow(filled.xpending, "s", "g")["pending"] == 0


def test_no_group(filled: RedisCache, call_anyhow: Caller) -> None:
    for key in ("s", "none"):
        for method, args in (
            (filled.xreadgroup, ("g", "c", {key: ">"})),
            (filled.xpending, (key, "g")),
            (filled.xpending, (key, "g", "-", "+", 1)),
            (filled.xclaim, (key, "g", "c", 0, ["1-0"])),
            (filled.xautoclaim, (key, "g", "c", 0)),
        ):
            with pytest.raises(ResponseError, match="NOGROUP"):
                call_anyhow(method, *args)


@pytest.mark.parametrize(
    "names", [("STREAMS", "GROUP"), ("BLOCK", "COUNT"), ("ü", "\udcff"), (1, 2.5), ("", "")], ids=str
)
def test_names_of_all_kinds(filled: RedisCache, call_anyhow: Caller, names: tuple[Any, Any]) -> None:
    group, consumer = names
    assert call_anyhow(filled.xgroup_create, "s", group, "0") is True
    assert call_anyhow(filled.xreadgroup, group, consumer, {"s": ">"}) == {"s": ENTRIES}
    assert call_anyhow(filled.xinfo_groups, "s")[0]["name"] == str(group)
    assert call_anyhow(filled.xinfo_consumers, "s", group)[0]["name"] == str(consumer)
    assert call_anyhow(filled.xpending, "s", group)["consumers"] == [{"name": str(consumer), "pending": 3}]
    assert call_anyhow(filled.xack, "s", group, "1-0") == 1


# What is pending


def test_xack(grouped: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(grouped.xack, "s", "g", "1-0", b"2-0", "9-9") == 2
    assert call_anyhow(grouped.xack, "s", "g", "1-0") == 0
    assert call_anyhow(grouped.xack, "none", "g", "1-0") == 0
    assert call_anyhow(grouped.xack, "s", "none", "3-0") == 0
    assert call_anyhow(grouped.xpending, "s", "g")["pending"] == 1


def test_xpending(grouped: RedisCache, call_anyhow: Caller) -> None:
    grouped.xadd("s", {"a": 4}, "4-0")
    grouped.xreadgroup("g", "d", {"s": ">"})
    assert call_anyhow(grouped.xpending, "s", "g") == {
        "pending": 4,
        "min": "1-0",
        "max": "4-0",
        "consumers": [{"name": "c", "pending": 3}, {"name": "d", "pending": 1}],
    }
    grouped.xack("s", "g", "1-0", "2-0", "3-0", "4-0")
    assert call_anyhow(grouped.xpending, key="s", group="g", version=None) == {
        "pending": 0,
        "min": None,
        "max": None,
        "consumers": [],
    }
    assert call_anyhow(grouped.xpending, "s", "g", "-", "+", 10) == []


def test_xpending_of_a_range(grouped: RedisCache, call_anyhow: Caller) -> None:
    grouped.xadd("s", {"a": 4}, "4-0")
    grouped.xreadgroup("g", "d", {"s": ">"})
    found = call_anyhow(grouped.xpending, "s", "g", "-", "+", 10)
    assert [(row["message_id"], row["consumer"], row["times_delivered"]) for row in found] == [
        ("1-0", "c", 1),
        ("2-0", "c", 1),
        ("3-0", "c", 1),
        ("4-0", "d", 1),
    ]
    assert all(row.keys() == found[0].keys() and 0 <= row["time_since_delivered"] < 60_000 for row in found)

    def ids(*args: Any, **kwargs: Any) -> list[str]:
        return [row["message_id"] for row in call_anyhow(grouped.xpending, "s", "g", *args, **kwargs)]

    assert ids("2-0", b"3-0", 10) == ["2-0", "3-0"]
    assert ids("-", "+", 1) == ["1-0"]
    assert ids(start="-", end="+", count=10, consumer="d") == ["4-0"]
    assert ids("-", "+", 10, "c", 0) == ["1-0", "2-0", "3-0"]
    assert ids("-", "+", 10, idle=3_600_000) == []
    assert ids("-", "+", 0) == []


def test_xclaim(grouped: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, ["1-0", b"2-0", "9-9"]) == ENTRIES[:2]
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 3_600_000, ["3-0"]) == []
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, (entry_id for entry_id in ["3-0"])) == ENTRIES[2:]
    assert call_anyhow(grouped.xclaim, "s", "g", "e", 0, "1-0", justid=True) == ["1-0"]
    counts = {row["message_id"]: row["times_delivered"] for row in grouped.xpending("s", "g", "-", "+", 10)}
    assert counts == {"1-0": 2, "2-0": 2, "3-0": 2}


def test_xclaim_with_options(grouped: RedisCache, call_anyhow: Caller) -> None:
    def one() -> dict[str, Any]:
        return grouped.xpending("s", "g", "1-0", "1-0", 1)[0]

    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, ["1-0"], idle=500_000, retrycount=7) == ENTRIES[:1]
    assert (one()["consumer"], one()["times_delivered"]) == ("d", 7)
    assert 500_000 <= one()["time_since_delivered"] < 560_000
    then = int(time.time() * 1000) - 200_000
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, ["1-0"], None, then) == ENTRIES[:1]
    assert 190_000 <= one()["time_since_delivered"] < 260_000
    grouped.xack("s", "g", "1-0")
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, ["1-0"]) == []
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, ["1-0"], force=True, justid=True) == ["1-0"]
    assert one()["consumer"] == "d"


def test_claiming_what_has_been_deleted(grouped: RedisCache, call_anyhow: Caller) -> None:
    grouped.xdel("s", "1-0", "3-0")
    assert call_anyhow(grouped.xclaim, "s", "g", "d", 0, ["1-0", "2-0"]) == ENTRIES[1:2]
    following, found, deleted = call_anyhow(grouped.xautoclaim, "s", "g", "d", 0)
    assert (following, found) == ("0-0", ENTRIES[1:2])
    assert deleted == ["3-0"]


def test_xautoclaim(grouped: RedisCache, call_anyhow: Caller) -> None:
    step = call_anyhow(grouped.xautoclaim, "s", "g", "d", 0, count=2)
    assert step == ("3-0", ENTRIES[:2], [])
    assert type(step) is tuple
    assert call_anyhow(grouped.xautoclaim, "s", "g", "d", 0, step[0]) == ("0-0", ENTRIES[2:], [])
    assert call_anyhow(grouped.xautoclaim, "s", "g", "e", 0, b"2-0", 10, True) == ("0-0", ["2-0", "3-0"], [])
    assert call_anyhow(grouped.xautoclaim, "s", "g", "d", 3_600_000) == ("0-0", [], [])
    with pytest.raises(ResponseError):
        call_anyhow(grouped.xautoclaim, "s", "g", "d", 0, count=0)


# Arguments


@pytest.mark.parametrize(
    ("method", "args", "options"),
    [
        ("xadd", ("s", {}), {}),
        ("xadd", ("s", {"a": 1}), {"maxlen": 1, "minid": "1"}),
        ("xadd", ("s", {"a": 1}), {"limit": 1}),
        ("xadd", ("s", {"a": 1}), {"maxlen": 1, "limit": 1, "approximate": False}),
        ("xtrim", ("s",), {}),
        ("xtrim", ("s",), {"maxlen": 1, "minid": "1"}),
        ("xtrim", ("s",), {"limit": 1}),
        ("xtrim", ("s",), {"minid": "1", "limit": 1, "approximate": False}),
        ("xdel", ("s",), {}),
        ("xread", ({},), {}),
        ("xreadgroup", ("g", "c", {}), {}),
        ("xack", ("s", "g"), {}),
        ("xpending", ("s", "g", "-"), {}),
        ("xpending", ("s", "g", "-", "+"), {}),
        ("xpending", ("s", "g"), {"count": 1}),
        ("xpending", ("s", "g"), {"consumer": "c"}),
        ("xpending", ("s", "g"), {"idle": 0}),
        ("xpending", ("s", "g", "-", None, 1), {"consumer": "c"}),
        ("xclaim", ("s", "g", "c", 0, []), {}),
    ],
)
def test_wrong_values(
    nowhere: RedisCache, call_anyhow: Caller, method: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"needed|exclude|needs|belong"):
        call_anyhow(getattr(nowhere, method), *args, **options)


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("xadd", ("s", [("a", 1)])),
        ("xadd", ("s", {None: 1})),
        ("xadd", ("s", {"a": 1}, None)),
        ("xread", (["s"],)),
        ("xread", ({"s": None},)),
        ("xreadgroup", (None, "c", {"s": ">"})),
        ("xdel", ("s", None)),
        ("xack", ("s", ["g"], "1-0")),
        ("xclaim", ("s", "g", "c", 0, [("1", "0")])),
        ("xgroup_create", ("s", None)),
    ],
)
def test_wrong_types(nowhere: RedisCache, call_anyhow: Caller, method: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        call_anyhow(getattr(nowhere, method), *args)


METHODS: list[tuple[str, tuple[Any, ...]]] = [
    ("xadd", ({"a": 1},)),
    ("xlen", ()),
    ("xrange", ()),
    ("xrevrange", ()),
    ("xtrim", (1,)),
    ("xdel", ("1-0",)),
    ("xinfo_stream", ()),
    ("xinfo_groups", ()),
    ("xinfo_consumers", ("g",)),
    ("xgroup_create", ("g",)),
    ("xgroup_destroy", ("g",)),
    ("xgroup_setid", ("g", "0")),
    ("xgroup_delconsumer", ("g", "c")),
    ("xack", ("g", "1-0")),
    ("xpending", ("g",)),
    ("xclaim", ("g", "c", 0, ["1-0"])),
    ("xautoclaim", ("g", "c", 0)),
]


def test_keys_of_another_type(cache: RedisCache, call_anyhow: Caller) -> None:
    cache.set("k", "v")
    for method, args in METHODS:
        with pytest.raises(WrongTypeError):
            call_anyhow(getattr(cache, method), "k", *args)
    with pytest.raises(WrongTypeError):
        call_anyhow(cache.xread, {"k": "0"})
    with pytest.raises(WrongTypeError):
        call_anyhow(cache.xreadgroup, "g", "c", {"k": ">"})


def test_versions(cache: RedisCache, call_anyhow: Caller) -> None:
    """A group in version 2, of which version 1 knows nothing."""
    for entry_id, fields in ENTRIES:
        assert call_anyhow(cache.xadd, "s", fields, entry_id, version=2) == entry_id
    assert call_anyhow(cache.xgroup_create, "s", "g", "0", version=2) is True
    assert call_anyhow(cache.xread, {"s": "0"}, version=2) == {"s": ENTRIES}
    assert call_anyhow(cache.xreadgroup, "g", "c", {"s": ">"}, version=2) == {"s": ENTRIES}
    assert call_anyhow(cache.xread, {"s": "0"}) is None
    for method, args in METHODS:
        if method not in ("xadd", "xgroup_create", "xgroup_destroy"):
            call_anyhow(getattr(cache, method), "s", *args, version=2)
    assert call_anyhow(cache.xgroup_destroy, "s", "g", version=2) == 1
    assert call_anyhow(cache.has_key, "s") is False


def test_clients_take_made_keys(cache: RedisCache, call: Caller) -> None:
    client, made = cache._cache, cache.make_key("s")
    assert call(client.xadd, made, {"a": 1}, "1-0") == "1-0"
    assert call(client.xread, {made: "0"}) == {made: [("1-0", {"a": 1})]}
    assert call(client.xgroup_create, made, "g", "0") is True
    assert call(client.xreadgroup, "g", "c", {made: ">"}) == {made: [("1-0", {"a": 1})]}
    assert call(client.xack, made, "g", "1-0") == 1
    assert call(cache.xrange, "s") == [("1-0", {"a": 1})]
    with pytest.raises(TypeError, match="version"):
        call(client.xlen, made, version=1)


# Replies


def test_values_that_cannot_be_read(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    made = cache.make_key("s")
    server.command("XADD", made, "1-0", "a", b"\x80not a pickle")
    with pytest.raises(SerializerError):
        call_anyhow(cache.xrange, "s")
    with pytest.raises(SerializerError):
        call_anyhow(cache.xread, {"s": "0"})
    assert call_anyhow(cache.xlen, "s") == 1


def test_fields_that_are_no_text(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("XADD", cache.make_key("s"), "1-0", b"\xff", "1", "a", "2", "a", "3")
    assert call_anyhow(cache.xrange, "s") == [("1-0", {"\udcff": 1, "a": 3})]


def test_replies_of_older_servers() -> None:
    """Redis 6.2: nil for entries that have been deleted, and for no entries at all."""
    assert claimed(int, justid=False)(None) == []
    assert claimed(int, justid=False)([None, [b"1-0", [b"a", b"1"]]]) == [("1-0", {"a": 1})]
    assert claimed(int, justid=True)([b"1-0"]) == ["1-0"]
    assert step(int, justid=False)([b"0-0", [None, [b"1-0", [b"a", b"1"]]]]) == ("0-0", [("1-0", {"a": 1})], [])
    assert step(int, justid=True)([b"2-0", [b"1-0"]]) == ("2-0", ["1-0"], [])


@pytest.mark.parametrize(
    ("reader", "reply"),
    [
        (entries(int), 1),
        (entries(int), [[b"1-0"]]),
        (entries(int), [[b"1-0", [b"a"]]]),
        (entries(int), [[1, []]]),
        (entries(text), [[b"1-0", [b"a", 1]]]),
        (entries(int), [None]),
        (news({"k": "k"}, int), b"OK"),
        (news({"k": "k"}, int), [b"k"]),
        (news({"k": "k"}, int), [[b"k"]]),
        (news({"k": "k"}, int), [b"other", []]),
        (news({"k": "k"}, int), [[b"other", []]]),
        (news({"k": "k"}, int), [[b"k", 1]]),
        (claimed(int, justid=True), [1]),
        (claimed(int, justid=False), [[b"1-0"]]),
        (step(int, justid=False), None),
        (step(int, justid=False), [b"0-0"]),
        (step(int, justid=False), [1, []]),
        (step(int, justid=False), [b"0-0", [], 1]),
        (described(int), None),
        (described(int), [b"length"]),
        (described(int), [1, 1]),
        (described(int), [b"entries", 1]),
        (described(int), [b"groups", [1]]),
        (described(int), [b"first-entry", b"x"]),
        (described(int), [b"x", object()]),
        (summary, None),
        (summary, [0, None, None]),
        (summary, [b"x", None, None, None]),
        (summary, [1, b"1-0", b"1-0", [[b"c"]]]),
        (summary, [1, b"1-0", b"1-0", [[b"c", b"x"]]]),
        (pending, None),
        (pending, [[b"1-0", b"c", 1]]),
        (pending, [[b"1-0", b"c", b"1", 1]]),
    ],
)
def test_replies_that_make_no_sense(reader: Callable[[Any], Any], reply: Any) -> None:
    with pytest.raises(ResponseError, match="unexpected"):
        reader(reply)


def test_bools_are_numbers(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.xrange, "s", count=True) == ENTRIES[:1]
    assert call_anyhow(filled.xrange, "s", count=False) == []
    assert call_anyhow(filled.xtrim, "s", maxlen=True, approximate=False) == 2
    call_anyhow(filled.xadd, "s", {"a": 1}, maxlen=False, approximate=False)
    assert call_anyhow(filled.xlen, "s") == 0


@pytest.mark.one_slot
def test_keys_that_are_made_the_same(filled: RedisCache, call_anyhow: Caller) -> None:
    filled.xadd("1", {"a": 1}, "1-0")
    streams: Any = {1: "9-9", "1": "0"}
    assert call_anyhow(filled.xread, streams) == {"1": [("1-0", {"a": 1})]}
