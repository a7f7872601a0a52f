"""The compressors of this package: formats, levels, limits, and what runs without Python code."""

from __future__ import annotations

import gzip
import lzma
import pickle
import subprocess
import sys
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import lz4.frame
import pytest
import zstandard
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from django_cachex._core import compress, compression_levels, decompress
from django_cachex.cache import RedisCache
from django_cachex.compressors import BaseCompressor
from django_cachex.compressors.gzip import GzipCompressor
from django_cachex.compressors.lz4 import Lz4Compressor
from django_cachex.compressors.lzma import LzmaCompressor
from django_cachex.compressors.zlib import ZlibCompressor
from django_cachex.compressors.zstd import ZstdCompressor
from django_cachex.exceptions import CompressorError, SerializerError, ValueTooLargeError
from django_cachex.serializers.json import JsonSerializer
from django_cachex.serializers.pickle import PickleSerializer
from django_cachex.serializers.signed import SignedPickleSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.compressors.native import NativeCompressor
    from tests.caller import Caller
    from tests.servers import Server

ALL = [ZlibCompressor, GzipCompressor, LzmaCompressor, Lz4Compressor, ZstdCompressor]
TEXT = "All the world's a stage, and all the men and women merely players. " * 100

# The packages that others use for the same formats: both directions.
PEERS: dict[type[NativeCompressor], tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    ZlibCompressor: (zlib.compress, zlib.decompress),
    GzipCompressor: (gzip.compress, gzip.decompress),
    LzmaCompressor: (lzma.compress, lzma.decompress),
    Lz4Compressor: (lz4.frame.compress, lz4.frame.decompress),
    ZstdCompressor: (zstandard.compress, zstandard.decompress),
}


def backend(**options: Any) -> RedisCache:
    return RedisCache("redis://nowhere.invalid", {"OPTIONS": options})


def path(compressor: type[Any]) -> str:
    return f"{compressor.__module__}.{compressor.__qualname__}"


@pytest.mark.parametrize("compressor", ALL)
@given(data=st.binary(min_size=1), times=st.integers(1, 300))
def test_any_bytes_come_back(compressor: type[NativeCompressor], data: bytes, times: int) -> None:
    made = compressor(min_length=0)
    packed = made.compress(data * times)
    assert made.decompress(packed) == data * times
    pack, unpack = PEERS[compressor]
    assert unpack(packed) == data * times
    assert made.decompress(pack(data * times)) == data * times


