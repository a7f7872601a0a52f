"""Results that a loop makes as soon as replies arrive, and those that it leaves to the task."""

from __future__ import annotations

import asyncio
import pickle
from contextvars import ContextVar
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import ResponseError, SerializerError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache

_READER: ContextVar[str] = ContextVar("_READER", default="nobody")


class _Signing:
    """A serializer that says in which task it reads."""

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        return _READER.get(), pickle.loads(data)


class Application:
    """Something that only Python code can restore."""

    def __init__(self) -> None:
        self.reader = "nobody"

    def __setstate__(self, state: dict[str, str]) -> None:
        self.reader = _READER.get()


async def _as(name: str, call: Callable[..., Any], *args: Any) -> Any:
    _READER.set(name)
    return await call(*args)


def test_application_code_runs_in_the_task_that_asked(make_cache: Callable[..., RedisCache]) -> None:
    cache = make_cache(OPTIONS={"serializer": _Signing})
    plain = make_cache()

    async def work() -> None:
        await cache.aset("k", "value")
        await cache.ahset("h", "f", "value")
        await plain.aset("object", Application())
        names = [f"task {number}" for number in range(20)]
        assert await asyncio.gather(*(_as(name, cache.aget, "k") for name in names)) == [
            (name, "value") for name in names
        ]
        assert await asyncio.gather(*(_as(name, cache.ahget, "h", "f") for name in names)) == [
            (name, "value") for name in names
        ]
        found = await asyncio.gather(*(_as(name, plain.aget, "object") for name in names))
        assert [each.reader for each in found] == names

    asyncio.run(work())


@pytest.mark.parametrize("compressor", [None, "zstd", "zlib"])
def test_values_of_every_size(make_cache: Callable[..., RedisCache], compressor: str | None) -> None:
    path = compressor and f"django_cachex.compressors.{compressor}.{compressor.title()}Compressor"
    cache = make_cache(OPTIONS={"compressor": path})
    values = [0, -1, "", "x" * 4000, "x" * 4094, "x" * 4100, "x" * 100_000, {"a": [Decimal("1.5")]}, b"7", True, None]

    async def work() -> None:
        for number, value in enumerate(values):
            await cache.aset(f"k{number}", value)
            await cache.ahset("h", f"k{number}", value)
        missing = object()
        keys = [f"k{number}" for number in range(len(values))]
        assert await asyncio.gather(*(cache.aget(key, missing) for key in keys)) == values
        assert await asyncio.gather(*(cache.ahget("h", key) for key in keys)) == values
        assert await cache.aget("missing", missing) is missing
        assert await cache.ahget("h", "missing") is None

    asyncio.run(work())


def test_a_method_that_is_replaced_while_the_reply_is_on_its_way(make_cache: Callable[..., RedisCache]) -> None:
    cache = make_cache()

    async def work() -> None:
        await cache.ahset("h", "f", "value")
        call = asyncio.create_task(cache.ahget("h", "f"))
        await asyncio.sleep(0)
        cache.decode = lambda data: "replaced"  # type: ignore[method-assign]
        assert await call == "replaced"

    asyncio.run(work())


def test_what_is_wrong_is_raised_to_whoever_asked(make_cache: Callable[..., RedisCache]) -> None:
    cache = make_cache()

    async def work() -> None:
        raw = await cache.get_async_client(write=True)
        await raw.set(cache.make_key("damaged"), b"\x80\x05no pickle")
        await cache.aset("good", {"a": 1})
        await cache.alpush("list", 1)
        outcomes = await asyncio.gather(
            cache.aget("damaged"),
            cache.aget("good"),
            cache.aget("list"),
            cache.allen("good"),
            cache.allen("list"),
            cache.aincr("good"),
            return_exceptions=True,
        )
        assert [type(each) for each in outcomes] == [
            SerializerError,
            dict,
            WrongTypeError,
            WrongTypeError,
            int,
            ResponseError,
        ], outcomes

    asyncio.run(work())
