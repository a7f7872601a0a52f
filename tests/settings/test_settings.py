"""`Settings.of`: one object per configuration, found by value."""

from __future__ import annotations

import asyncio
import gc
from collections import UserList
from typing import Any

import pytest
import redis.backoff
import redis.retry
from django.core.exceptions import ImproperlyConfigured
from django.utils.safestring import SafeString

from django_cachex import settings as settings_module
from django_cachex.options import CACHE_OPTIONS
from django_cachex.pools import (
    AsyncBlockingConnectionPool,
    AsyncConnectionPool,
    BlockingConnectionPool,
    ConnectionPool,
)
from django_cachex.settings import Settings

URL = "redis://127.0.0.1:1"
SECRET = "hunter2-the-secret"


class Client:
    _CLIENT_ONLY_OPTIONS = frozenset(CACHE_OPTIONS)


class Sharding(Client):
    _CLIENT_ONLY_OPTIONS = Client._CLIENT_ONLY_OPTIONS | {"shard_by"}


class Odd:
    pass


class Hooked(ConnectionPool):
    max_connections = 3

    def get_credentials(self) -> str:
        return SECRET


class AsyncHooked(AsyncConnectionPool):
    def get_credentials(self) -> str:
        return SECRET


def of(location: Any = URL, options: dict[str, Any] | None = None, client: type[Client] = Client) -> Settings:
    return Settings.of("standalone", location, options or {}, client)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"retry": 2, "db": "1"}, {"db": "1", "retry": 2}),
        ({"serializer": None, "pool_class": None, "compressor": None}, {}),
        ({"retry_backoff": (0.1, 1)}, {"retry_backoff": (0.1, 1)}),
        ({"compressor": ["a", "b"]}, {"compressor": ["a", "b"]}),
        ({"socket_keepalive_options": {4: 1}}, {"socket_keepalive_options": {4: 1}}),
    ],
)
def test_equal_values_are_the_same_settings(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert of(options=one) is of(options=other)
    assert of([URL], one) is of(URL, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"retry": 2}, {"retry": 3}),
        ({"socket_timeout": 1}, {"socket_timeout": 1.0}),
        ({"db": 1}, {"db": "1"}),
        ({"retry_backoff": (1, 2)}, {"retry_backoff": [1, 2]}),
        ({"compressor": ["a", "b"]}, {"compressor": ["b", "a"]}),
        ({"parser_class": Odd()}, {"parser_class": Odd()}),
        ({"on_undecodable": "miss"}, {}),
        ({"parser_class": b"x"}, {"parser_class": "x"}),
    ],
)
def test_other_values_are_other_settings(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert of(options=one) is of(options=one)
    assert of(options=one) is not of(options=other)


def test_locations_of_odd_types_count_by_value() -> None:
    for location in (SafeString(URL), UserList([URL]), (URL,), [SafeString(URL)]):
        assert of(location) is of(URL)
    changing = UserList([URL])
    before = of(changing)
    changing.append("redis://127.0.0.1:2")
    assert of(changing) is not before
    assert len(of(changing).servers) == 2


def test_what_equals_in_python_is_not_the_same_option() -> None:
    of(options={"retry": 1})
    with pytest.raises(ImproperlyConfigured, match="'retry' must be"):
        of(options={"retry": True})
    of(options={"decode_responses": False})
    with pytest.raises(ImproperlyConfigured, match="'decode_responses' must be"):
        of(options={"decode_responses": 0})


def test_changed_values_are_seen() -> None:
    options: dict[str, Any] = {"retry_backoff": [0.1, 1.0], "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 2)}
    first = of(options=options)
    options["retry_backoff"][0] = 0.5
    assert of(options=options).connection.retry_backoff == (0.5, 1.0)
    options["retry"].update_retries(5)
    assert of(options=options).connection.retry == 5
    options["retry"].update_retries(2)
    options["retry_backoff"][0] = 0.1
    assert of(options=options) is first


def test_an_object_at_the_address_of_a_former_one_is_another() -> None:
    parsers = [Odd()]
    first = of(options={"parser_class": parsers})
    former = id(parsers[0])
    parsers.clear()
    gc.collect()
    fresh = [Odd() for _ in range(100)]
    assert all(id(odd) != former for odd in fresh), "what the key knows by its address has to stay alive"
    parsers.append(fresh[0])
    assert of(options={"parser_class": parsers}) is not first


def test_options_of_a_client_subclass() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^Unknown option 'shard_by'"):
        of(options={"shard_by": "x"})
    first = of(options={"shard_by": "x"}, client=Sharding)
    assert first.cache_options["shard_by"] == "x"
    assert of(options={"shard_by": "y"}, client=Sharding) is not first
    assert "shard_by" not in first.handles[0].connection_kwargs


def test_what_is_known_is_bounded() -> None:
    for port in range(1, settings_module.MOST_KNOWN + 20):
        of(f"redis://bounded:{port}")
    assert len(settings_module._known) <= settings_module.MOST_KNOWN


def test_servers_and_values() -> None:
    found = of(f"{URL}/3, unix:///s.sock ;", {"db": 1, "max_value_size": 5, "on_undecodable": "miss"})
    assert found.servers == [f"{URL}/3", "unix:///s.sock"]
    assert [handle.connection_kwargs["db"] for handle in found.handles] == [3, 1]
    assert (found.on_undecodable, found.max_value_size, found.max_decompressed_size) == ("miss", 5, 64 * 1024**2)
    assert found.engine is found.engine
    assert found.async_engine is found.engine


@pytest.mark.parametrize(
    ("pool_class", "async_pool_class", "expected", "expected_async", "shared"),
    [
        (None, None, ConnectionPool, AsyncConnectionPool, True),
        (BlockingConnectionPool, None, BlockingConnectionPool, AsyncBlockingConnectionPool, True),
        ("redis.BlockingConnectionPool", None, BlockingConnectionPool, AsyncBlockingConnectionPool, True),
        (
            BlockingConnectionPool,
            "redis.asyncio.BlockingConnectionPool",
            BlockingConnectionPool,
            AsyncBlockingConnectionPool,
            True,
        ),
        (
            BlockingConnectionPool,
            AsyncBlockingConnectionPool,
            BlockingConnectionPool,
            AsyncBlockingConnectionPool,
            True,
        ),
        (None, "redis.asyncio.ConnectionPool", ConnectionPool, AsyncConnectionPool, True),
        (None, "redis.asyncio.BlockingConnectionPool", ConnectionPool, AsyncBlockingConnectionPool, False),
        (None, BlockingConnectionPool, ConnectionPool, AsyncBlockingConnectionPool, False),
        (Hooked, None, Hooked, AsyncConnectionPool, True),
        (Hooked, Hooked, Hooked, AsyncConnectionPool, True),
        (Hooked, AsyncConnectionPool, Hooked, AsyncConnectionPool, False),
        (None, AsyncHooked, ConnectionPool, AsyncHooked, False),
        (None, Hooked, ConnectionPool, AsyncConnectionPool, False),
    ],
)
def test_pool_classes(
    pool_class: Any, async_pool_class: Any, expected: type, expected_async: type, *, shared: bool
) -> None:
    found = of(options={"pool_class": pool_class, "async_pool_class": async_pool_class})
    assert found.pool_class is expected
    assert type(found.handles[0]) is expected
    assert found.async_pool_class is expected_async
    assert (found.async_engine is found.engine) is shared


def test_one_async_handle_per_loop_and_server() -> None:
    found = of(f"{URL}/5,{URL}/6", {"pool_class": Hooked})

    async def handles() -> list[AsyncConnectionPool]:
        loop = asyncio.get_running_loop()
        again = of(f"{URL}/5,{URL}/6", {"pool_class": Hooked})
        assert [again.async_handle(loop, index) for index in (0, 1)] == [
            found.async_handle(loop, 0),
            found.async_handle(loop, 1),
        ]
        return [found.async_handle(loop, index) for index in (0, 1)]

    first, second = asyncio.run(handles()), asyncio.run(handles())
    assert first[0] is not first[1]
    assert first[0] is not second[0]
    for one, other, sync in zip(first, second, found.handles, strict=True):
        assert one.server is other.server is sync.server
        assert one.max_connections == 3
        assert one.connection_kwargs == sync.connection_kwargs
    gc.collect()
    assert len(found.async_pools) == 0


def test_hooks_of_an_async_pool_class_belong_to_one_object_for_all_loops() -> None:
    found = of(options={"async_pool_class": AsyncHooked})

    async def handle() -> AsyncConnectionPool:
        return found.async_handle(asyncio.get_running_loop(), 0)

    first, second = asyncio.run(handle()), asyncio.run(handle())
    assert type(first) is AsyncHooked
    assert first is not second
    assert first.server is second.server


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stampede_prevention": True}, "'stampede_prevention' must be False"),
        ({"stampede_prevention": {"beta": 1}}, "'stampede_prevention' must be False"),
        ({"max_redirects": 5}, "'max_redirects' is for cluster backends only"),
        ({"SENTINELS": []}, "Unknown option 'SENTINELS'; 'sentinels' is for sentinel backends only"),
        ({"passwd": SECRET}, "'passwd'; did you mean 'password'"),
        ({"password": 5}, "'password' must be"),
        ({"pool_class": "redis.sentinel.SentinelConnectionPool"}, "'pool_class' must be a pool class"),
    ],
)
def test_faults_are_raised_at_once_and_each_time(options: dict[str, Any], expected: str) -> None:
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured) as caught:
            of(options=options)
        assert expected in str(caught.value)


