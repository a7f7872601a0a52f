"""Stored bytes that nothing can read, and values that are too large to be stored."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex import undecodable
from django_cachex.exceptions import SerializerError, ValueTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server


class Text:
    """A serializer whose payloads are as long as they look."""

    def dumps(self, obj: Any) -> str:
        return repr(obj)

    def loads(self, data: bytes) -> Any:
        return "loaded", bytes(data).decode()


def test_on_undecodable_raise(
    cache: RedisCache, make_cache: Callable[..., RedisCache], server: Server, call: Caller
) -> None:
    server.command("SET", cache.make_key("k"), "garbage")
    for method, args in [(cache.get, ("k",)), (cache.get_or_set, ("k", 1)), (cache.get_many, (["k"],))]:
        with pytest.raises(SerializerError, match="no configured serializer can read"):
            call(method, *args)  # type: ignore[arg-type]
    with pytest.raises(ImproperlyConfigured, match="'on_undecodable'"):
        make_cache(OPTIONS={"on_undecodable": "ignore"})


def test_on_undecodable_miss(
    make_cache: Callable[..., RedisCache],
    server: Server,
    call: Caller,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undecodable, "_reported", -1e9)
    cache = make_cache(OPTIONS={"on_undecodable": "miss"})
    call(cache.set, "good", 1)
    server.command("SET", cache.make_key("bad"), "garbage")
    before = undecodable.total()
    with caplog.at_level(logging.WARNING, "django_cachex"):
        assert call(cache.get, "bad") is None
        assert call(cache.get, "bad", "default") == "default"
        assert call(cache.get_many, ["bad", "good"]) == {"good": 1}
        assert call(cache.get_or_set, "bad", lambda: "made") == "made"
    assert undecodable.total() - before == 5
    assert [(record.name, record.levelname) for record in caplog.records] == [("django_cachex", "WARNING")]
    assert "garbage" not in caplog.text
    assert call(cache.has_key, "bad") is True
    with pytest.raises(SerializerError):
        cache.decode(b"garbage")


@pytest.mark.standalone("counts the bytes that one server received")
def test_max_value_size(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(OPTIONS={"serializer": Text, "max_value_size": 1000})
    call(cache.set, "k", "a" * 998)  # two quotes
    sent = int(server.info("stats")["total_net_input_bytes"])
    for size in (999, 1000, 10_000, 1_000_000):
        for method, *args in [(cache.set, "k"), (cache.add, "l"), (cache.get_or_set, "l")]:
            with pytest.raises(ValueTooLargeError, match=r"max_value_size \(1000\)") as caught:
                call(method, *args, "a" * size)
            assert isinstance(caught.value, ValueError)
        with pytest.raises(ValueTooLargeError):
            call(cache.set_many, {"k": 1, "l": "a" * size}, 10)
        with pytest.raises(ValueTooLargeError):
            call(cache.set_many, {"k": 1, "l": "a" * size}, None)
    assert int(server.info("stats")["total_net_input_bytes"]) - sent < 2000, "nothing was sent"
    assert call(cache.get, "k") == ("loaded", repr("a" * 998))


def test_no_max_value_size(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache(OPTIONS={"max_value_size": None, "socket_timeout": 20, "operation_timeout": 30})
    value = b"x" * (65 * 1024 * 1024)
    with pytest.raises(ValueTooLargeError):
        call(make_cache().set, "k", value)
    call(cache.set, "k", value, 5)
    assert call(cache.get, "k") == value
    call(cache.delete, "k")


def test_keys_are_no_values(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache(OPTIONS={"max_value_size": 50})
    keys = [f"{{x}}{number}{'k' * 60}" for number in range(3)]
    call(cache.set, keys[0], 1)
    call(cache.set_many, {keys[1]: 2}, None)
    assert call(cache.get_many, keys) == {keys[0]: 1, keys[1]: 2}
    assert call(cache.ttl, keys[1]) is None
    assert call(cache.rename, keys[1], keys[2]) is True
    assert call(cache.sadd, keys[1], 1) == 1
    assert call(cache.sunion, keys[1:2]) == {1}
    assert call(cache.delete_many, keys) == 3
    p: Any = cache.apipeline() if call.is_async else cache.pipeline()
    p.set(keys[0], 1).touch(keys[0], 10).delete(keys[0])
    assert (call.run(p.execute()) if call.is_async else p.execute()) == [True, True, True]
    with pytest.raises(ValueTooLargeError):
        call(cache.sadd, keys[1], "v" * 60)
