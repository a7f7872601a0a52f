"""Values as bytes and back: exact ints as digits, serializers and compressors of every sort, limits."""

from __future__ import annotations

import enum
import json
import pickle
import sys
import zlib
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from django_cachex.cache import RedisCache
from django_cachex.compressors import BaseCompressor
from django_cachex.exceptions import (
    CachexError,
    CompressorError,
    PickleSerializerError,
    SerializerError,
    ValueTooLargeError,
)
from django_cachex.serializers import BaseSerializer
from django_cachex.serializers.pickle import PickleSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.servers import Server


class Size(enum.IntEnum):
    SMALL = 3


class Number(int):
    pass


class Json(BaseSerializer):
    def _dumps(self, obj: Any) -> bytes:
        return json.dumps(obj).encode()

    def _loads(self, data: bytes) -> Any:
        return json.loads(data)


class Duck:
    """A serializer that knows nothing of this package."""

    def dumps(self, obj: Any) -> Any:
        return repr(obj)

    def loads(self, data: bytes) -> Any:
        return "loaded", bytes(data).decode()


class Returns:
    """A serializer that gives back what it was made with."""

    def __init__(self, payload: Any, value: Any = "value") -> None:
        self.payload, self.value = payload, value

    def dumps(self, obj: Any) -> Any:
        return self.payload

    def loads(self, data: bytes) -> Any:
        return self.value


class Zlib(BaseCompressor):
    def _compress(self, data: bytes) -> bytes:
        return zlib.compress(data)

    def _decompress(self, data: bytes) -> bytes:
        return zlib.decompress(data)


class Reversed(BaseCompressor):
    """Marks what it made, and makes it shorter by one byte so that it counts."""

    min_length = 0

    def _compress(self, data: bytes) -> bytes:
        return b"R" + data[2:][::-1]

    def _decompress(self, data: bytes) -> bytes:
        if data[:1] != b"R":
            raise ValueError("not mine")
        return b"\x80\x05" + data[1:][::-1]


class Explodes(BaseException):
    pass


def backend(**options: Any) -> RedisCache:
    return RedisCache("redis://nowhere.invalid", {"OPTIONS": options})


def short(value: int) -> str:
    return hex(value)[:9]


# Integers


@pytest.mark.parametrize(
    "value", [0, -1, 2**63, -(2**63) - 1, 10**4299, -(10**4299), 10**4300 - 1], ids=lambda v: hex(v)[:9]
)
def test_exact_ints_stay(value: int) -> None:
    for options in ({}, {"serializer": Json}, {"serializer": Duck}, {"compressor": Zlib}):
        cache = backend(**options)
        assert cache.encode(value) is value
        assert cache._cache.encode(value) is value
        assert cache.decode(value) is value
        assert cache.decode(str(value).encode()) == value
        assert type(cache.decode(str(value).encode())) is int


@pytest.mark.parametrize("value", [True, False, Size.SMALL, Number(5)], ids=repr)
def test_subclasses_of_int_are_no_exact_ints(value: int) -> None:
    cache = backend()
    stored = cache.encode(value)
    assert isinstance(stored, bytes)
    found = cache.decode(stored)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [10**4300, -(10**4300), 10**20_000], ids=short)
def test_ints_that_python_itself_does_not_write(value: int, cache: RedisCache, call: Caller) -> None:
    assert isinstance(cache.encode(value), bytes)
    call(cache.set, "k", value)
    assert call(cache.get, "k") == value
    call(cache.set_many, {"k": [value]})
    assert call(cache.get_many, ["k"]) == {"k": [value]}


def test_ints_that_no_text_serializer_writes() -> None:
    with pytest.raises(SerializerError, match="cannot serialize a int: ValueError"):
        backend(serializer=Json).encode(10**5000)


def test_digits_beyond_the_limit_are_no_int() -> None:
    with pytest.raises(SerializerError):
        backend().decode(b"1" * 4301)
    assert backend().decode(b"1" * 4300) == int("1" * 4300)