def test_odd_topologies_and_locations() -> None:
    with pytest.raises(ImproperlyConfigured, match="There is no topology 'ring'"):
        Settings.of("ring", URL, {}, Client)  # type: ignore[arg-type]
    locations: tuple[object, ...] = (None, [], [[URL]], [{}], 5)
    for location in locations:
        with pytest.raises(ImproperlyConfigured, match=r"^LOCATION"):
            of(location)


@pytest.mark.parametrize(
    ("location", "options"),
    [
        (f"redis://u:{SECRET}@h:0", {}),
        (f"redis://u:{SECRET}@h", {"retry": "x"}),
        (f"redis://h?password={SECRET}&nope=1", {}),
        (URL, {"password": SECRET, "retry": "x"}),
        (URL, {"password": SECRET, "pool_class": "no.such.thing"}),
        (URL, {"password": SECRET, "credential_provider": "no.such.thing"}),
        (f"rediss://:{SECRET}@h", {"ssl_password": SECRET}),
        (f"rediss://:{SECRET}@h", {"ssl_ca_certs": "/no/such/file", "ssl_password": SECRET, "ssl_certfile": "/no"}),
        (URL, {"password": [SECRET]}),
        ([f"redis://:{SECRET}@h", "embedded://"], {}),
    ],
)
def test_no_secret_in_an_error_or_in_the_variables_of_its_traceback(location: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        of(location, options)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error!r}{error}"
        traceback = error.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_globals["__name__"].startswith("django_cachex"):
                assert SECRET not in repr(frame.f_locals), frame
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def test_no_repr_shows_a_secret() -> None:
    found = of(f"redis://u:{SECRET}@h,rediss://h", {"password": SECRET} | {})
    shown = f"{found!r}{found.handles!r}{found.engine!r}{found.handles[0].server!r}{found.connection!r}"
    assert SECRET not in shown


def test_known_settings_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"socket_timeout": 0.5, "db": "5", "serializer": "x.y"}
    known = of([URL], options)
    monkeypatch.setattr(settings_module, "_find", None)
    assert of([URL], dict(options)) is known
