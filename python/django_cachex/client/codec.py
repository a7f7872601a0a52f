"""``OPTIONS["serializer"]`` and ``OPTIONS["compressor"]`` as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_cachex._core import Codec
from django_cachex.serializers.pickle import PickleSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.settings import Settings

__all__ = ["build_codec"]

type Maker = Callable[[], Any]


def build_codec(settings: Settings) -> tuple[list[Any], list[Any], Codec]:
    """Return new serializers and compressors as the settings name them, and the codec that uses them.

    Raises:
        ImproperlyConfigured: a name or an object is of no use.
        ImportError: an optional package is missing.
    """
    shared: tuple[list[Any], list[Any], Codec] | None = settings.memo.get("codec")
    if shared is not None:
        return shared
    makers = settings.memo.get("makers")
    if makers is None:
        options = settings.cache_options
        makers = settings.memo["makers"] = (
            _makers("serializer", options.get("serializer"), ("dumps", "loads"), default=PickleSerializer),
            _makers("compressor", options.get("compressor"), ("compress", "decompress"), default=None),
        )
    serializers, compressors = ([make() for make in group] for group in makers)
    built = serializers, compressors, Codec(serializers, compressors, settings.max_decompressed_size)
    # An application's serializer may keep state and expect, as under Django, to belong to one client. Ours do not.
    if all(type(made).__module__.startswith("django_cachex.") for made in (*serializers, *compressors)):
        settings.memo["codec"] = built
    return built


def _makers(option: str, value: object, methods: tuple[str, ...], default: type[Any] | None) -> list[Maker]:
    if value is None:
        return [] if default is None else [default]
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values and default is not None:
        raise ImproperlyConfigured(f"Option {option!r} is an empty list; at least one is needed to write with")
    return [_maker(option, item, methods) for item in values]


def _maker(option: str, value: object, methods: tuple[str, ...]) -> Maker:
    target = _imported(option, value) if isinstance(value, str) else value
    try:
        made = _made(target, methods)
    except TypeError as error:
        raise ImproperlyConfigured(f"Option {option!r}: cannot make an object of {target!r}: {error}") from error
    for method in methods:
        if not callable(getattr(made, method, None)):
            raise ImproperlyConfigured(f"Option {option!r}: {type(made).__qualname__} has no method {method}()")
    min_length = getattr(made, "min_length", 0)
    if option == "compressor" and (type(min_length) is not int or min_length < 0):
        raise ImproperlyConfigured(f"Option {option!r}: min_length of {type(made).__qualname__} is no number of bytes")
    if isinstance(value, str) and not value.startswith("django_cachex."):
        # Tests put something else in its place, and Django looks at each client what is there.
        return lambda: _made(import_string(value), methods)
    return lambda: _made(target, methods)


def _imported(option: str, path: str) -> object:
    try:
        return import_string(path)
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(f"Option {option!r}: cannot import {path!r}: {error}") from error
    except ImportError as error:
        # A module of ours that lacks its package says which extra to install.
        if error.__cause__ is not None and isinstance(error.__cause__, (AttributeError, ValueError)):
            raise ImproperlyConfigured(f"Option {option!r}: cannot import {path!r}: {error}") from error
        raise


def _made(target: Any, methods: tuple[str, ...]) -> Any:
    # An instance may be callable besides; a class has the methods too.
    ready = not isinstance(target, type) and all(hasattr(target, method) for method in methods)
    return target() if callable(target) and not ready else target
