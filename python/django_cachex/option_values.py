"""The kinds of values that options take: how each is checked, normalised, and read from the text of a URL."""

from __future__ import annotations

import codecs
import os
import re
import socket
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

__all__ = [
    "LARGEST_SIZE",
    "Kind",
    "UnfitError",
    "anything",
    "backoff",
    "boolean",
    "certificate_checks",
    "ciphers",
    "credentials",
    "default_keepalive",
    "driver",
    "exactly_false",
    "hook",
    "integer",
    "keepalive_options",
    "mapping",
    "one_of",
    "path",
    "pem",
    "resolve",
    "retries",
    "seconds",
    "sequence",
    "text",
    "tls_version",
    "token",
    "utf8",
]

# Far beyond any sensible limit, and small enough for every clock and every integer that the value is turned into.
LONGEST = 10 * 365 * 24 * 3600
LARGEST = 2**31 - 1
LARGEST_SIZE = 2**62

TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
FALSE = frozenset({"0", "f", "false", "n", "no"})


class UnfitError(Exception):
    """A value is not of the kind that its option takes; the text completes "must be ..."."""


def _no_text(_: str) -> Any:
    """Refuse values that a URL has no way to write down."""
    raise UnfitError("given in OPTIONS, a URL cannot express it")


def _same(value: str) -> Any:
    return value


class Kind(NamedTuple):
    """A kind of value.

    Attributes:
        check: returns the normalised value, or raises ``UnfitError``.
        read: turns the text of a URL's query parameter into what ``check`` takes, or raises ``UnfitError``.
    """

    check: Callable[[Any], Any]
    read: Callable[[str], Any] = _no_text


def _number(value: Any, low: float, high: float) -> bool:
    # bool is an int in Python and never a sensible number here; NaN fails both comparisons.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_none(value: str) -> bool:
    return value.lower() in ("none", "null")


def seconds(*, zero: bool = False, none: bool = True) -> Kind:
    """Return the kind of a time span in seconds, normalised to float.

    Args:
        zero: whether 0 is a value.
        none: whether ``None`` (no limit) is a value.
    """
    expected = f"a number of seconds{' from 0' if zero else ' greater than 0'}{', or None' if none else ''}"

    def check(value: Any) -> float | None:
        if value is None and none:
            return None
        if _number(value, 0, LONGEST) and (zero or value > 0):
            return float(value)
        raise UnfitError(expected)

    def read(value: str) -> float | None:
        if none and _is_none(value):
            return None
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", value, re.ASCII):
            return float(value)
        raise UnfitError(expected)

    return Kind(check, read)


def integer(low: int = 0, high: int = LARGEST, *, none: bool = False, digits: bool = False) -> Kind:
    """Return the kind of an int between two bounds, both included.

    Args:
        low: the smallest value.
        high: the largest value.
        none: whether ``None`` is a value.
        digits: whether a string of digits is accepted in ``OPTIONS`` too, and normalised to int.
    """
    span = f"from {low}" if high in (LARGEST, LARGEST_SIZE) else f"from {low} to {high}"
    expected = f"an integer {span}{' or a string of digits' if digits else ''}{', or None' if none else ''}"

    def check(value: Any) -> int | None:
        if value is None and none:
            return None
        if digits and isinstance(value, str):
            value = read(value)
        if isinstance(value, int) and _number(value, low, high):
            return int(value)
        raise UnfitError(expected)

    def read(value: str) -> int | None:
        if none and _is_none(value):
            return None
        if re.fullmatch(r"[+-]?\d{1,20}", value.strip(), re.ASCII):
            return int(value)
        raise UnfitError(expected)

    return Kind(check, read)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise UnfitError("True or False")


def _read_boolean(value: str) -> bool:
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise UnfitError("true or false (1 t true y yes on, or 0 f false n no)")


def _false(value: Any) -> bool:
    if value is False:
        return False
    raise UnfitError("False: values are decoded by the serializer")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise UnfitError("a string, or None")


