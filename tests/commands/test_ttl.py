"""Time to live: durations and moments of every kind, down to the millisecond."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

FAR = 4_000_000_000
SOON_MS = 2000


def pttl(cache: RedisCache, server: Server) -> int:
    left = server.command("PTTL", cache.make_key("k"))
    assert isinstance(left, int)
    return left


def expires_at(cache: RedisCache, server: Server) -> int:
    """The moment of expiry in ms, as the server has it."""
    moment = server.command("PEXPIRETIME", cache.make_key("k"))
    assert isinstance(moment, int)
    return moment


def test_reading(cache: RedisCache, call: Caller) -> None:
    for method in (cache.ttl, cache.pttl, cache.expiretime):
        assert call(method, "k") == -2
    call(cache.set, "k", 1, None)
    for method in (cache.ttl, cache.pttl, cache.expiretime):
        assert call(method, "k") is None
    call(cache.set, "k", 1, 100)
    assert call(cache.ttl, "k") in (99, 100)
    assert 95_000 < call(cache.pttl, "k") <= 100_000
    assert abs(call(cache.expiretime, "k") - (time.time() + 100)) < 5
    for method in (cache.ttl, cache.pttl, cache.expiretime):
        assert type(call(method, "k")) is int
        assert call(method, "k", version=2) == -2
        assert call(method, key="k", version=None) > 90


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (100, 100_000),
        (100.0, 100_000),
        (100.25, 100_250),
        (100.0009, 100_000),
        (timedelta(seconds=100), 100_000),
        (timedelta(minutes=1, milliseconds=1), 60_001),
        (timedelta(seconds=100, microseconds=999), 100_000),
        (10**9, 10**12),
    ],
    ids=str,
)
def test_expire(cache: RedisCache, server: Server, call: Caller, timeout: Any, expected: int) -> None:
    assert call(cache.expire, "k", timeout) is False
    call(cache.set, "k", 1, None)
    assert call(cache.expire, "k", timeout) is True
    assert expected - SOON_MS < pttl(cache, server) <= expected


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (90_001, 90_001),
        (90_001.9, 90_001),
        (timedelta(seconds=90, milliseconds=1), 90_001),
        (timedelta(days=1), 86_400_000),
    ],
    ids=str,
)
def test_pexpire(cache: RedisCache, server: Server, call: Caller, timeout: Any, expected: int) -> None:
    assert call(cache.pexpire, "k", timeout) is False
    call(cache.set, "k", 1, None)
    assert call(cache.pexpire, "k", timeout) is True
    assert expected - SOON_MS < pttl(cache, server) <= expected


WHEN = datetime(2090, 5, 6, 7, 8, 9, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (FAR, FAR * 1000),
        (float(FAR), FAR * 1000),
        (FAR + 0.001, FAR * 1000 + 1),
        (FAR + 0.29, FAR * 1000 + 290),
        (WHEN, int(WHEN.replace(microsecond=0).timestamp()) * 1000 + 123),
        (WHEN.astimezone(timezone(timedelta(hours=5, minutes=30))), int(WHEN.timestamp()) * 1000 + 123),
        (WHEN.astimezone().replace(tzinfo=None), int(WHEN.timestamp()) * 1000 + 123),
        (WHEN.replace(microsecond=0), int(WHEN.timestamp()) * 1000),
    ],
    ids=str,
)
def test_expireat(cache: RedisCache, server: Server, call: Caller, when: Any, expected: int) -> None:
    assert call(cache.expireat, "k", when) is False
    call(cache.set, "k", 1, None)
    assert call(cache.expireat, "k", when) is True
    assert expires_at(cache, server) == expected
    assert call(cache.expiretime, "k") in (expected // 1000, (expected + 500) // 1000)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (FAR * 1000 + 7, FAR * 1000 + 7),
        (FAR * 1000 + 7.9, FAR * 1000 + 7),
        (WHEN, int(WHEN.timestamp()) * 1000 + 123),
        (WHEN.astimezone().replace(tzinfo=None), int(WHEN.timestamp()) * 1000 + 123),
    ],
    ids=str,
)
def test_pexpireat(cache: RedisCache, server: Server, call: Caller, when: Any, expected: int) -> None:
    assert call(cache.pexpireat, "k", when) is False
    call(cache.set, "k", 1, None)
    assert call(cache.pexpireat, "k", when) is True
    assert expires_at(cache, server) == expected


@pytest.mark.parametrize(
    "timeout",
    [0, -1, -0.5, 0.0001, timedelta(0), timedelta(seconds=-1), timedelta.min, -(10**18), -(2**63), -(10**30), -1e306],
    ids=str,
)
@pytest.mark.parametrize("method", ["expire", "pexpire"])
def test_no_time_left(cache: RedisCache, call: Caller, method: str, timeout: Any) -> None:
    assert call(getattr(cache, method), "k", timeout) is False
    call(cache.set, "k", 1)
    assert call(getattr(cache, method), "k", timeout) is True
    assert call(cache.has_key, "k") is False


@pytest.mark.parametrize(
    "when",
    [
        *(1, 1.5, 0, -1, -(10**30), -1e306),
        *(datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 1, 1), datetime.min, datetime.min.replace(tzinfo=UTC)),  # noqa: DTZ001, DTZ901
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["expireat", "pexpireat"])
def test_moments_in_the_past(cache: RedisCache, call: Caller, method: str, when: Any) -> None:
    assert call(getattr(cache, method), "k", when) is False
    call(cache.set, "k", 1)
    assert call(getattr(cache, method), "k", when) is True
    assert call(cache.has_key, "k") is False


@pytest.mark.parametrize("method", ["expire", "pexpire", "expireat", "pexpireat"])
@pytest.mark.parametrize("value", [None, "10", True, b"5", [], object()], ids=lambda value: type(value).__name__)
def test_no_time_at_all(cache: RedisCache, call: Caller, method: str, value: Any) -> None:
    call(cache.set, "k", 1, None)
    with pytest.raises(TypeError):
        call(getattr(cache, method), "k", value)
    assert call(cache.ttl, "k") is None


@pytest.mark.parametrize("method", ["expire", "pexpire", "expireat", "pexpireat"])
def test_time_without_measure(cache: RedisCache, call: Caller, method: str) -> None:
    call(cache.set, "k", 1, None)
    for value in (float("inf"), float("-inf"), float("nan")):
        with pytest.raises(ValueError, match="finite"):
            call(getattr(cache, method), "k", value)
    for value in (10**30, 2**63):
        with pytest.raises(ResponseError, match=r"^ERR (value is not an integer|invalid expire time)"):
            call(getattr(cache, method), "k", value)
    assert call(cache.ttl, "k") is None


def test_durations_are_no_moments(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", 1, None)
    for method, value in [
        (cache.expire, datetime.now(UTC)),
        (cache.pexpire, datetime.now(UTC)),
        (cache.expireat, timedelta(seconds=1)),
        (cache.pexpireat, timedelta(seconds=1)),
    ]:
        with pytest.raises(TypeError):
            call(method, "k", value)


def test_persist(cache: RedisCache, call: Caller) -> None:
    assert call(cache.persist, "k") is False
    call(cache.set, "k", 1, 100)
    assert call(cache.persist, "k") is True
    assert call(cache.ttl, "k") is None
    assert call(cache.persist, "k") is False


def test_versions_and_keywords(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", 1, None, version=2)
    assert call(cache.expire, key="k", timeout=50, version=2) is True
    assert call(cache.pexpire, "k", 50_000, 2) is True
    assert call(cache.expireat, key="k", when=FAR, version=2) is True
    assert call(cache.pexpireat, "k", FAR * 1000, 2) is True
    assert call(cache.ttl, "k", 2) > 10**6
    assert call(cache.persist, "k", version=2) is True
    assert call(cache.expire, "k", 50) is False


def test_keys_of_any_type(cache: RedisCache, server: Server, call: Caller) -> None:
    server.command("RPUSH", cache.make_key("k"), "a")
    assert call(cache.expire, "k", 50) is True
    assert call(cache.ttl, "k") in (49, 50)
    assert call(cache.persist, "k") is True
