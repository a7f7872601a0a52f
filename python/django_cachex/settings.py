"""One ``CACHES`` entry, checked once and shared by all cache objects that are made from it.

Django makes a cache object per thread and per task, so that finding the settings of a known entry has to cost next to
nothing. They are found by value: a configuration that changed in any part is another one.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from django.core.exceptions import ImproperlyConfigured

from django_cachex import option_values as kinds
from django_cachex.location import split_location
from django_cachex.options import EVERYWHERE, check_cache_options, split_options
from django_cachex.pools import (
    PoolHandle,
    async_counterpart,
    resolve_async_pool_class,
    resolve_pool_class,
)
from django_cachex.redaction import scrub
from django_cachex.topology import build_engine, check_alike, find_sentinels, handle_urls, server_urls

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterator

    from django_cachex import _core
    from django_cachex.options import ConnectionOptions, Topology
    from django_cachex.pools import AsyncConnectionPool, ConnectionPool

__all__ = ["Settings"]

# Enough for every CACHES entry of a project; a test suite that makes more starts over with the oldest.
MOST_KNOWN = 256


class _ClientClass(Protocol):
    _CLIENT_ONLY_OPTIONS: frozenset[str]


# A dataclass would be a twentieth of the package's import time.
class Settings:
    """What a backend is configured to do. Made by ``Settings.of``; connects and starts nothing.

    Attributes:
        topology: the kind of backend.
        locations: the URLs from ``LOCATION``.
        servers: what clients call their servers: the locations, and a sentinel backend's replicas.
        handles: the sync pool handles, in the order of ``servers``.
        async_prototypes: what each loop's async handles share their sockets with, in the same order.
        pool_class: the class of the sync handles.
        async_pool_class: the class of the async handles.
        sentinels: the sentinels of a sentinel backend.
        cache_options: the other options, normalised where this package knows them, defaults included.
        async_pools: event loop -> index -> that loop's async handle; an entry disappears with its loop.
        memo: for what clients derive from these settings and need only once.
    """

    def __init__(
        self,
        *,
        topology: Topology,
        locations: list[str],
        servers: list[str],
        handles: tuple[ConnectionPool, ...],
        async_prototypes: tuple[PoolHandle, ...],
        pool_class: type[ConnectionPool],
        async_pool_class: type[AsyncConnectionPool],
        sentinels: tuple[_core.Server, ...],
        cache_options: Mapping[str, Any],
        pins: tuple[object, ...],
    ) -> None:
        """Keep what was checked, and *pins*, whose identity stands for them among the known settings, alive."""
        self.topology = topology
        self.locations = locations
        self.servers = servers
        self.handles = handles
        self.async_prototypes = async_prototypes
        self.pool_class = pool_class
        self.async_pool_class = async_pool_class
        self.sentinels = sentinels
        self.cache_options = cache_options
        self.async_pools: weakref.WeakKeyDictionary[AbstractEventLoop, dict[int, AsyncConnectionPool]] = (
            weakref.WeakKeyDictionary()
        )
        self.memo: dict[Any, Any] = {}
        self._embedded = handles[0]._embedded  # noqa: SLF001 - of this package
        self._pins = pins

    def __repr__(self) -> str:
        """Show where the servers are, and no secret."""
        return f"<Settings {self.topology} {list(self.handles)!r}>"

    @staticmethod
    def of(
        topology: Topology, location: str | Sequence[str], options: Mapping[str, Any], client_class: type[_ClientClass]
    ) -> Settings:
        """Return the settings of a configuration, the same object for the same values.

        Args:
            topology: the kind of backend.
            location: ``LOCATION``, or the list of URLs from it.
            options: ``OPTIONS`` as given.
            client_class: the client, whose ``_CLIENT_ONLY_OPTIONS`` are the options that it takes for itself.

        Raises:
            ImproperlyConfigured: anything in it is wrong.
        """
        # Written out, with a call for odd values only: this runs for every request.
        client_only = client_class._CLIENT_ONLY_OPTIONS  # noqa: SLF001 - the contract's name
        key: tuple[object, ...] = (
            topology,
            location if (kind := type(location)) is str else (*location,) if kind is list else _plain(location),
            client_only,
        )
        if options:
            key += (
                *options,
                *[
                    value
                    if (kind := type(value)) is str
                    else (kind, value)
                    if kind in _ATOMS
                    else _freeze_option(name, value)
                    for name, value in options.items()
                ],
            )
        try:
            found = _known.get(key)
        except TypeError:  # a list in LOCATION, which is refused below
            found = None
        if found is not None and (found._embedded is None or found.current):  # noqa: SLF001 - our own
            return found
        try:
            found = _find(topology, location, options, client_only)
            return _remember(key, found)
        except BaseException as error:
            scrub(error)
            del key, location, options
            raise

    @property
    def current(self) -> bool:
        """Whether an embedded server is still that of the project: ``settings.BASE_DIR`` may change in tests."""
        return self._embedded is None or self._embedded.is_of_project()

    @property
    def connection(self) -> ConnectionOptions:
        """The connection options of the first server, normalised."""
        return self.handles[0].options

    @property
    def on_undecodable(self) -> str:
        """``"raise"`` or ``"miss"``."""
        return str(self.cache_options["on_undecodable"])

    @property
    def max_value_size(self) -> int | None:
        """The longest value that is sent, in bytes."""
        return self.connection.max_value_size

    @property
    def max_decompressed_size(self) -> int | None:
        """The longest value that is read, in bytes after decompression."""
        return self.connection.max_decompressed_size

    @cached_property
    def engine(self) -> _core.Engine:
        """The engine of sync calls."""
        return build_engine(self.topology, self.handles, self.sentinels, self.cache_options)

    @cached_property
    def async_engine(self) -> _core.Engine:
        """The engine of async calls: the sync one, unless the pool classes mean different sockets."""
        servers = [handle.server for handle in self.async_prototypes]
        if servers == [handle.server for handle in self.handles]:
            return self.engine
        return build_engine(self.topology, self.async_prototypes, self.sentinels, self.cache_options)

    def async_handle(self, loop: AbstractEventLoop, index: int) -> AsyncConnectionPool:
        """Return a loop's async handle of a server, always the same one.

        Args:
            loop: the event loop.
            index: the server's place in ``servers``.
        """
        handles = self.async_pools.get(loop)
        if handles is None:
            handles = self.async_pools.setdefault(loop, {})
        handle = handles.get(index)
        if handle is None:
            handle = handles.setdefault(index, self.async_pool_class.sharing(self.async_prototypes[index]))
        return handle


_known: dict[object, Settings] = {}

# What None means there is what leaving the option out means.
_OPTIONAL = frozenset({"serializer", "compressor", "pool_class", "async_pool_class", "parser_class"})
_ATOMS = frozenset({int, bool, float, complex, bytes, type(None)})
# Objects of other packages whose state is part of the configuration.
_STATEFUL = {"retry": kinds.retries, "driver_info": kinds.driver}


def _remember(key: object, settings: Settings) -> Settings:
    # No lock: building settings imports an application's modules, and those may build caches of their own.
    known = _known.setdefault(key, settings)
    if known is not settings and not known.current:
        known = _known[key] = settings
    while len(_known) > MOST_KNOWN:
        try:
            del _known[next(iter(_known))]
        except (KeyError, RuntimeError, StopIteration):  # another thread makes room too
            continue
    return known


def _freeze_option(name: str, value: object) -> object:
    frozen = _freeze(value)
    kind = _STATEFUL.get(name)
    if kind is None or type(value) in _ATOMS:
        return frozen
    try:
        return frozen, kind.check(value)
    except kinds.UnfitError:
        return frozen


def _plain(location: Any) -> object:
    """Return an odd ``LOCATION`` as what tells it from others, by value; what is none at all is refused later."""
    if isinstance(location, str):
        return str.__str__(location)
    return tuple(location) if isinstance(location, Sequence) else None


def _freeze(value: Any) -> object:
    """Return something hashable that is equal for equal values of equal types; odd objects count by identity."""
    kind = type(value)
    if kind is str:
        return value
    if kind in _ATOMS:
        return kind, value
    # The exact types first: asking an abstract class takes longer than all the rest.
    if kind is dict or (kind not in (list, tuple) and isinstance(value, Mapping)):
        return kind, *[(_freeze(name), _freeze(item)) for name, item in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, *[_freeze(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(map(_freeze, value))
    if kind is bytearray:
        return kind, bytes(value)
    return kind, id(value)


def _leaves(value: Any) -> Iterator[object]:
    """Yield the objects that ``_freeze`` tells apart by identity."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(name)
            yield from _leaves(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _leaves(item)
    elif type(value) is not str and type(value) not in _ATOMS:
        yield value


def _find(topology: Topology, location: object, options: Mapping[str, Any], client_only: frozenset[str]) -> Settings:
    """Return the settings of a configuration that was written in another way before, or make them."""
    if topology not in EVERYWHERE:
        raise ImproperlyConfigured(f"There is no topology {topology!r}")
    locations = split_location(location, topology)
    given = {name: value for name, value in options.items() if value is not None or name not in _OPTIONAL}
    by_name = {str(name): _freeze_option(name, value) for name, value in given.items()}
    key = ("sorted", topology, tuple(locations), client_only, tuple(sorted(by_name.items(), key=lambda item: item[0])))
    found = _known.get(key)
    if found is not None and found.current:
        return found
    return _remember(key, _build(topology, locations, given, client_only))


def _build(
    topology: Topology, locations: list[str], options: Mapping[str, Any], client_only: frozenset[str]
) -> Settings:
    connection, cache = split_options(options, topology, client_only)
    checked = check_cache_options(cache)
    pool_class = resolve_pool_class(checked["pool_class"], topology)
    urls = handle_urls(topology, locations)
    if topology != "standalone":
        connection["_topology"] = topology
    handles = _handles(pool_class, urls, connection)
    if topology == "cluster":
        check_alike(handles)
    async_class: type[PoolHandle] = pool_class
    if checked["async_pool_class"] is not None:
        async_class = resolve_async_pool_class(checked["async_pool_class"], topology)
    # Each loop's handle shares its prototype's sockets, so that hooks belong to one object for all loops.
    return Settings(
        topology=topology,
        locations=locations,
        servers=server_urls(topology, locations),
        handles=handles,
        async_prototypes=handles if async_class is pool_class else _handles(async_class, urls, connection),
        pool_class=pool_class,
        async_pool_class=async_counterpart(async_class),
        sentinels=find_sentinels(handles[0], locations[0], checked) if topology == "sentinel" else (),
        cache_options=checked,
        pins=tuple(leaf for value in options.values() for leaf in _leaves(value)),
    )


def _handles[Handle: PoolHandle](
    pool_class: type[Handle], servers: list[str], options: Mapping[str, Any]
) -> tuple[Handle, ...]:
    handles = tuple(pool_class.from_url(server, **options) for server in servers)
    for handle in handles:
        # Certificates and ciphers are checked by the native description.
        _ = handle.server
    return handles
