"""The serializers of this package: what comes back, what is refused, and what is never executed."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import importlib
import json
import pickle
import subprocess
import sys
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

import django_redis.serializers.json
import django_redis.serializers.msgpack
import msgpack
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signing import BadSignature
from django.test import override_settings
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from django_cachex.cache import RedisCache
from django_cachex.exceptions import PickleSerializerError, SerializerError
from django_cachex.serializers.json import JsonSerializer
from django_cachex.serializers.msgpack import MsgpackSerializer
from django_cachex.serializers.orjson import OrjsonSerializer
from django_cachex.serializers.ormsgpack import OrmsgpackSerializer
from django_cachex.serializers.pickle import PickleSerializer
from django_cachex.serializers.signed import SignedPickleSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.serializers import BaseSerializer
    from tests.caller import Caller
    from tests.servers import Server

ALL = [
    PickleSerializer,
    JsonSerializer,
    MsgpackSerializer,
    OrjsonSerializer,
    OrmsgpackSerializer,
    SignedPickleSerializer,
]
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Size(enum.IntEnum):
    SMALL = 3
    DIGIT = 48


def backend(**options: Any) -> RedisCache:
    return RedisCache("redis://nowhere.invalid", {"OPTIONS": options})


def path(serializer: type[Any]) -> str:
    return f"{serializer.__module__}.{serializer.__qualname__}"


# All of them

# Of types that every format knows, and of numbers that each of them holds: orjson writes infinity as null.
plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("serializer", ALL)
@given(value=plain_values)
def test_plain_values_come_back(serializer: type[BaseSerializer], value: Any) -> None:
    cache = backend(serializer=serializer)
    found = cache.decode(cache.encode(value))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("serializer", ALL)
def test_every_serializer_on_a_server(
    serializer: type[BaseSerializer], make_cache: Callable[..., RedisCache], server: Server, call_anyhow: Caller
) -> None:
    cache = make_cache(OPTIONS={"serializer": path(serializer)})
    for value in (True, False, None, "text", "12", 1.5, [1, "a", None], {"a": {"b": [True]}}):
        call_anyhow(cache.set, "k", value)
        found = call_anyhow(cache.get, "k")
        assert found == value
        assert type(found) is type(value)
    call_anyhow(cache.set, "n", 7)
    assert server.command("GET", cache.make_key("n")) == b"7"
    assert call_anyhow(cache.incr, "n", 5) == 12
    assert call_anyhow(cache.get_many, ["k", "n", "missing"]) == {"k": {"a": {"b": [True]}}, "n": 12}


@pytest.mark.parametrize("serializer", ALL)
def test_exact_ints_pass_through(serializer: type[BaseSerializer]) -> None:
    made = serializer()
    assert made.dumps(123) == 123
    assert made.loads(123) == 123
    for value in (True, "abc", None):
        stored = made.dumps(value)
        assert isinstance(stored, bytes)
        assert made.loads(stored) == value


@pytest.mark.parametrize("serializer", ALL)
def test_integers_of_other_types_come_back_equal(serializer: type[BaseSerializer]) -> None:
    cache = backend(serializer=serializer)
    for value in Size:
        assert cache.decode(cache.encode(value)) == value


@pytest.mark.parametrize("serializer", ALL)
def test_what_cannot_be_written(serializer: type[BaseSerializer]) -> None:
    with pytest.raises(SerializerError, match=r"^cannot serialize a function: ") as caught:
        serializer().dumps(lambda: None)
    assert caught.value.__cause__ is not None
    with pytest.raises(SerializerError):
        backend(serializer=serializer).encode({"a": [lambda: None]})


class Quoted:
    """Raises what json and pickle raise since Python 3.14."""

    def __reduce__(self) -> Any:
        error = RuntimeError("no")
        error.add_note("when serializing Quoted state")
        error.add_note("when serializing dict item 'a s3cret item '")
        error.add_note("said by the application")
        raise error


@pytest.mark.parametrize("serializer", [None, *ALL])
def test_notes_quote_no_keys(serializer: type[BaseSerializer] | None) -> None:
    cache = backend(serializer=serializer)
    for value in (Quoted(), {"s3cret": Quoted()}, {"s3cret": [lambda: None]}):
        with pytest.raises(SerializerError) as caught:
            cache.encode(value)
        cause = caught.value.__cause__
        assert cause is not None
        notes = getattr(cause, "__notes__", [])
        assert not any("s3cret" in note for note in notes)
        if isinstance(cause, RuntimeError):
            assert notes[:3] == [
                "when serializing Quoted state",
                "when serializing dict item",
                "said by the application",
            ]


@pytest.mark.parametrize("serializer", ALL)
def test_what_refers_to_itself(serializer: type[BaseSerializer]) -> None:
    endless: list[Any] = []
    endless.append(endless)
    if serializer in (PickleSerializer, SignedPickleSerializer):
        found = serializer().loads(serializer().dumps(endless))
        assert found[0] is found
    else:
        with pytest.raises(SerializerError):
            serializer().dumps(endless)


@pytest.mark.parametrize("serializer", ALL)
@given(data=st.binary())
def test_any_bytes_are_a_value_or_an_error(serializer: type[BaseSerializer], data: bytes) -> None:
    if serializer is PickleSerializer:
        # Random bytes may be a pickle that does anything.
        data = b"\xff" + data
    try:
        serializer().loads(data)
    except SerializerError as error:
        assert str(error).startswith("cannot read the stored bytes: ")  # noqa: PT017 - not always raised


@pytest.mark.parametrize("serializer", ALL)
@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"[" * 100_000, b"\x91" * 100_000, b"\x00\x00\x00{"], ids=["empty", "c1", "[", "91", "{"]
)
def test_no_value_in_any_format(serializer: type[BaseSerializer], data: bytes) -> None:
    with pytest.raises(SerializerError):
        serializer().loads(data)


@pytest.mark.parametrize("name", ["msgpack", "orjson", "ormsgpack"])
def test_a_missing_package_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    module = f"django_cachex.serializers.{name}"
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ImportError, match=rf"django-cachex\[{name}\]"):
        importlib.import_module(module)
    with pytest.raises(ImportError, match=rf"django-cachex\[{name}\]"):
        backend(serializer=f"{module}.{name.capitalize()}Serializer").encode("x")


def test_serializers_are_imported_when_configured() -> None:
    code = (
        "import sys, django_cachex.cache, django_cachex.serializers, django_cachex.compressors\n"
        "found = {'msgpack', 'orjson', 'ormsgpack', 'django_cachex.compressors.native'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"DJANGO_SETTINGS_MODULE": "tests.django_settings"})


@pytest.mark.parametrize("serializer", [JsonSerializer, MsgpackSerializer, OrjsonSerializer, OrmsgpackSerializer])
def test_what_follows_a_value_is_an_error(serializer: type[BaseSerializer]) -> None:
    stored = serializer().dumps({"a": [1]})
    assert isinstance(stored, bytes)
    for more in (stored, b"\x00", b"\xc4\x10" + bytes(16)):
        with pytest.raises(SerializerError):
            serializer().loads(stored + more)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(SerializerError):
            serializer().loads(pickle.dumps({"a": [1]}, protocol))


# JSON

DJANGO_VALUES = [
    dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC),
    dt.date(2026, 11, 23),
    dt.time(12, 30),
    dt.timedelta(days=1, seconds=5),
    decimal.Decimal("1.10"),
    uuid.UUID(int=1),
    gettext_lazy("Monday"),
]


@pytest.mark.parametrize("value", DJANGO_VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("serializer", [JsonSerializer, OrjsonSerializer, OrmsgpackSerializer])
def test_django_types_become_text(serializer: type[BaseSerializer], value: Any) -> None:
    found = serializer().loads(serializer().dumps([value]))
    expected = json.loads(json.dumps([value], cls=DjangoJSONEncoder))
    if isinstance(value, dt.datetime) and serializer is not JsonSerializer:
        expected = [value.isoformat()]
    assert found == expected


@pytest.mark.parametrize("serializer", [JsonSerializer, OrjsonSerializer])
def test_keys_of_json_become_text(serializer: type[BaseSerializer]) -> None:
    assert serializer().loads(serializer().dumps({1: "a", None: "b"})) == {"1": "a", "null": "b"}


def test_an_encoder_of_ones_own() -> None:
    class Sets(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return sorted(o) if isinstance(o, set) else super().default(o)

    serializer = JsonSerializer(encoder_class=Sets)
    assert serializer.encoder_class is Sets
    assert serializer.dumps({2, 1}) == b"[1, 2]"
    with pytest.raises(SerializerError):
        serializer.dumps(decimal.Decimal(1))
    assert JsonSerializer().encoder_class is DjangoJSONEncoder


@given(plain_values)
def test_json_as_django_redis_writes_it(value: Any) -> None:
    theirs, ours = django_redis.serializers.json.JSONSerializer({}), backend(serializer=JsonSerializer)
    if type(value) is not int:
        assert ours.encode(value) == theirs.dumps(value)
    assert ours.decode(theirs.dumps(value)) == value


# MessagePack


@pytest.mark.parametrize(
    "value",
    [
        *DJANGO_VALUES,
        dt.datetime(2026, 11, 23, 12, 30, 0, 123456),  # noqa: DTZ001 - a naive one
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
        dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),
        dt.datetime.max.replace(tzinfo=dt.UTC),
        dt.date.min,
        dt.time(1, 2, 3, 4),
        dt.time(1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        dt.time(23, fold=1),
        dt.timedelta.max,
        dt.timedelta.min,
        -dt.timedelta(microseconds=1),
        decimal.Decimal("-0.00"),
        decimal.Decimal("1E+1000"),
        decimal.Decimal("Infinity"),
        set(),
        {1, "a", None, (1, (2,)), frozenset({3})},
        frozenset({1, 2}),
        {"nested": [{"deeper": {dt.date(2026, 1, 1)}}]},
        {1: "a", (1, 2): "b", (1, (2, 3)): "c", None: "d", 1.5: "e", b"f": "f", frozenset({1}): "g"},
        [{(1, 2): {(3,): [4]}}],
        [2**64, -(2**63) - 1, 10**5000, -(10**5000)],
        mark_safe("<b>"),
        b"bytes",
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_msgpack_with_the_types_of_python(value: Any) -> None:
    cache = backend(serializer=MsgpackSerializer)
    found = cache.decode(cache.encode(value))
    assert found == value
    if isinstance(value, (dt.datetime, dt.time)):
        assert (found.tzinfo, found.fold) == (value.tzinfo, value.fold)
    if not isinstance(value, str) and value is not DJANGO_VALUES[-1]:
        assert type(found) is type(value)


def test_msgpack_knows_tuples_as_lists() -> None:
    cache = backend(serializer=MsgpackSerializer)
    assert cache.decode(cache.encode((1, (2,)))) == [1, [2]]


@given(
    st.datetimes(timezones=st.none() | st.timezones())
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.integers()
    | st.frozensets(st.text() | st.integers() | st.tuples(st.binary()))
)
def test_msgpack_with_any_of_them(value: Any) -> None:
    cache = backend(serializer=MsgpackSerializer)
    assert cache.decode(cache.encode([value])) == [value]


@given(plain_values)
def test_msgpack_as_django_redis_writes_it(value: Any) -> None:
    theirs, ours = django_redis.serializers.msgpack.MSGPackSerializer({}), MsgpackSerializer()
    assert ours.loads(theirs.dumps(value)) == value
    stored = ours.dumps(value)
    if isinstance(stored, bytes):
        assert theirs.loads(stored) == value


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb(msgpack.ExtType(99, b"")),
        msgpack.packb(msgpack.ExtType(1, b"")),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["no date", None, 0]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["2026-01-01", "../../etc/passwd", 0]))),
        msgpack.packb(msgpack.ExtType(2, b"\xff")),
        msgpack.packb(msgpack.ExtType(4, msgpack.packb([10**12, 0, 0]))),
        msgpack.packb(msgpack.ExtType(5, b"1.2.3")),
        msgpack.packb(msgpack.ExtType(6, b"short")),
        msgpack.packb(msgpack.ExtType(7, msgpack.packb([{}]))),
        msgpack.packb(msgpack.ExtType(7, msgpack.packb(7))),
        b"\x81\x80\x01",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc0\xc0",
    ],
    ids=repr,
)
def test_msgpack_that_means_nothing(data: bytes) -> None:
    with pytest.raises(SerializerError):
        MsgpackSerializer().loads(data)


# Signed pickle


class Planted:
    """Tells when it is unpickled."""

    executed = False

    def __reduce__(self) -> Any:
        return _execute, ()


def _execute() -> str:
    Planted.executed = True
    return "executed"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(Planted, "executed", False)
    return pickle.dumps(Planted())


def test_signed_values_come_back() -> None:
    serializer = SignedPickleSerializer()
    value = {"a": (1, {2})}
    stored = serializer.dumps(value)
    assert isinstance(stored, bytes)
    assert stored.endswith(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    assert serializer.loads(stored) == value
    assert serializer.dumps(value) == stored, "equal values are equal members"
    assert (serializer.protocol, serializer.salt) == (pickle.HIGHEST_PROTOCOL, "django_cachex")
    assert SignedPickleSerializer(2).protocol == 2
    assert SignedPickleSerializer(2).loads(stored) == value


def test_nothing_unsigned_is_unpickled(planted: bytes) -> None:
    signed = SignedPickleSerializer()
    stored = signed.dumps("x")
    assert isinstance(stored, bytes)
    for data in (
        planted,
        stored[:40] + planted,
        stored[:39] + planted,
        b"signed1:" + planted,
        b"signed1:" + b"\0" * 32 + planted,
        b"signed1:",
        b"",
    ):
        with pytest.raises(SerializerError) as caught:
            signed.loads(data)
        assert isinstance(caught.value.__cause__, BadSignature)
        assert not Planted.executed
        with pytest.raises(SerializerError):
            backend(
                serializer=SignedPickleSerializer, compressor="django_cachex.compressors.zstd.ZstdCompressor"
            ).decode(data)
        assert not Planted.executed
    assert PickleSerializer().loads(planted) == "executed", "it would have been"


@pytest.mark.parametrize("serializer", [JsonSerializer, MsgpackSerializer, OrjsonSerializer, OrmsgpackSerializer])
@pytest.mark.parametrize("on_undecodable", ["raise", "miss"])
def test_a_planted_pickle_is_not_executed(
    serializer: type[BaseSerializer],
    on_undecodable: str,
    planted: bytes,
    make_cache: Callable[..., RedisCache],
    server: Server,
    call: Caller,
) -> None:
    options = {"serializer": [serializer, SignedPickleSerializer], "on_undecodable": on_undecodable}
    cache = make_cache(OPTIONS=options)
    server.command("SET", cache.make_key("k"), planted)
    if on_undecodable == "miss":
        assert call(cache.get, "k", "default") == "default"
        assert call(cache.get_many, ["k"]) == {}
    else:
        calls: list[tuple[Any, ...]] = [(cache.get, "k"), (cache.get_many, ["k"]), (cache.get_or_set, "k", 1)]
        for method, *args in calls:
            with pytest.raises(SerializerError):
                call(method, *args)
    assert not Planted.executed


def test_every_flipped_bit_breaks_the_signature() -> None:
    signed = SignedPickleSerializer()
    stored = signed.dumps("some text")
    assert isinstance(stored, bytes)
    for bit in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SerializerError):
            signed.loads(bytes(flipped))
    for end in range(len(stored)):
        with pytest.raises(SerializerError):
            signed.loads(stored[:end])


def test_keys_are_rotated() -> None:
    signed = SignedPickleSerializer()
    with override_settings(SECRET_KEY="old"):
        stored = signed.dumps("x")
    with override_settings(SECRET_KEY="new"):
        with pytest.raises(SerializerError):
            signed.loads(stored)
        with override_settings(SECRET_KEY_FALLBACKS=["other", "old"]):
            assert signed.loads(stored) == "x"
            assert signed.dumps("x") != stored


def test_purposes_are_kept_apart() -> None:
    stored = SignedPickleSerializer(salt="sessions").dumps("x")
    assert SignedPickleSerializer(salt="sessions").loads(stored) == "x"
    with pytest.raises(SerializerError):
        SignedPickleSerializer().loads(stored)


def test_what_cannot_be_pickled_is_an_error_of_pickle() -> None:
    with pytest.raises(PickleSerializerError):
        SignedPickleSerializer().dumps(sys._getframe())


def test_no_secret_key() -> None:
    with override_settings(SECRET_KEY=""), pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        SignedPickleSerializer()