def _token(value: Any) -> str | None:
    # The server refuses such a name for CLIENT SETNAME and SETINFO, and then every connection would fail.
    if value is None or (isinstance(value, str) and re.fullmatch(r"[!-~]+", value)):
        return value
    raise UnfitError("a string of printable ASCII characters without spaces, or None")


def _path(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str) and path:
            return path
    raise UnfitError("the path of a file or directory, or None")


def _pem(value: Any) -> str | bytes | None:
    if isinstance(value, str) and value:
        # It has to be ASCII anyway; what cannot be encoded cannot be handed over.
        return value.encode("utf-8", "replace").decode()
    if value is None or (isinstance(value, bytes) and value):
        return value
    raise UnfitError("certificates as a PEM string or DER bytes, or None")


def _utf8(value: Any) -> str:
    name = None
    if isinstance(value, str):
        try:
            name = codecs.lookup(value).name
        except (LookupError, ValueError):
            name = None
    if name != "utf-8":
        raise UnfitError("'utf-8'")
    return name


def one_of(*values: Any, read: Callable[[str], Any] = _same) -> Kind:
    """Return the kind of a value from a short list, compared with its type."""
    expected = f"{', '.join(map(repr, values[:-1]))} or {values[-1]!r}"

    def check(value: Any) -> Any:
        for candidate in values:
            if type(value) is type(candidate) and value == candidate:
                return candidate
        raise UnfitError(expected)

    return Kind(check, read)


def _backoff(value: Any) -> tuple[float, float]:
    if isinstance(value, (list, tuple)) and len(value) == 2:  # noqa: PLR2004 - a pair
        first, last = value
        if _number(first, 0, LONGEST) and _number(last, 0, LONGEST) and first <= last:
            return float(first), float(last)
    raise UnfitError("a pair (first, last) of seconds, first not above last")


def _keepalive_options(value: Any) -> tuple[tuple[int, int], ...] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        pairs = tuple(value.items())
        if all(_number(k, 0, LARGEST) and _number(v, 0, LARGEST) for k, v in pairs) and all(
            isinstance(number, int) for pair in pairs for number in pair
        ):
            return tuple(sorted((int(k), int(v)) for k, v in pairs))
    raise UnfitError("a dict of socket.TCP_* numbers to integers, or None")


def default_keepalive() -> tuple[tuple[int, int], ...]:
    """Return idle 15 s, interval 5 s, count 3 as ``(TCP_* option, value)`` pairs, as far as the platform has them."""
    # macOS calls the idle time TCP_KEEPALIVE.
    idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
    wanted = ((idle, 15), (getattr(socket, "TCP_KEEPINTVL", None), 5), (getattr(socket, "TCP_KEEPCNT", None), 3))
    return tuple(sorted((option, value) for option, value in wanted if option is not None))


def _retries(value: Any) -> int:
    # redis-py's Retry: `get_retries()` since 5.1, the attribute before.
    if callable(getattr(value, "get_retries", None)):
        value = value.get_retries()
    elif hasattr(value, "_retries"):
        value = value._retries  # noqa: SLF001 - redis-py 5.0 has no other way to ask
    if isinstance(value, int) and _number(value, 0, LARGEST):
        return int(value)
    raise UnfitError("an integer from 0, or redis-py's Retry with a count from 0")


# `ssl` takes longer to import than this package: constants of it are recognised by their names.


def _certificate_checks(value: Any) -> str:
    # The plain integers 0 to 2 equal the constants of `ssl`; an `ssl.VerifyMode` says what it means.
    if type(value).__name__ == "VerifyMode":
        return str(value.name).removeprefix("CERT_").lower()
    name = value.lower() if isinstance(value, str) else value
    if name is None or name in ("none", "optional", "required"):
        return name or "none"
    raise UnfitError("'required', 'optional', 'none', None or one of ssl.CERT_*")


