"""Formats are switched on a live site: values of every format that ever was are there at the same time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import SerializerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

PICKLE, JSON, MSGPACK, ORJSON, ORMSGPACK, SIGNED = (
    f"django_cachex.serializers.{name.lower().removesuffix('pickle') or 'pickle'}.{name}Serializer"
    for name in ("Pickle", "Json", "Msgpack", "Orjson", "Ormsgpack", "SignedPickle")
)
ZLIB, GZIP, LZMA, LZ4, ZSTD = (
    f"django_cachex.compressors.{name.lower()}.{name}Compressor" for name in ("Zlib", "Gzip", "Lzma", "Lz4", "Zstd")
)

# What may be stored by one release and read by the next, and what of it is large enough for a compressor.
VALUES: list[Any] = [0, -7, 10**30, None, True, 1.5, "", "text", "12", [], {}, {"a": [1, None]}, ["line " * 200] * 3]

# One step after the other: each reads what all before have written.
STEPS: list[dict[str, Any]] = [
    {},
    {"serializer": [JSON, PICKLE]},
    {"serializer": [JSON, PICKLE], "compressor": [ZLIB]},
    {"serializer": [MSGPACK, JSON, PICKLE], "compressor": [ZLIB]},
    {"serializer": [MSGPACK, JSON, PICKLE], "compressor": [ZSTD, ZLIB]},
    {"serializer": [ORMSGPACK, MSGPACK, JSON, PICKLE], "compressor": [LZ4, ZSTD, ZLIB]},
    {"serializer": [ORJSON, ORMSGPACK, MSGPACK, JSON, PICKLE], "compressor": [GZIP, LZ4, ZSTD, ZLIB]},
    {"serializer": [SIGNED, ORJSON, ORMSGPACK, MSGPACK, JSON, PICKLE], "compressor": [LZMA, GZIP, LZ4, ZSTD, ZLIB]},
]


def test_a_site_that_changes_its_mind(make_cache: Callable[..., RedisCache], call_anyhow: Caller) -> None:
    written: dict[str, Any] = {}
    for number, options in enumerate(STEPS):
        cache = make_cache(OPTIONS=options)
        fresh = {f"{number}:{index}": value for index, value in enumerate(VALUES)}
        single, *rest = fresh
        call_anyhow(cache.set, single, fresh[single])
        call_anyhow(cache.set_many, {key: fresh[key] for key in rest}, 60)
        written |= fresh
        call_anyhow(cache.rpush, "list", *VALUES)
        call_anyhow(cache.hset, "hash", mapping=fresh)
        # Everything that ever was written, at once and one by one.
        assert call_anyhow(cache.get_many, list(written)) == written
        for key, value in written.items():
            found = call_anyhow(cache.get, key)
            assert found == value
            assert type(found) is type(value)
        assert call_anyhow(cache.lrange, "list", 0, -1) == VALUES * (number + 1)
        assert call_anyhow(cache.hgetall, "hash") == written


def test_two_releases_at_the_same_time(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    """While a deploy rolls, both write. What one reads of the other is set in the release before."""
    old = make_cache(OPTIONS={"serializer": [JSON, MSGPACK], "compressor": [ZLIB, ZSTD]})
    new = make_cache(OPTIONS={"serializer": [MSGPACK, JSON], "compressor": [ZSTD, ZLIB]})
    for (writer, reader), value in itertools.product(itertools.permutations((old, new)), VALUES):
        call(writer.set, "k", value)
        assert call(reader.get, "k") == value
        assert call(reader.get_many, ["k"]) == {"k": value}
        assert call(writer.add, "k", "no") is False


def test_many_at_once_of_all_formats(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    caches = [make_cache(OPTIONS=options) for options in STEPS]
    expected = {}
    for number, (cache, value) in enumerate(itertools.product(caches, VALUES)):
        call(cache.set, f"k{number}", value)
        expected[f"k{number}"] = value
    latest = caches[-1]
    assert call.every([(latest.get, key) for key in expected]) == list(expected.values())


@pytest.mark.parametrize("on_undecodable", ["raise", "miss"])
def test_a_step_that_forgot_the_old_format(
    on_undecodable: str, make_cache: Callable[..., RedisCache], call: Caller
) -> None:
    old = make_cache(OPTIONS={"compressor": ZSTD})
    call(old.set_many, {"large": "x" * 5000, "small": ["x"], "number": 5}, 60)
    new = make_cache(OPTIONS={"serializer": JSON, "compressor": LZ4, "on_undecodable": on_undecodable})
    assert call(new.get, "number") == 5
    for key in ("large", "small"):
        if on_undecodable == "miss":
            assert call(new.get, key, "default") == "default"
        else:
            with pytest.raises(SerializerError, match="no configured serializer can read"):
                call(new.get, key)
            with pytest.raises(SerializerError):
                call(new.get_many, ["number", key])
    if on_undecodable == "miss":
        assert call(new.get_many, ["large", "small", "number"]) == {"number": 5}
        assert call(new.get_or_set, "large", "made") == "made"


def test_a_compressor_is_taken_away(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    """One that only reads stands behind one that writes; there is none that writes nothing."""
    value = "x" * 5000
    call(make_cache(OPTIONS={"compressor": LZ4}).set, "k", value)

    class Off:
        def compress(self, data: bytes) -> bytes:
            return data

        def decompress(self, data: bytes) -> bytes:
            raise ValueError("nothing is mine")

    cache = make_cache(OPTIONS={"compressor": [Off, LZ4]})
    assert call(cache.get, "k") == value
    call(cache.set, "k", value)
    assert len(server.command("GET", cache.make_key("k"))) > 5000  # type: ignore[arg-type]
    assert call(make_cache().get, "k") == value
