"""What type checkers know of clients, raw clients, pools and errors. Never run: `test_types.py` has mypy read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, assert_type

from django_cachex import _core
from django_cachex.exceptions import WrongTypeError

if TYPE_CHECKING:
    from django_cachex.client import RedisCacheClient
    from django_cachex.exceptions import NotSupportedError

__all__: list[str] = []


def client(made: RedisCacheClient) -> None:
    assert_type(made.get("k"), Any)
    assert_type(made.add("k", 1, None), bool)
    assert_type(made.incr("k", 1), int)
    assert_type(made.get_many(["k"]), dict[str, Any])
    assert_type(made.delete_many(["k"]), int | None)
    assert_type(made.get_client(), _core.Redis)
    assert_type(made._get_connection_pool(write=True), _core.ConnectionPool)
    made.set("k", 1)  # type: ignore[call-arg]


async def async_client(made: RedisCacheClient) -> None:
    assert_type(await made.aincr("k", 1), int)
    assert_type(await made.adelete("k"), bool)


def raw(made: _core.Redis) -> None:
    assert_type(made.execute_command("GET", "k"), Any)
    assert_type(made.ping(), bool)
    assert_type(made.client_info(), dict[str, Any])
    assert_type(made.publish, Callable[..., Any])
    made.execute_command(5)  # type: ignore[arg-type]


def pools() -> None:
    assert_type(_core.ConnectionPool.from_url("redis://h", retry=1), _core.ConnectionPool)
    assert_type(_core.BlockingConnectionPool.from_url("redis://h").max_connections, int | None)
    assert_type(_core.DriverInfo().add_upstream_driver("x", "1").formatted_name, str)
    assert_type(_core.__version__, str)
    _core.NoSuchName  # type: ignore[attr-defined]  # noqa: B018


def errors(error: NotSupportedError) -> None:
    assert_type(error.operation, str)
    assert_type(error.backend, str | None)
    bases: type[TypeError] = WrongTypeError
    assert bases
