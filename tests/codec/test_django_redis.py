"""Sites that come from django-redis: each reads what the other stored, with the real package on the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_redis.cache
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.cache.backends.base import BaseCache

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

COMPRESSORS = {
    "zlib": "zlib.ZlibCompressor",
    "gzip": "gzip.GzipCompressor",
    "lzma": "lzma.LzmaCompressor",
    "lz4": "lz4.Lz4Compressor",
    "zstd": "zstd.ZStdCompressor",
    None: "identity.IdentityCompressor",
}
SERIALIZERS = {
    "pickle.PickleSerializer": "pickle.PickleSerializer",
    "json.JsonSerializer": "json.JSONSerializer",
    "msgpack.MsgpackSerializer": "msgpack.MSGPackSerializer",
}
VALUES: list[Any] = [0, 77, True, None, "text", 1.5, "x" * 20, {"a": ["line " * 10] * 100}, ["x" * 200_000, "y" * 5]]


@pytest.fixture
def make_theirs(server: Server, key_prefix: str) -> Iterator[Callable[..., BaseCache]]:
    made: list[Any] = []

    def make(**options: str) -> BaseCache:
        url = server.url.replace("valkey://", "redis://")
        cache: BaseCache = django_redis.cache.RedisCache(url, {"KEY_PREFIX": key_prefix, "OPTIONS": options})
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.client.get_client(write=True).connection_pool.disconnect()


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_both_directions(
    compressor: str | None,
    serializer: str,
    make_cache: Callable[..., RedisCache],
    make_theirs: Callable[..., BaseCache],
    call: Caller,
) -> None:
    theirs = make_theirs(
        COMPRESSOR=f"django_redis.compressors.{COMPRESSORS[compressor]}",
        SERIALIZER=f"django_redis.serializers.{SERIALIZERS[serializer]}",
    )
    ours = make_cache(
        OPTIONS={
            "serializer": f"django_cachex.serializers.{serializer}",
            "compressor": compressor and f"django_cachex.compressors.{compressor}.{compressor.capitalize()}Compressor",
        }
    )
    for value in VALUES:
        theirs.set("theirs", value)
        call(ours.set, "ours", value)
        for found in (call(ours.get, "theirs"), call(ours.get_many, ["theirs"])["theirs"]):
            assert found == value
            assert type(found) is type(value)
        assert theirs.get("ours") == value