@given(st.integers())
def test_any_int(value: int) -> None:
    assert backend().decode(str(backend().encode(value)).encode()) == value


@pytest.mark.parametrize("data", [b"007", b"-0", b"-007", b"0"])
def test_bytes_that_read_as_integers(data: bytes) -> None:
    assert backend().decode(data) == int(data)


@pytest.mark.parametrize(
    "data", [b"", b"-", b"+1", b" 1", b"1 ", b"1_0", b"--1", "\u0661".encode(), b"1e5", b"0x1", b"1\n"]
)
def test_bytes_that_do_not(data: bytes) -> None:
    cache = backend(serializer=Duck)
    assert cache.decode(data) == ("loaded", data.decode())


# What dumps may return


@pytest.mark.parametrize(
    ("payload", "stored"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        (memoryview(b"a-b-c-")[::2], b"abc"),
        ("text ☃", "text ☃".encode()),
        ("", b""),
        (42, 42),
    ],
    ids=repr,
)
def test_payloads(
    payload: Any, stored: Any, make_cache: Callable[..., RedisCache], server: Server, call: Caller
) -> None:
    cache = make_cache(OPTIONS={"serializer": Returns(payload)})
    assert cache.encode("anything") == stored
    assert type(cache.encode("anything")) is type(stored)
    call(cache.set, "k", "anything")
    assert server.command("GET", cache.make_key("k")) == (stored if isinstance(stored, bytes) else b"42")
    assert call(cache.get, "k") == ("value" if isinstance(stored, bytes) else 42)


@pytest.mark.parametrize("payload", [None, 1.5, object(), [b"x"], True], ids=lambda value: type(value).__name__)
def test_payloads_that_are_none(payload: Any) -> None:
    with pytest.raises((TypeError, SerializerError)):
        backend(serializer=Returns(payload)).encode("anything")


def test_payloads_that_read_as_integers() -> None:
    for payload in (b"12", "12", bytearray(b"-12"), b"007"):
        value = int(payload)
        with pytest.raises(SerializerError, match="reads as an integer"):
            backend(serializer=Returns(payload, "twelve")).encode("anything")
        assert backend(serializer=Returns(payload, value)).encode("anything") == bytes(
            payload.encode() if isinstance(payload, str) else payload
        )
        assert backend(serializer=Returns(payload, float(value))).encode("anything"), "equal is enough"
    assert backend(serializer=Json).encode(Size.SMALL) == b"3"
    assert backend(serializer=Json).encode("12") == b'"12"'

    class Unreadable(Returns):
        def loads(self, data: bytes) -> Any:
            raise LookupError

    with pytest.raises(SerializerError, match="reads as an integer"):
        backend(serializer=Unreadable(b"12")).encode("anything")


# Serializers


def make_json() -> Json:
    return Json()


@pytest.mark.parametrize("form", [Json, Json(), make_json, [Json], (Json, PickleSerializer)])
def test_forms_of_the_option(form: Any) -> None:
    cache = backend(serializer=form)
    assert cache.encode({"a": 1}) == b'{"a": 1}'
    assert type(cache._cache._serializer) is Json


