"""A cache's client, and the native shortcuts past the methods of both as long as nobody has replaced one."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from django.core.exceptions import ImproperlyConfigured

from django_cachex.client.default import KeyValueCacheClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django_cachex import _core

__all__ = ["ClientOwner"]

# Made once for each object, and of no use to another.
_BOUND = frozenset({"_values_of", "_key", "_encode_all", "_encode", "_value", "_values"})
# Enough for every client class of a project; one that is made for each object is not to stay.
_MOST_CLASSES = 16


class _OneUse:
    """The native way of ``get`` and ``set``, which declines when a method on the way has been replaced.

    Django makes an object for each task, and most of these are used once. At that first use they have no client made,
    and share what does without; the second puts the object's own shortcut in place of this.
    """

    @overload
    def __get__(self, cache: None, owner: type[object]) -> Self: ...
    @overload
    def __get__(self, cache: ClientOwner[Any], owner: type[object]) -> _core.Shortcut: ...
    def __get__(self, cache: ClientOwner[Any] | None, owner: type[object]) -> Self | _core.Shortcut:
        """Return the shortcut for one use."""
        if cache is None:
            return self
        if not cache._shortcut_used and "_cache" not in cache.__dict__:  # noqa: SLF001 - it belongs to that class
            cache._shortcut_used = True  # noqa: SLF001
            shared = cache._shared_shortcut()  # noqa: SLF001
            if shared is not None:
                return shared
        return cache._own_shortcut()  # noqa: SLF001


class ClientOwner[ClientT: KeyValueCacheClient[Any]]:
    """A cache as far as it has a client, and knows when it can do without that."""

    _shortcuts: ClassVar[_core.Shortcuts]

    _class: type[ClientT] | None = None
    _servers: list[str]
    _options: Mapping[str, Any]
    # There has been a call that might do without a client.
    _shortcut_used = False

    @cached_property
    def _cache(self) -> ClientT:
        return self._client_class()(self._servers, **self._options)

    def _client_class(self) -> type[ClientT]:
        if self._class is None:
            raise ImproperlyConfigured(f"{type(self).__name__} is a base class: use one of its leaves as BACKEND")
        return self._class

    _shortcut = _OneUse()

    def _own_shortcut(self) -> _core.Shortcut:
        own = self.__dict__
        made: _core.Shortcut | None = own.get("_shortcut")
        if made is None:
            client: Any = self._cache
            # Its real type: a mock tells another.
            if not issubclass(type(client), KeyValueCacheClient):
                return self._shortcuts.closed()
            made = self._shortcuts.of(client, client._engine, client._async_engine, client._codec)  # noqa: SLF001
            own["_shortcut"] = made
        return made

    def _shared_shortcut(self) -> _core.Shortcut | None:
        """Return what stands for the shortcut as long as there is no client, if nobody cares how that is made."""
        client_class = self._client_class()
        if client_class.__init__ is not _INIT or type(self)._cache is not _CACHE:  # noqa: SLF001
            return None
        # Looked up as for a client: until there is one, what it is made of may change.
        settings = client_class._settings_of(self._servers, self._options)  # noqa: SLF001 - of this package
        memo = settings.memo
        shared: _core.Shortcut | None = memo.get(client_class)
        if shared is None:
            plain = type(client_class) is type and client_class.__new__ is object.__new__
            if plain and "codec" in memo and len(memo) < _MOST_CLASSES:
                codec = memo["codec"][2]
                memo[client_class] = shared = self._shortcuts.before(
                    client_class, settings.engine, settings.async_engine, codec
                )
        return shared

    def __copy__(self) -> Self:
        """Return another cache on the same client."""
        _ = self._cache
        other = type(self).__new__(type(self))
        other.__dict__.update((name, value) for name, value in self.__dict__.items() if name not in _BOUND)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return what a deep or pickled copy takes over; it makes its own client."""
        made = {*_BOUND, "_cache", "_shortcut", "_shortcut_used"}
        return {name: value for name, value in self.__dict__.items() if name not in made}

    # As the base class of commands has them, without the methods between as long as nobody has replaced one.

    @cached_property
    def _values_of(self) -> _core.Values:
        return self._own_shortcut().values(self)

    @cached_property
    def _key(self) -> Callable[..., str]:
        return self._values_of.key

    @cached_property
    def _encode_all(self) -> Callable[[tuple[Any, ...]], tuple[int | bytes, ...]]:
        return self._values_of.encode_all

    @cached_property
    def _encode(self) -> Callable[[Any], int | bytes]:
        return self._values_of.encode

    @cached_property
    def _value(self) -> Callable[[Any], Any]:
        return self._values_of.one

    @cached_property
    def _values(self) -> Callable[[Any], list[Any]]:
        return self._values_of.all


# As they were written, whatever is put in their place later.
_CACHE = ClientOwner._cache  # noqa: SLF001 - our own
_INIT = KeyValueCacheClient.__init__