def _tls_version(value: Any) -> str:
    versions = {"TLSv1_2": "1.2", "TLSv1_3": "1.3"}
    if type(value).__name__ == "TLSVersion" and value.name in versions:
        return versions[value.name]
    raise UnfitError("ssl.TLSVersion.TLSv1_2 or ssl.TLSVersion.TLSv1_3")


def _read_tls_version(value: str) -> ssl.TLSVersion:
    import ssl  # noqa: PLC0415 - see above

    # redis-py's URLs give the number of the constant.
    versions = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "tlsv1_2": ssl.TLSVersion.TLSv1_2,
        "771": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
        "tlsv1_3": ssl.TLSVersion.TLSv1_3,
        "772": ssl.TLSVersion.TLSv1_3,
    }
    found = versions.get(value.lower())
    if found is None:
        raise UnfitError("1.2 or 1.3")
    return found


def _ciphers(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        names = tuple(name for name in (part.strip() for part in value.split(":")) if name)
        if names:
            return names
    raise UnfitError("names of cipher suites in a string, separated by ':', or None")


def _driver(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    name, version = getattr(value, "formatted_name", None), getattr(value, "lib_version", None)
    if isinstance(name, str):
        return _token(name), _token(version)
    raise UnfitError("an object with formatted_name, or None")


def resolve(path: str, option: str) -> Any:
    """Import what a dotted path names.

    Args:
        path: the dotted path.
        option: the option it was given for, for the message.

    Raises:
        ImproperlyConfigured: it cannot be imported; the cause is chained.
    """
    try:
        return import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"Option {option!r}: cannot import {path!r}: {error}") from error


# One bound method per provider: the engine compares hooks by identity, and equal settings have to share sockets.
_hooks: weakref.WeakValueDictionary[int, _Provider] = weakref.WeakValueDictionary()


class _Provider:
    """Asks an application's credential provider, and keeps it alive."""

    __slots__ = ("__weakref__", "_ask", "_target")

    def __init__(self, target: Any) -> None:
        self._target = target
        provider = target() if isinstance(target, type) else target
        ask = getattr(provider, "get_credentials", None)
        self._ask: Callable[[], object] = ask if callable(ask) else provider

    def __call__(self) -> object:
        return self._ask()

    def is_for(self, target: Any) -> bool:
        return self._target is target

    def __repr__(self) -> str:
        return f"<credentials of {type(self._target).__name__}>"


def _credentials(value: Any) -> Callable[[], object] | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = resolve(value, "credential_provider")
    has_method = callable(getattr(value, "get_credentials", None))
    if not has_method and (isinstance(value, type) or not callable(value)):
        raise UnfitError("an object with get_credentials(), a callable, or the dotted path of one")
    known = _hooks.get(id(value))
    if known is None or not known.is_for(value):
        known = _hooks[id(value)] = _Provider(value)
    return known


def _hook(value: Any) -> Any:
    if isinstance(value, str):
        value = resolve(value, "address_remap")
    if value is None or callable(value):
        return value
    raise UnfitError("a callable or the dotted path of one, or None")


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    raise UnfitError("a dict")


def _sequence(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and value:
        return value
    raise UnfitError("a list that is not empty")


anything = Kind(lambda value: value)
backoff = Kind(_backoff)
boolean = Kind(_boolean, _read_boolean)
certificate_checks = Kind(_certificate_checks, lambda value: None if _is_none(value) else value)
ciphers = Kind(_ciphers, _same)
credentials = Kind(_credentials)
driver = Kind(_driver)
exactly_false = Kind(_false, _read_boolean)
hook = Kind(_hook)
keepalive_options = Kind(_keepalive_options)
mapping = Kind(_mapping)
path = Kind(_path, _same)
pem = Kind(_pem, _same)
retries = Kind(_retries, integer().read)
sequence = Kind(_sequence)
text = Kind(_text, _same)
tls_version = Kind(_tls_version, _read_tls_version)
token = Kind(_token, _same)
utf8 = Kind(_utf8, _same)
