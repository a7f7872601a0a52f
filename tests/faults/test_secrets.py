"""Row 28: what errors, reprs, logs and tracebacks say, and what they keep to themselves."""

from __future__ import annotations

import logging
import pprint
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.faults.outcomes import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.faults.proxy import Proxy
    from tests.servers import Server

# Parts of each other are not searched for by accident.
_PASSWORD = "s3cr3t-Passw0rd"
_VALUE = "a-value-nobody-may-read"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _locals(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    while trace is not None:
        frame = trace.tb_frame
        # Frames of the application and of this test hold what the application gave.
        if "/django_cachex/" in frame.f_code.co_filename:
            for name, value in frame.f_locals.items():
                yield f"{frame.f_code.co_qualname}.{name}", repr(value) + pprint.pformat(value)
        trace = trace.tb_next


def _search(error: Exception) -> None:
    for each in _chain(error):
        said = f"{each!s} {each!r} {each.args!r} {each.__dict__!r} {getattr(each, '__notes__', '')!r}"
        assert _PASSWORD not in said
        assert _VALUE not in said
        for name, shown in _locals(each.__traceback__):
            assert _PASSWORD not in shown, f"{name} shows it"


@pytest.fixture(autouse=True)
def _nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert _PASSWORD not in caplog.text
    assert _VALUE not in caplog.text


def _options(how: str, **options: Any) -> dict[str, Any]:
    password = {"password": _PASSWORD} if how == "OPTIONS" else {}
    return {"socket_timeout": 0.3, "socket_connect_timeout": 0.3, "operation_timeout": 0.6, **options, **password}


def _location(how: str, port: int) -> str:
    return f"redis://:{_PASSWORD}@127.0.0.1:{port}/0" if how == "URL" else f"redis://127.0.0.1:{port}/0"


_PLACES = pytest.mark.parametrize("how", ["URL", "OPTIONS"])


@_PLACES
def test_failing_calls(
    how: str,
    call: Caller,
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server(password=_PASSWORD)
    proxy = start_proxy(server)
    cache = make_cache(_location(how, proxy.port), OPTIONS=_options(how))
    errors = []
    call(cache.set, "text", _VALUE)
    errors.append(attempt(call, cache.incr, "text").error)
    client = call(cache.get_client)
    errors.append(attempt(call, client.execute_command, "NOSUCHCOMMAND", _VALUE, _VALUE).error)
    errors.append(attempt(call, client.execute_command, "SET", "text", _VALUE, "NOSUCHFLAG").error)
    proxy.cut(trigger=b"lost")
    errors.append(attempt(call, cache.add, "lost", _VALUE).error)
    proxy.answer(b"garbage\r\n", trigger=b"lost")
    errors.append(attempt(call, cache.add, "lost", _VALUE).error)
    proxy.answer(f"-ERR no, not {_PASSWORD[:2]}\r\n".encode(), trigger=b"lost")
    errors.append(attempt(call, cache.add, "lost", _VALUE).error)
    proxy.hole(trigger=b"lost")
    errors.append(attempt(call, cache.set, "lost", _VALUE).error)
    proxy.heal()
    server.kill()
    errors.append(attempt(call, cache.set, "k", _VALUE).error)
    for number, error in enumerate(errors):
        assert error is not None, number
        _search(error)


@_PLACES
def test_refused_credentials(
    how: str, call: Caller, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
) -> None:
    server = start_server(password="another", users={"somebody": "on >another ~* +@all"})
    for options in ({}, {"protocol": 3}, {"username": "somebody"}, {"username": "nobody", "protocol": 3}):
        cache = make_cache(_location(how, server.port), OPTIONS=_options(how, **options))
        refused = attempt(call, cache.get, "k").error
        assert refused is not None
        _search(refused)


@_PLACES
def test_reprs(how: str, server: Server, make_cache: Callable[..., RedisCache]) -> None:
    cache = make_cache(_location(how, server.port), OPTIONS=_options(how, client_name="me"))
    handle = cache._cache._get_connection_pool(write=True)
    things = [
        cache,
        cache._cache,
        handle,
        handle.server,
        cache._cache._engine,
        cache.get_client(),
        cache._cache._settings,
    ]
    for thing in things:
        shown = f"{thing!r} {thing!s} {pprint.pformat(thing)}"
        assert _PASSWORD not in shown, type(thing)


@_PLACES
@pytest.mark.parametrize(
    "wrong",
    [
        {"pasword": "x"},
        {"socket_timeout": "soon"},
        {"serializer": "no.such.module.Serializer"},
        {"pool_class": "no.such.module.Pool"},
        {"compressor": "no.such.module.Compressor"},
        {"db": -1},
        {"ssl_ca_certs": "/no/such/file"},
        {"credential_provider": 5},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_bad_settings(how: str, wrong: dict[str, Any], make_cache: Callable[..., RedisCache]) -> None:
    with pytest.raises((ImproperlyConfigured, ImportError, OSError)) as raised:
        make_cache(_location(how, 6379), OPTIONS=_options(how, **wrong)).get("k")
    _search(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{_PASSWORD}@127.0.0.1:port/0",
        f"redis://:{_PASSWORD}@127.0.0.1:99999/0",
        f"nosuch://:{_PASSWORD}@127.0.0.1/0",
        f"redis://:{_PASSWORD}@127.0.0.1/database",
        f"redis://:{_PASSWORD}@127.0.0.1/0?nosuch=1",
        f"redis://127.0.0.1/0?password={_PASSWORD}&nosuch=1",
        f"unix://:{_PASSWORD}@",
    ],
)
def test_bad_locations(url: str, make_cache: Callable[..., RedisCache]) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        make_cache(url).get("k")
    _search(raised.value)
