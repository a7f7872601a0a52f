"""Finding, renaming and deleting keys."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex import KeyType
from django_cachex.exceptions import KeyNotFoundError, NotSupportedError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server


def fill(cache: RedisCache, call: Caller, count: int, prefix: str = "") -> set[str]:
    data = {f"{prefix}{number}": number for number in range(count)}
    call(cache.set_many, data)
    return set(data)


def test_keys(cache: RedisCache, call: Caller) -> None:
    assert call(cache.keys) == []
    call(cache.set_many, {"user:1": 1, "user:2": 2, "other": 3})
    call(cache.set, "user:1", 4, version=2)
    found = call(cache.keys)
    assert sorted(found) == ["other", "user:1", "user:2"]
    assert [type(key) for key in found] == [str] * 3
    assert sorted(call(cache.keys, "user:*")) == ["user:1", "user:2"]
    assert call(cache.keys, pattern="user:*", version=2) == ["user:1"]
    assert call(cache.keys, "nothing*") == []


def test_iter_keys(cache: RedisCache, call: Caller) -> None:
    assert call(cache.iter_keys) == []
    names = fill(cache, call, 300)
    assert set(call(cache.iter_keys)) == names
    assert set(call(cache.iter_keys, itersize=7)) == names
    assert set(call(cache.iter_keys, "1*", None, 50)) == {name for name in names if name.startswith("1")}
    assert call(cache.iter_keys, version=2) == []


def test_iter_keys_is_lazy(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache("redis://127.0.0.1:1")
    assert inspect.isgeneratorfunction(cache.iter_keys)
    assert inspect.isasyncgenfunction(cache.aiter_keys)
    if not call.is_async:
        cache.iter_keys("*").close()

    async def started() -> None:
        await cache.aiter_keys("*").aclose()

    call.run(started())


def test_leaving_early(cache: RedisCache, call: Caller) -> None:
    names = fill(cache, call, 100)

    async def some() -> list[str]:
        found: list[str] = []
        async for key in cache.aiter_keys(itersize=10):
            found.append(key)
            if len(found) == 3:
                break
        return found

    found = (
        call.run(some())
        if call.is_async
        else [key for key, _ in zip(cache.iter_keys(itersize=10), "abc", strict=False)]
    )
    assert len(found) == 3
    assert set(found) <= names
    assert call(cache.get, found[0]) == int(found[0])


def test_changing_what_is_walked(cache: RedisCache, call: Caller) -> None:
    names = fill(cache, call, 200)

    async def walk() -> set[str]:
        found = set()
        async for key in cache.aiter_keys(itersize=5):
            found.add(key)
            await cache.adelete(key)
        return found

    def walk_here() -> set[str]:
        found = set()
        for key in cache.iter_keys(itersize=5):
            found.add(key)
            cache.delete(key)
        return found

    assert (call.run(walk()) if call.is_async else walk_here()) == names
    assert call(cache.keys) == []


@pytest.mark.standalone("walks a database of its own, step by step; see tests/cluster for several servers")
def test_scan(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(server.url_for(db=9))
    assert call(cache.scan) == (0, [])
    names = fill(cache, call, 500)
    found: list[str] = []
    cursor, steps = 0, 0
    while True:
        cursor, page = call(cache.scan, cursor, "*", 20)
        assert (type(cursor), type(page)) == (int, list)
        found += page
        steps += 1
        if not cursor:
            break
    assert set(found) == names
    assert 5 < steps < 100
    cursor, page = call(cache.scan, cursor=0, pattern="1*", count=10_000, version=None, key_type=None)
    assert (cursor, set(page)) == (0, {name for name in names if name.startswith("1")})
    assert call(cache.clear_all_versions) == 500


@pytest.mark.standalone("walks a database of its own, step by step; see tests/cluster for several servers")
def test_scan_by_type(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(server.url_for(db=9))
    call(cache.set, "s", 1)
    with server.client() as control:
        control("SELECT", 9)
        control("RPUSH", cache.make_key("l"), "a")
    for key_type in (KeyType.LIST, "list", "LIST"):
        assert call(cache.scan, 0, "*", 10_000, None, key_type) == (0, ["l"])
    assert call(cache.scan, count=10_000, key_type=KeyType.STRING) == (0, ["s"])
    assert call(cache.scan, count=10_000, key_type=KeyType.ZSET) == (0, [])
    call(cache.clear)


def test_bad_steps(cache: RedisCache, call: Caller) -> None:
    with pytest.raises(ResponseError, match="syntax error"):
        call(cache.scan, count=0)
    with pytest.raises(ResponseError, match="invalid cursor"):
        call(cache.scan, "x")
    with pytest.raises(ResponseError):
        call(cache.delete_pattern, "*", itersize=-1)


def test_delete_pattern(cache: RedisCache, call: Caller) -> None:
    assert call(cache.delete_pattern, "*") == 0
    fill(cache, call, 250, "a-")
    fill(cache, call, 50, "b-")
    call(cache.set, "a-1", 1, version=2)
    assert call(cache.delete_pattern, "a-*", itersize=40) == 250
    assert len(call(cache.keys)) == 50
    assert call(cache.delete_pattern, "a-*", 2) == 1
    assert call(cache.delete_pattern, pattern="b-1?", version=None) == 10
    assert call(cache.delete_pattern, "*") == 40


def test_clear_all_versions(cache: RedisCache, make_cache: Callable[..., RedisCache], call: Caller) -> None:
    other = make_cache(KEY_PREFIX=cache.key_prefix + "-other")
    call(other.set, "k", 1)
    assert call(cache.clear_all_versions) == 0
    for version in (1, 2, 30, -4):
        call(cache.set, "k", version, version=version)
        call(cache.set, "l", version, version=version)
    assert call(cache.clear_all_versions, itersize=3) == 8
    assert call(other.get, "k") == 1


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("SET", "k", "1"), KeyType.STRING),
        (("RPUSH", "k", "a"), KeyType.LIST),
        (("SADD", "k", "a"), KeyType.SET),
        (("HSET", "k", "f", "v"), KeyType.HASH),
        (("ZADD", "k", "1", "a"), KeyType.ZSET),
        (("XADD", "k", "*", "f", "v"), KeyType.STREAM),
    ],
)
def test_type(cache: RedisCache, server: Server, call: Caller, command: tuple[str, ...], expected: KeyType) -> None:
    assert call(cache.type, "k") is None
    server.command(command[0], cache.make_key("k"), *command[2:])
    found = call(cache.type, "k")
    assert found is expected
    assert found == expected.value
    assert call(cache.type, "k", version=2) is None


# rename


@pytest.mark.one_slot
def test_rename(cache: RedisCache, server: Server, call: Caller) -> None:
    call(cache.set, "a", 1, 100)
    call(cache.set, "b", 2, None)
    assert call(cache.rename, "a", "b") is True
    assert call(cache.get_many, ["a", "b"]) == {"b": 1}
    assert 90 < call(cache.ttl, "b") <= 100
    assert call(cache.rename, "b", "b") is True
    server.command("RPUSH", cache.make_key("list"), "x")
    assert call(cache.rename, "list", "b") is True
    assert call(cache.type, "b") == "list"


@pytest.mark.one_slot
def test_renamenx(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "a", 1, 100)
    call(cache.set, "b", 2)
    assert call(cache.renamenx, "a", "b") is False
    assert call(cache.get_many, ["a", "b"]) == {"a": 1, "b": 2}
    assert call(cache.renamenx, "a", "c") is True
    assert call(cache.get_many, ["a", "c"]) == {"c": 1}
    assert call(cache.ttl, "c") > 90


@pytest.mark.one_slot
@pytest.mark.parametrize("method", ["rename", "renamenx"])
def test_renaming_nothing(cache: RedisCache, call: Caller, method: str) -> None:
    call(cache.set, "b", 2)
    with pytest.raises(KeyNotFoundError, match="not found") as caught:
        call(getattr(cache, method), "a", "b")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value.__cause__, ResponseError)
    assert call(cache.get, "b") == 2


@pytest.mark.one_slot
@pytest.mark.parametrize("method", ["rename", "renamenx"])
@pytest.mark.parametrize(
    ("versions", "src", "dst"),
    [
        ({}, 1, 1),
        ({"version": 2}, 2, 2),
        ({"version_src": 2}, 2, 1),
        ({"version_dst": 2}, 1, 2),
        ({"version": 3, "version_src": 2}, 2, 3),
        ({"version": 3, "version_dst": 2}, 3, 2),
        ({"version_src": 4, "version_dst": 5}, 4, 5),
        ({"version": 3, "version_src": 4, "version_dst": 5}, 4, 5),
    ],
    ids=str,
)
def test_versions_of_a_rename(
    cache: RedisCache, call: Caller, method: str, versions: dict[str, int], src: int, dst: int
) -> None:
    call(cache.set, "a", "v", version=src)
    assert call(getattr(cache, method), "a", "b", **versions) is True
    assert call(cache.get, "b", version=dst) == "v"
    assert call(cache.has_key, "a", version=src) is False


@pytest.mark.parametrize("version", ["beta", 1.5, True, "2024-01", "a:b", -1, 0], ids=repr)
def test_versions_of_any_kind(cache: RedisCache, call: Caller, version: Any) -> None:
    call(cache.set_many, {"k:1": 1, "other": 2}, version=version)
    assert call(cache.keys, "k*", version=version) == ["k:1"]
    assert sorted(call(cache.iter_keys, version=version)) == ["k:1", "other"]
    cursor, found = call(cache.scan, 0, count=1000, version=version)
    while cursor:
        cursor, more = call(cache.scan, cursor, count=1000, version=version)
        found += more
    assert sorted(found) == ["k:1", "other"]
    assert call(cache.keys) == []
    if ":" not in str(version):
        assert cache.reverse_key(cache.make_key("k:1", version)) == "k:1"


def by_name(key: str, prefix: str, version: int) -> str:
    return f"{prefix}:{ {1: 'one', 2: 'two'}[version] }:{key}"


def in_hex(key: str, prefix: str, version: int) -> str:
    return f"{prefix}|{version:04x}|{key}"


def without_version(key: str, prefix: str, version: int) -> str:
    return f"{key}@{prefix}"


def twice(key: str, prefix: str, version: int) -> str:
    return f"{{{key}}}:{prefix}:{version}:{key}"


def lower(key: str, prefix: str, version: int) -> str:
    return f"{prefix}:{version}:{key.lower()}"


@pytest.mark.parametrize("key_function", [by_name, in_hex, without_version])
def test_key_functions_that_keep_the_key(
    make_cache: Callable[..., RedisCache], call: Caller, key_function: Callable[..., str]
) -> None:
    cache = make_cache(KEY_FUNCTION=key_function)
    call(cache.set, "Key:1", 1)
    assert call(cache.keys, "Key*") == ["Key:1"]
    assert call(cache.iter_keys) == ["Key:1"]
    assert cache.reverse_key(cache.make_key("Key:1")) == "Key:1"
    if key_function is without_version:
        assert call(cache.clear_all_versions) == 1
    else:
        # How other versions are written cannot be told.
        with pytest.raises(NotSupportedError, match="clear_all_versions"):
            call(cache.clear_all_versions)
    assert call(cache.delete_pattern, "K*") == (key_function is not without_version)


@pytest.mark.parametrize("key_function", [twice, lower])
def test_key_functions_that_do_not(
    make_cache: Callable[..., RedisCache], call: Caller, key_function: Callable[..., str]
) -> None:
    cache = make_cache(KEY_FUNCTION=key_function)
    call(cache.set, "Key", 1)
    for method in (cache.keys, cache.delete_pattern):
        with pytest.raises(NotSupportedError):
            call(method, "*")
    with pytest.raises(NotSupportedError):
        call(cache.clear_all_versions)
    assert cache.reverse_key(cache.make_key("Key")) == cache.make_key("Key")
    assert call(cache.get, "Key") == 1


def test_keys_of_other_layouts_come_back_unchanged(make_cache: Callable[..., RedisCache]) -> None:
    plain = make_cache(KEY_PREFIX="p")
    for key in ("", "k", "p", "p:", "p:1", "q:1:k", "1:k"):
        assert plain.reverse_key(key) == key
    assert plain.reverse_key("p:7:k") == plain.reverse_key("p:1:k") == "k"
    close = make_cache(KEY_FUNCTION=lambda key, prefix, version: f"{version}{key}")
    assert close.reverse_key("1k") == close.reverse_key("7k") == "k"
    assert close.reverse_key("k") == "k"
    assert close.reverse_key("abc") == "abc"
