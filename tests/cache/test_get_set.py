"""get, set, add, touch, delete, has_key: every argument, result and edge."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import PickleSerializerError, ResponseError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**64,
    10**40,
    0.1,
    float("inf"),
    "",
    "text",
    "12",
    "naïve ☃ \x00\r\n",
    b"",
    b"12",
    b"\x80\x04\x95\r\n\x00",
    (1, "a", None),
    [1, [2, [3]]],
    {"a": {1: (2,)}},
    {1, 2},
    frozenset({"x"}),
    Decimal("1.10"),
    datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "x" * 300_000,
    b"\r\n" * 40_000,
]

# What a cache takes for "not any more": fractions are cut off.
GONE: list[Any] = [0, -1, -100, 0.0, 0.9, -0.5]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_round_trip(cache: RedisCache, call: Caller, value: Any) -> None:
    assert call(cache.set, "k", value) is None
    found = call(cache.get, "k")
    assert found == value
    assert type(found) is type(value)


def test_get_of_nothing(cache: RedisCache, call: Caller) -> None:
    missing = object()
    assert call(cache.get, "k") is None
    assert call(cache.get, "k", 7) == 7
    assert call(cache.get, "k", default=missing) is missing
    call(cache.set, "k", None)
    assert call(cache.get, "k", missing) is None, "a stored None is a value"


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [(None, None), (10, 10), (10.9, 10), (1.2, 1), (True, 1), ("default", 300), (10**9, 10**9)],
)
@pytest.mark.parametrize("method", ["set", "add", "set_many"])
def test_timeouts(cache: RedisCache, call: Caller, method: str, timeout: Any, expected: int | None) -> None:
    args: list[Any] = [{"k": 1}] if method == "set_many" else ["k", 1]
    call(getattr(cache, method), *args, *([] if timeout == "default" else [timeout]))
    left = call(cache.ttl, "k")
    assert left == expected or (expected is not None and expected - 1 <= left <= expected)


def test_the_default_timeout_is_read_anew(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache(TIMEOUT=None)
    call(cache.set, "k", 1)
    assert call(cache.ttl, "k") is None
    cache.default_timeout = 50
    call(cache.set, "k", 1)
    assert 49 <= call(cache.ttl, "k") <= 50
    cache.default_timeout = 0
    call(cache.set, "k", 1)
    assert call(cache.get, "k") is None


@pytest.mark.parametrize("timeout", GONE)
def test_set_that_expires_at_once(cache: RedisCache, call: Caller, timeout: float) -> None:
    call(cache.set, "k", 1)
    assert call(cache.set, "k", 2, timeout) is None
    assert call(cache.has_key, "k") is False
    assert call(cache.set, "k", 2, timeout=timeout) is None, "also if there is nothing to delete"


def test_a_timeout_of_no_type(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", 1)
    for method in (cache.set, cache.add):
        with pytest.raises(ValueError, match="soon"):
            call(method, "k", 2, timeout="soon")
    with pytest.raises(TypeError):
        call(cache.touch, "k", timeout=[])
    assert call(cache.get, "k") == 1


@pytest.mark.parametrize(
    "timeout",
    [2**63 - 1, 2**63, 10**30],
)
def test_timeouts_beyond_the_server_s(cache: RedisCache, call: Caller, timeout: int) -> None:
    call(cache.set, "k", 1, 100)
    calls: list[tuple[Any, ...]] = [
        (cache.set, "k", 2),
        (cache.add, "new", 2),
        (cache.touch, "k"),
        (cache.set_many, {"k": 2}),
        (cache.get_or_set, "new", 2),
    ]
    for method, *args in calls:
        with pytest.raises(ResponseError, match=r"^ERR (invalid expire time|value is not an integer)"):
            call(method, *args, timeout)
    with pytest.raises(ResponseError):
        call(cache.set, "k", 2, timeout, xx=True)
    assert call(cache.get_many, ["k", "new"]) == {"k": 1}


def test_encoding_comes_first(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", 1)
    for timeout in (None, 10, 0):
        for method in (cache.set, cache.add):
            with pytest.raises(PickleSerializerError):
                call(method, "k", lambda: None, timeout)
        with pytest.raises(PickleSerializerError):
            call(cache.set_many, {"k": 2, "other": lambda: None}, timeout)
    assert call(cache.get, "k") == 1


# set with flags


def test_nx(cache: RedisCache, call: Caller) -> None:
    assert call(cache.set, "k", 1, 100, nx=True) is True
    assert call(cache.set, "k", 2, 5, nx=True) is False
    assert call(cache.get, "k") == 1
    assert call(cache.ttl, "k") > 90, "a refusal leaves the expiry alone"


def test_xx(cache: RedisCache, call: Caller) -> None:
    assert call(cache.set, "k", 1, xx=True) is False
    assert call(cache.has_key, "k") is False
    call(cache.set, "k", 1, 100)
    assert call(cache.set, "k", 2, None, xx=True) is True
    assert call(cache.get, "k") == 2
    assert call(cache.ttl, "k") is None, "the expiry is replaced"


def test_get_flag(cache: RedisCache, call: Caller) -> None:
    assert call(cache.set, "k", {"a": 1}, get=True) is None
    assert call(cache.set, "k", 5, get=True) == {"a": 1}
    assert call(cache.set, "k", None, get=True) == 5
    assert call(cache.set, "k", 6, xx=True, get=True) is None, "the None that was stored"
    assert call(cache.set, "other", 6, xx=True, get=True) is None
    assert call(cache.has_key, "other") is False


def test_nx_with_get(cache: RedisCache, call: Caller) -> None:
    assert call(cache.set, "k", 1, nx=True, get=True) is None
    assert call(cache.set, "k", 2, nx=True, get=True) == 1
    assert call(cache.get, "k") == 1


def test_nx_excludes_xx(cache: RedisCache, call: Caller) -> None:
    with pytest.raises(ValueError, match="nx and xx"):
        call(cache.set, "k", 1, nx=True, xx=True)
    with pytest.raises(ValueError, match="nx and xx"):
        call(cache.set, "k", 1, 0, nx=True, xx=True, get=True)
    assert call(cache.has_key, "k") is False


def test_flags_are_keywords(cache: RedisCache, call: Caller) -> None:
    with pytest.raises(TypeError):
        call(cache.set, "k", 1, None, None, 1)


@pytest.mark.parametrize("timeout", GONE)
def test_flags_with_a_timeout_that_is_over(cache: RedisCache, call: Caller, timeout: float) -> None:
    assert call(cache.set, "k", 1, timeout, nx=True) is True
    assert call(cache.has_key, "k") is False
    assert call(cache.set, "k", 1, timeout, xx=True) is False
    assert call(cache.set, "k", 1, timeout, get=True) is None
    assert call(cache.set, "k", 1, timeout, nx=True, get=True) is None
    assert call(cache.set, "k", 1, timeout, xx=True, get=True) is None
    assert call(cache.has_key, "k") is False

    call(cache.set, "k", "kept", 100)
    assert call(cache.set, "k", 2, timeout, nx=True) is False
    assert call(cache.set, "k", 2, timeout, nx=True, get=True) == "kept"
    assert call(cache.get, "k") == "kept"
    assert call(cache.ttl, "k") > 90
    assert call(cache.set, "k", 2, timeout, xx=True) is True
    assert call(cache.has_key, "k") is False
    call(cache.set, "k", "old")
    assert call(cache.set, "k", 2, timeout, get=True) == "old"
    assert call(cache.has_key, "k") is False
    call(cache.set, "k", "old")
    assert call(cache.set, "k", 2, timeout, xx=True, get=True) == "old"
    assert call(cache.has_key, "k") is False


@pytest.mark.parametrize("flags", [{"get": True}, {"get": True, "nx": True}, {"get": True, "xx": True}])
@pytest.mark.parametrize("timeout", [None, 10, 0])
def test_get_flag_on_another_type(
    cache: RedisCache, server: Server, call: Caller, flags: dict[str, bool], timeout: int | None
) -> None:
    made = cache.make_key("k")
    server.command("RPUSH", made, "a")
    with pytest.raises(WrongTypeError, match=r"^WRONGTYPE "):
        call(cache.set, "k", 1, timeout, **flags)
    assert server.command("TYPE", made) == "list"


# any type of key


def test_what_works_on_any_type(cache: RedisCache, server: Server, call: Caller) -> None:
    made = cache.make_key("k")

    def hold_a_list() -> None:
        server.command("DEL", made)
        server.command("RPUSH", made, "a")

    hold_a_list()
    assert call(cache.has_key, "k") is True
    assert call(cache.touch, "k", 100) is True
    assert call(cache.touch, "k", None) is True
    assert call(cache.add, "k", 1) is False
    assert call(cache.add, "k", 1, 0) is False
    assert call(cache.get_many, ["k"]) == {}
    assert call(cache.set, "k", 1) is None
    assert call(cache.get, "k") == 1
    hold_a_list()
    call(cache.set_many, {"k": 2})
    assert call(cache.get, "k") == 2
    hold_a_list()
    assert call(cache.delete, "k") is True
    hold_a_list()
    assert call(cache.delete_many, ["k"]) == 1
    hold_a_list()
    with pytest.raises(WrongTypeError, match=r"^WRONGTYPE .*\(GET at 127\.0\.0\.1:\d+\)$"):
        call(cache.get, "k")


# add


def test_add(cache: RedisCache, call: Caller) -> None:
    assert call(cache.add, "k", 1, 100) is True
    assert call(cache.add, "k", 2, 5) is False
    assert call(cache.get, "k") == 1
    assert call(cache.ttl, "k") > 90
    assert call(cache.add, "for-ever", 1, None) is True
    assert call(cache.ttl, "for-ever") is None


@pytest.mark.parametrize("timeout", GONE)
def test_add_that_expires_at_once(cache: RedisCache, call: Caller, timeout: float) -> None:
    assert call(cache.add, "k", 1, timeout) is True
    assert call(cache.has_key, "k") is False
    call(cache.set, "k", 1)
    assert call(cache.add, "k", 2, timeout) is False
    assert call(cache.get, "k") == 1


# touch


def test_touch(cache: RedisCache, call: Caller) -> None:
    assert call(cache.touch, "k") is False
    assert call(cache.touch, "k", None) is False
    assert call(cache.touch, "k", 0) is False
    call(cache.set, "k", 1, 10)
    assert call(cache.touch, "k", 500) is True
    assert call(cache.ttl, "k") > 490
    assert call(cache.touch, "k") is True
    assert 290 < call(cache.ttl, "k") <= 300
    assert call(cache.touch, "k", 60.9) is True
    assert 59 <= call(cache.ttl, "k") <= 60
    assert call(cache.touch, "k", timeout=None) is True
    assert call(cache.ttl, "k") is None
    assert call(cache.touch, "k", None) is True, "also if there was no expiry"
    assert call(cache.get, "k") == 1


@pytest.mark.parametrize("timeout", GONE)
def test_touch_that_expires_at_once(cache: RedisCache, call: Caller, timeout: float) -> None:
    call(cache.set, "k", 1)
    assert call(cache.touch, "k", timeout) is True
    assert call(cache.has_key, "k") is False


# delete, has_key, in, clear


def test_delete(cache: RedisCache, call: Caller) -> None:
    assert call(cache.delete, "k") is False
    call(cache.set, "k", 1)
    assert call(cache.delete, "k") is True
    assert call(cache.get, "k") is None


def test_has_key(cache: RedisCache, call: Caller) -> None:
    assert call(cache.has_key, "k") is False
    call(cache.set, "k", None)
    assert call(cache.has_key, "k") is True
    assert "k" in cache
    assert "other" not in cache


def test_versions(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", "two", version=2)
    assert call(cache.get, "k") is None
    assert call(cache.get, "k", version=2) == "two"
    assert call(cache.has_key, "k", 2) is True
    assert call(cache.add, "k", "again", None, 2) is False
    assert call(cache.touch, "k", 100, version=2) is True
    assert call(cache.touch, "k", 100) is False
    assert call(cache.delete, "k") is False
    assert call(cache.delete, "k", version=2) is True
    cache.version = 2
    call(cache.set, "k", 3)
    assert call(cache.get, "k", version=1) is None
    assert call(cache.get, "k", version=2) == 3


@pytest.mark.standalone("a cluster has one database")
def test_clear_empties_the_whole_database(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(server.url_for(db=7))
    other = make_cache(server.url_for(db=7), KEY_PREFIX="other")
    elsewhere = make_cache(server.url_for(db=8), KEY_PREFIX="other")
    for each in (cache, other, elsewhere):
        call(each.set, "k", 1)
    assert call(cache.clear) is True
    assert call(other.get, "k") is None
    assert call(elsewhere.get, "k") == 1
    assert call(cache.clear) is True, "also if it is empty"
    assert call(elsewhere.flush_db) is True
    assert call(elsewhere.get, "k") is None


def test_close_drops_nothing(cache: RedisCache, server: Server, call: Caller) -> None:
    call(cache.set, "k", 1)
    opened = server.opened()
    for _ in range(3):
        assert call(cache.close) is None
        assert call(cache.close, signal="request_finished", sender=None) is None
        assert call(cache._cache.close) is None
        assert call(cache.get, "k") == 1
    assert server.opened() == opened