@pytest.mark.parametrize("compressor", ALL)
@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 65_537, 300_000, 5_000_000])
def test_sizes(compressor: type[NativeCompressor], size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    made = compressor(min_length=0)
    assert made.decompress(made.compress(data)) == data
    pack, unpack = PEERS[compressor]
    assert unpack(made.compress(data)) == data
    assert made.decompress(pack(data)) == data


@pytest.mark.parametrize("compressor", ALL)
def test_every_compressor_on_a_server(
    compressor: type[NativeCompressor],
    make_cache: Callable[..., RedisCache],
    server: Server,
    call_anyhow: Caller,
) -> None:
    cache = make_cache(OPTIONS={"compressor": path(compressor)})
    for value in (TEXT, "short", 5, [TEXT, {"a": TEXT}], TEXT * 500):
        call_anyhow(cache.set, "k", value)
        assert call_anyhow(cache.get, "k") == value
        assert call_anyhow(cache.get_many, ["k"]) == {"k": value}
    stored = server.command("GET", cache.make_key("k"))
    assert isinstance(stored, bytes)
    payload = pickle.dumps(TEXT * 500, pickle.HIGHEST_PROTOCOL)
    assert len(stored) < len(payload) / 10
    assert PEERS[compressor][1](stored) == payload
    call_anyhow(cache.rpush, "l", TEXT, "short", 3)
    assert call_anyhow(cache.lrange, "l", 0, -1) == [TEXT, "short", 3]


@pytest.mark.parametrize("compressor", ALL)
def test_equal_data_becomes_equal_bytes(compressor: type[NativeCompressor]) -> None:
    """Members of sets are compared as bytes."""
    cache = backend(compressor=compressor)
    first = cache.encode(TEXT)
    time.sleep(1.1)  # the clock is in the headers of some gzip writers
    assert cache.encode(TEXT) == first


# Options

LEVELS = {
    ZlibCompressor: (6, -1, 9),
    GzipCompressor: (9, -1, 9),
    LzmaCompressor: (4, 0, 9),
    Lz4Compressor: (0, 0, 0),
    ZstdCompressor: (3, -131_072, 22),
}


@pytest.mark.parametrize("compressor", ALL)
def test_levels(compressor: type[NativeCompressor]) -> None:
    default, lowest, highest = LEVELS[compressor]
    assert compressor.level == compressor().level == default
    assert compression_levels(compressor.format) == (lowest, highest)
    for level in {lowest, default, min(highest, 12)}:
        made = compressor(level=level)
        assert made.level == level
        assert made.decompress(made.compress(TEXT.encode())) == TEXT.encode()
        assert backend(compressor=made).decode(backend(compressor=made).encode(TEXT)) == TEXT
    for wrong in (lowest - 1, highest + 1, "3", 1.0, True):
        with pytest.raises(ImproperlyConfigured, match=compressor.__name__):
            compressor(level=wrong)  # type: ignore[arg-type]


def test_a_level_makes_a_difference() -> None:
    data = "".join(map(str, range(20_000)))
    for compressor in (ZlibCompressor, GzipCompressor, ZstdCompressor, LzmaCompressor):
        low, high = (compressor(level=level).compress(data.encode()) for level in (1, 9))
        assert len(high) < len(low)


@pytest.mark.parametrize("compressor", ALL)
def test_the_minimal_length(compressor: type[NativeCompressor]) -> None:
    assert compressor.min_length == compressor().min_length == 256
    assert compressor().compress(b"a" * 255) == b"a" * 255
    assert compressor().compress(b"a" * 256) != b"a" * 256
    assert compressor(min_length=1000).compress(b"a" * 999) == b"a" * 999
    value = "a" * 400
    plain = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    assert backend(compressor=compressor(min_length=len(plain))).encode(value) != plain
    assert backend(compressor=compressor(min_length=len(plain) + 1)).encode(value) == plain
    for wrong in (-1, "1", 1.5):
        with pytest.raises(ImproperlyConfigured, match="min_length"):
            compressor(min_length=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("compressor", ALL)
def test_what_does_not_get_smaller_is_stored_as_it_is(compressor: type[NativeCompressor]) -> None:
    noise = zlib.compress(b"".join(i.to_bytes(4) for i in range(3000)), 9)
    noise = lzma.compress(noise)
    assert len(compressor().compress(noise)) >= len(noise) or compressor is LzmaCompressor
    value = noise * 1
    assert backend(compressor=compressor).encode(value) == pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def test_subclasses_with_other_defaults() -> None:
    class Fast(ZstdCompressor):
        """For pages."""

        level = -5
        min_length = 10

    cache = backend(compressor=Fast)
    stored = cache.encode("a" * 100)
    assert stored == Fast().compress(pickle.dumps("a" * 100, pickle.HIGHEST_PROTOCOL))
    assert cache.decode(stored) == "a" * 100

    class Wrong(ZstdCompressor):
        level = 23

    with pytest.raises(ImproperlyConfigured, match="Wrong is from"):
        backend(compressor=Wrong).encode("x")


def test_subclasses_that_do_part_of_the_work() -> None:
    class Prefixed(ZstdCompressor):
        def _compress(self, data: bytes) -> bytes:
            return b"prefix" + super()._compress(data)

        def _decompress(self, data: bytes) -> bytes:
            return super()._decompress(data.removeprefix(b"prefix"))

    cache = backend(compressor=Prefixed)
    stored = cache.encode(TEXT)
    assert isinstance(stored, bytes)
    assert stored.startswith(b"prefix")
    assert cache.decode(stored) == TEXT
    with pytest.raises(SerializerError):
        backend(compressor=ZstdCompressor).decode(stored)


def test_methods_that_are_patched_before_the_cache_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZstdCompressor, "_compress", lambda self, data: b"patched")
    assert backend(compressor=ZstdCompressor()).encode(TEXT) == b"patched"


def test_no_python_code_runs() -> None:
    cache = backend(compressor=[path(each) for each in ALL])
    stored = cache.encode(TEXT)
    called: list[str] = []

    def trace(frame: Any, event: str, arg: object) -> None:
        if event == "call" and "compressors" in frame.f_code.co_filename:
            called.append(frame.f_code.co_qualname)

    sys.setprofile(trace)
    try:
        assert cache.encode(TEXT) == stored
        assert cache.decode(stored) == TEXT
    finally:
        sys.setprofile(None)
    assert called == []


def test_no_package_is_needed() -> None:
    code = (
        "import sys\n"
        "for name in ('lz4', 'zstandard', 'pyzstd', 'backports', 'zlib', 'lzma', '_lzma'): sys.modules[name] = None\n"
        "from django_cachex._core import compress, decompress\n"
        "for name in ('zlib', 'gzip', 'lzma', 'lz4', 'zstd'):\n"
        "    assert decompress(name, compress(name, 0, b'x' * 1000), None) == b'x' * 1000\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# The native functions


def test_bytes_of_any_kind() -> None:
    for data in (bytearray(b"x" * 300), memoryview(b"x" * 300), memoryview(b"xy" * 300)[::2]):
        packed = compress("zstd", 3, data)  # type: ignore[arg-type]
        assert decompress("zstd", bytearray(packed), None) == b"x" * 300  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compress("zstd", 3, 5)  # type: ignore[arg-type]
    assert decompress("lz4", compress("lz4", 0, b""), None) == b""


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="no such format"):
        compress("brotli", 1, b"x")
    with pytest.raises(ValueError, match="no such level"):
        compress("zlib", 10, b"x")
    with pytest.raises(CompressorError, match="not zstd, or damaged"):
        decompress("zstd", b"no zstd", None)


# Errors and limits


@pytest.mark.parametrize("compressor", ALL)
def test_what_it_did_not_make(compressor: type[NativeCompressor]) -> None:
    for data in (b"", b"x", pickle.dumps(TEXT), *(other().compress(TEXT.encode()) for other in ALL)):
        if data == compressor().compress(TEXT.encode()):
            continue
        with pytest.raises(CompressorError, match=f"not {compressor.format}, or damaged"):
            compressor().decompress(data)


@pytest.mark.parametrize("compressor", ALL)
def test_the_limit_of_direct_calls(compressor: type[NativeCompressor]) -> None:
    made = compressor()
    bomb = made.compress(bytes(64 * 1024 * 1024 + 1))
    with pytest.raises(ValueTooLargeError):
        made.decompress(bomb)
    made.max_size = None
    assert len(made.decompress(bomb)) == 64 * 1024 * 1024 + 1


@pytest.mark.parametrize("compressor", ALL)
def test_what_decompresses_to_too_much(
    compressor: type[NativeCompressor], make_cache: Callable[..., RedisCache], call_anyhow: Caller
) -> None:
    value = "x" * 5000
    size = len(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    call_anyhow(make_cache(OPTIONS={"compressor": compressor}).set, "k", value)
    fits = make_cache(OPTIONS={"compressor": compressor, "max_decompressed_size": size})
    assert call_anyhow(fits.get, "k") == value
    small = make_cache(OPTIONS={"compressor": compressor, "max_decompressed_size": size - 1})
    with pytest.raises(ValueTooLargeError, match=rf"more than max_decompressed_size \({size - 1}\)"):
        call_anyhow(small.get, "k")
    with pytest.raises(ValueTooLargeError):
        call_anyhow(small.get_many, ["k"])


@pytest.mark.parametrize("compressor", ALL)
def test_damage_is_named(compressor: type[NativeCompressor]) -> None:
    cache = backend(compressor=compressor, serializer=JsonSerializer)
    stored = cache.encode(TEXT)
    assert isinstance(stored, bytes)
    # What begins as zlib does may well be something else.
    text = (
        "the stored bytes$" if compressor is ZlibCompressor else f"begin as {compressor.format} does, but are damaged$"
    )
    with pytest.raises(SerializerError, match=text):
        cache.decode(stored[:-1])


def test_a_magic_number_comes_before_the_order() -> None:
    class Greedy(BaseCompressor):
        def _compress(self, data: bytes) -> bytes:
            return data

        def _decompress(self, data: bytes) -> bytes:
            return b'"mine"'

    stored = backend(compressor=ZstdCompressor, serializer=JsonSerializer).encode(TEXT)
    assert backend(compressor=[Greedy, ZstdCompressor], serializer=JsonSerializer).decode(stored) == TEXT
    weak = backend(compressor=ZlibCompressor, serializer=JsonSerializer).encode(TEXT)
    assert backend(compressor=[Greedy, ZlibCompressor], serializer=JsonSerializer).decode(weak) == "mine"
    assert backend(compressor=[ZlibCompressor, Greedy], serializer=JsonSerializer).decode(weak) == TEXT


def test_what_only_looks_compressed_is_read_as_it_is() -> None:
    class Text:
        def dumps(self, obj: Any) -> str:
            return str(obj)

        def loads(self, data: bytes) -> Any:
            return bytes(data).decode("latin-1")

    cache = backend(compressor=ALL, serializer=Text)
    for data in (
        b"x\x9c and so on",
        b"x\x01",
        b"H\x89\x00",
        b"\x1f\x8b\x08 no",
        b"\x28\xb5\x2f\xfd",
        b"\x04\x22\x4d\x18",
    ):
        assert cache.decode(data) == data.decode("latin-1")


class Plain:
    """Stores bytes as they are."""

    def dumps(self, obj: bytes) -> bytes:
        return obj

    def loads(self, data: bytes) -> bytes:
        return data


@pytest.mark.parametrize("compressor", ALL)
def test_what_is_compressed_already_comes_back(compressor: type[NativeCompressor]) -> None:
    for pack, _ in PEERS.values():
        for content in (b"", b"a page", TEXT.encode()):
            value = pack(content)
            for compressors in (compressor, [compressor, *ALL], [*ALL, compressor]):
                cache = backend(compressor=compressors, serializer=Plain)
                assert cache.decode(cache.encode(value)) == value


@pytest.mark.parametrize("compressor", ALL)
def test_digits_that_somebody_else_has_compressed(compressor: type[NativeCompressor]) -> None:
    packed = compressor(min_length=0).compress(b"123")
    for serializer in (PickleSerializer, [SignedPickleSerializer, PickleSerializer], JsonSerializer):
        assert backend(compressor=compressor, serializer=serializer).decode(packed) == 123


# Threads


@pytest.mark.parametrize("compressor", ALL)
def test_other_threads_run_meanwhile(compressor: type[NativeCompressor]) -> None:
    """Large values are worked on without the interpreter."""
    made = compressor()
    data = bytes(range(256)) * 4 * 1024 * 8
    started, done = threading.Event(), threading.Event()
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        started.set()
        while not done.is_set():
            ticks += 1
            time.sleep(0)

    def until_it_ran(work: Callable[[], object]) -> None:
        before, deadline = ticks, time.monotonic() + 30
        while ticks == before:
            work()
            assert time.monotonic() < deadline, "the other thread never ran"

    thread = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    # With this interval a thread that holds the interpreter is never asked to let it go.
    sys.setswitchinterval(1000)
    try:
        thread.start()
        started.wait()
        packed = made.compress(data)
        for _ in range(5):
            until_it_ran(lambda: made.compress(data))
            until_it_ran(lambda: made.decompress(packed))
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_many_threads_at_once() -> None:
    cache = backend(compressor=ALL[::-1])
    plain = [backend(compressor=each) for each in ALL]
    failed: list[int] = []

    def work(number: int) -> None:
        value = f"{number} {TEXT}" * (number + 1)
        failed.extend(number for each in plain * 10 if cache.decode(each.encode(value)) != value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


class Disguised(ZstdCompressor):
    """Writes what begins as zstd does, and is not."""

    def _compress(self, data: bytes) -> bytes:
        return super()._compress(data[::-1])

    def _decompress(self, data: bytes) -> bytes:
        return super()._decompress(data)[::-1]


def test_subclasses_come_in_the_order_of_the_list() -> None:
    mine = backend(compressor=[Disguised, ZstdCompressor])
    plain = backend(compressor=ZstdCompressor)
    assert mine.decode(mine.encode(TEXT)) == TEXT
    assert backend(compressor=[ZstdCompressor, Disguised]).decode(plain.encode(TEXT)) == TEXT
    assert (
        backend(compressor=[Disguised, ZlibCompressor]).decode(backend(compressor=ZlibCompressor).encode(TEXT)) == TEXT
    )