def test_a_dotted_path() -> None:
    cache = backend(serializer="django_cachex.serializers.pickle.PickleSerializer")
    assert type(cache._cache._serializer) is PickleSerializer


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"serializer": []}, ImproperlyConfigured, "'serializer' is an empty list"),
        ({"serializer": "no.such.thing"}, ImproperlyConfigured, "cannot import 'no.such.thing'"),
        ({"serializer": "pickle.Pickle"}, ImproperlyConfigured, "cannot import 'pickle.Pickle'"),
        ({"serializer": "nodots"}, ImproperlyConfigured, "cannot import 'nodots'"),
        ({"serializer": 5}, ImproperlyConfigured, "int has no method dumps"),
        ({"serializer": object}, ImproperlyConfigured, "object has no method dumps"),
        ({"serializer": [Json, object()]}, ImproperlyConfigured, "object has no method dumps"),
        ({"compressor": Json}, ImproperlyConfigured, "Json has no method compress"),
        ({"compressor": "zlib.Zlib"}, ImproperlyConfigured, "cannot import 'zlib.Zlib'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_options_of_no_use(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        backend(**options)


@pytest.mark.parametrize("compressor", [None, [], ()])
def test_no_compressor(compressor: Any) -> None:
    assert backend(compressor=compressor)._cache._compressors == []


def test_fallbacks(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    old, new = make_cache(), make_cache(OPTIONS={"serializer": [Json, PickleSerializer]})
    call(old.set, "k", {"a": (1,)})
    assert call(new.get, "k") == {"a": (1,)}
    call(new.set, "k", {"a": [2]})
    with pytest.raises(SerializerError):
        call(old.get, "k")
    assert call(new.get, "k") == {"a": [2]}
    assert [type(each) for each in new._cache._serializers] == [Json, PickleSerializer]


def test_a_serializer_that_is_put_in_place(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    """As under Django, where the client asks its attribute each time."""
    cache = make_cache(OPTIONS={"compressor": "django_cachex.compressors.zlib.ZlibCompressor"})
    call(cache.set, "old", ["a value"])
    for _ in range(2):
        cache._cache._serializer = Json()
        call(cache.set, "new", {"a": 1})
        pipeline = cache.pipeline()
        pipeline.set("queued", {"a": 2}).get("new")
        assert pipeline.execute() == [True, {"a": 1}]
        assert call(cache.get_many, ["new", "queued"]) == {"new": {"a": 1}, "queued": {"a": 2}}
        assert call(cache.hset, "h", "f", {"a": 3}) == 1
        assert call(cache.hget, "h", "f") == {"a": 3}
        call(cache.delete, "h")
        with pytest.raises(SerializerError):
            call(cache.get, "old")
    assert call(make_cache().get, "old") == ["a value"]


def test_pickle_serializer() -> None:
    serializer = PickleSerializer()
    assert serializer.protocol == pickle.HIGHEST_PROTOCOL
    assert serializer.dumps(123) == 123
    assert serializer.loads(123) == 123
    assert serializer.loads(b"123") == 123
    for value in (True, "abc", None, Number(5)):
        assert isinstance(serializer.dumps(value), bytes)
        assert serializer.loads(serializer.dumps(value)) == value
    assert serializer.dumps([1]) == pickle.dumps([1], pickle.HIGHEST_PROTOCOL)
    assert PickleSerializer(2).dumps([1]) == pickle.dumps([1], 2)
    assert PickleSerializer(0).protocol == 0
    assert backend(serializer=PickleSerializer(2)).encode([1]) == pickle.dumps([1], 2)
    unknown = PickleSerializer(99)
    with pytest.raises(PickleSerializerError, match="ValueError") as caught:
        unknown.dumps([1])
    assert isinstance(caught.value, pickle.PicklingError)
    with pytest.raises(PickleSerializerError):
        backend(serializer=unknown).encode([1])


@pytest.mark.parametrize("value", [lambda: None, sys._getframe, (x for x in "a")], ids=str)
def test_what_cannot_be_pickled(value: Any, cache: RedisCache, call: Caller) -> None:
    value = sys._getframe() if value is sys._getframe else value
    with pytest.raises(PickleSerializerError, match=f"^cannot serialize a {type(value).__qualname__}: ") as caught:
        call(cache.set, "k", value)
    error = caught.value
    assert isinstance(error, pickle.PickleError)
    assert isinstance(error, pickle.PicklingError)
    assert isinstance(error, CachexError)
    assert error.__cause__ is not None
    assert call(cache.has_key, "k") is False


def test_what_cannot_be_unpickled(cache: RedisCache, server: Server, call: Caller) -> None:
    for data in (b"garbage", b"", b"\x80\x05.", pickle.dumps("x")[:-2], b"cno.such\nthing\n."):
        server.command("SET", cache.make_key("k"), data)
        with pytest.raises(SerializerError) as caught:
            call(cache.get, "k")
        assert isinstance(caught.value.__cause__, PickleSerializerError)
        assert caught.value.__cause__.__cause__ is not None
        with pytest.raises(SerializerError):
            call(cache.get_many, ["k"])


class OnLoad:
    """Counts how often it is unpickled, and objects."""

    loaded = 0
    error: type[BaseException] = LookupError

    def __reduce__(self) -> Any:
        return _load, ()


def _load() -> None:
    OnLoad.loaded += 1
    raise OnLoad.error("while loading")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, Explodes])
def test_no_interruption_is_swallowed(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnLoad, "error", error)
    with pytest.raises(error, match="while loading"):
        backend().decode(backend().encode(OnLoad()))

    class Interrupted:
        def __reduce__(self) -> Any:
            raise error("while dumping")

    with pytest.raises(error, match="while dumping"):
        backend().encode(Interrupted())


def test_another_serializer_at_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Duck):
        def dumps(self, obj: Any) -> Any:
            return b"other"

    path = f"{Duck.__module__}.{Duck.__qualname__}"
    before = backend(serializer=path).encode("x")
    monkeypatch.setattr(sys.modules[Duck.__module__], Duck.__qualname__, Other)
    assert backend(serializer=path).encode("x") == b"other"
    monkeypatch.undo()
    assert backend(serializer=path).encode("x") == before != b"other"


@pytest.mark.parametrize("where", ["instance", "class"])
def test_a_patched_serializer(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = backend()
    serializer = cache._cache._serializer
    before = cache.encode("v")
    target = serializer if where == "instance" else type(serializer)
    monkeypatch.setattr(target, "dumps", mock.Mock(return_value=b"patched"))
    assert cache.encode("v") == b"patched"
    monkeypatch.setattr(target, "loads", mock.Mock(return_value="patched"))
    assert cache.decode(before) == "patched"
    monkeypatch.undo()
    assert (cache.encode("v"), cache.decode(before)) == (before, "v")
    monkeypatch.setattr(serializer, "protocol", 2)
    assert cache.encode("v") == pickle.dumps("v", 2)


def test_no_interruption_is_swallowed_while_digits_are_read_back() -> None:
    class Interrupted(Duck):
        def dumps(self, obj: Any) -> Any:
            return b"12"

        def loads(self, data: bytes) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend(serializer=Interrupted).encode("x")


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_nothing_is_unpickled_twice(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnLoad, "error", error)
    monkeypatch.setattr(OnLoad, "loaded", 0)
    with pytest.raises((KeyboardInterrupt, SerializerError)):
        backend().decode(backend().encode(OnLoad()))
    assert OnLoad.loaded == 1


def test_exceptions_of_foreign_dumps_pass() -> None:
    class Broken(Duck):
        def dumps(self, obj: Any) -> Any:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        backend(serializer=Broken).encode("x")


def test_exceptions_of_foreign_loads_lead_on() -> None:
    class Broken(Duck):
        def loads(self, data: bytes) -> Any:
            raise LookupError("mine")

    assert backend(serializer=[Broken, Duck]).decode(b"x") == ("loaded", "x")
    with pytest.raises(SerializerError) as caught:
        backend(serializer=[Json, Broken]).decode(b"x")
    assert isinstance(caught.value.__cause__, LookupError)


def test_errors_of_base_serializer() -> None:
    with pytest.raises(SerializerError, match=r"^cannot serialize a set: TypeError$") as caught:
        Json().dumps({1})
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(SerializerError, match=r"^cannot read the stored bytes: JSONDecodeError$"):
        Json().loads(b"{")
    assert Json().dumps(5) == 5
    assert Json().loads(5) == 5


# Compressors


def test_compression(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(OPTIONS={"compressor": Zlib})
    value = "compressible " * 1000
    call(cache.set, "k", value)
    stored = server.command("GET", cache.make_key("k"))
    assert isinstance(stored, bytes)
    assert zlib.decompress(stored) == pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    assert call(cache.get, "k") == value
    assert call(cache.get_many, ["k"]) == {"k": value}
    call(cache.set, "n", 10**300)
    assert server.command("GET", cache.make_key("n")) == str(10**300).encode()


def test_the_minimal_length() -> None:
    plain = backend(serializer=Returns(b"a" * 256))
    assert backend(serializer=Returns(b"a" * 255), compressor=Zlib).encode("x") == b"a" * 255
    assert backend(serializer=Returns(b"a" * 256), compressor=Zlib).encode("x") == zlib.compress(b"a" * 256)
    assert backend(serializer=Returns(b"a" * 256), compressor=Zlib(min_length=257)).encode("x") == plain.encode("x")
    assert backend(serializer=Returns(b"a" * 20), compressor=Zlib(min_length=0)).encode("x") == zlib.compress(b"a" * 20)
    assert Zlib().compress(b"a" * 255) == b"a" * 255
    assert Zlib(min_length=3).min_length == 3
    assert Zlib.min_length == 256


def test_what_does_not_get_smaller_is_left_alone() -> None:
    noise = bytes(range(256))
    assert len(Zlib().compress(noise)) > 256, "the rule is the codec's, not the compressor's"
    assert backend(serializer=Returns(noise), compressor=Zlib).encode("x") == noise


def test_compressors_fall_back(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    plain, one, both = (make_cache(OPTIONS={"compressor": compressor}) for compressor in (None, Zlib, [Reversed, Zlib]))
    value = "x" * 1000
    for writer in (plain, one, both):
        call(writer.set, "k", value)
        assert call(both.get, "k") == value


def test_failing_compressors() -> None:
    class Broken(BaseCompressor):
        min_length = 0

        def _compress(self, data: bytes) -> bytes:
            raise LookupError("mine")

        def _decompress(self, data: bytes) -> bytes:
            raise LookupError("mine")

    with pytest.raises(CompressorError, match=r"^cannot compress: LookupError$") as caught:
        backend(compressor=Broken).encode("x")
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(CompressorError, match=r"^cannot decompress: LookupError$"):
        Broken().decompress(b"x")
    assert backend(compressor=Broken).decode(pickle.dumps("x")) == "x", "a failing decompress means: not mine"


def test_compressors_that_know_nothing_of_this_package() -> None:
    class Foreign:
        def compress(self, data: bytes) -> bytes:
            return zlib.compress(data)

        def decompress(self, data: bytes) -> bytes:
            return zlib.decompress(data)

    cache = backend(compressor=Foreign)
    assert cache.encode("x" * 100) == zlib.compress(pickle.dumps("x" * 100, pickle.HIGHEST_PROTOCOL))
    assert cache.decode(cache.encode("x" * 100)) == "x" * 100


def test_a_bomb_is_an_error_at_once() -> None:
    class Bomb(BaseCompressor):
        def _decompress(self, data: bytes) -> bytes:
            raise ValueTooLargeError("too large")

    with pytest.raises(ValueTooLargeError):
        backend(compressor=[Bomb, Zlib]).decode(pickle.dumps("x"))
    with pytest.raises(ValueTooLargeError):
        backend(compressor=Bomb, on_undecodable="miss").decode(pickle.dumps("x"))


# Fractions


@pytest.mark.parametrize(("data", "value"), [(b"1.5", 1.5), (b"-0.25", -0.25), (b"10.000", 10.0), (b"0.1", 0.1)])
def test_decimal_fractions(data: bytes, value: float) -> None:
    assert backend().decode(data) == value
    assert type(backend().decode(data)) is float


@pytest.mark.parametrize("data", [b"1.", b".5", b"1.5e3", b"1.5.5", b"inf", b"nan", b"1,5", b"+1.5", b"-.5", b" 1.5"])
def test_no_decimal_fractions(data: bytes) -> None:
    with pytest.raises(SerializerError):
        backend().decode(data)


class _Zlib(BaseCompressor):
    def _compress(self, data: bytes) -> bytes:
        return zlib.compress(data)

    def _decompress(self, data: bytes) -> bytes:
        return zlib.decompress(data)


def test_what_decompresses_to_too_much_is_refused(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    value = "x" * 5000
    call(make_cache(OPTIONS={"compressor": _Zlib}).set, "k", value)
    assert call(make_cache(OPTIONS={"compressor": _Zlib, "max_decompressed_size": 6000}).get, "k") == value
    small = make_cache(OPTIONS={"compressor": _Zlib, "max_decompressed_size": 4000})
    with pytest.raises(ValueTooLargeError, match=r"more than max_decompressed_size \(4000\)"):
        call(small.get, "k")
    with pytest.raises(ValueTooLargeError):
        call(small.get_many, ["k"])


def test_set_many_encodes_each_value_once(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    encoded: list[Any] = []

    class Counting(Json):
        def _dumps(self, obj: Any) -> bytes:
            encoded.append(obj)
            return super()._dumps(obj)

    cache = make_cache(OPTIONS={"serializer": Counting})
    # A key that is no str has to take the long way.
    call(cache.set_many, {"a": "one", 2: "two"}, 60)
    assert encoded == ["one", "two"]
    assert call(cache.get_many, ["a", 2]) == {"a": "one", 2: "two"}


@pytest.mark.parametrize("limit", [0, 640, 4300, 10_000])
def test_long_integers_at_any_limit_of_the_interpreter(
    make_cache: Callable[..., RedisCache], call: Caller, limit: int
) -> None:
    cache = make_cache()
    usual = sys.get_int_max_str_digits()
    values = [sign * 10**digits for digits in (600, 1000, 4299, 4300, 5000) for sign in (1, -1)]
    sys.set_int_max_str_digits(limit)
    try:
        for value in values:
            call(cache.set, "k", value)
            assert call(cache.get, "k") == value
    finally:
        sys.set_int_max_str_digits(usual)


def test_not_implemented_is_a_value(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache()
    call(cache.set, "k", NotImplemented)
    assert call(cache.get, "k") is NotImplemented
    assert call(cache.get_many, ["k", "missing"]) == {"k": NotImplemented}


def test_a_serializer_that_gives_a_huge_integer(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    class Huge:
        def dumps(self, obj: Any) -> Any:
            return 10**5000

        def loads(self, data: Any) -> Any:
            return int(data)

    with pytest.raises(SerializerError, match="more than 4300 digits"):
        call(make_cache(OPTIONS={"serializer": Huge}).set, "k", "v")


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_compressor_that_gives_other_bytes(make_cache: Callable[..., RedisCache], kind: Any) -> None:
    class Odd:
        def compress(self, data: bytes) -> Any:
            return kind(zlib.compress(data))

        def decompress(self, data: bytes) -> Any:
            return kind(zlib.decompress(data))

    cache = make_cache(OPTIONS={"compressor": Odd})
    stored = cache.encode("x" * 1000)
    assert type(stored) is bytes
    assert cache.decode(stored) == "x" * 1000


def test_what_replaces_bytes_that_count_as_missing(
    make_cache: Callable[..., RedisCache], server: Server, call: Caller
) -> None:
    cache = make_cache(OPTIONS={"on_undecodable": "miss"})
    server.command("SET", cache.make_key("k"), b"\x00")
    made = iter(range(10))
    for _ in range(3):
        assert call(cache.get_or_set, "k", lambda: next(made)) == 0
    assert call(cache.get, "k") == 0


def test_the_largest_value_does_not_limit_scripts(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache(OPTIONS={"max_value_size": 100})
    call(cache.set, "n", 1)
    call(cache._cache.get_client(write=True).script_flush) if not call.is_async else None
    assert call(cache.incr, "n") == 2
    assert call(cache.eval_script, "return 1 -- " + "x" * 200) == 1
    p: Any = cache.apipeline() if call.is_async else cache.pipeline()
    p.incr("n")
    assert (call.run(p.execute()) if call.is_async else p.execute()) == [3]
    with pytest.raises(ValueTooLargeError):
        call(cache.set, "n", 10**150)
