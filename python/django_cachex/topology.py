"""What a kind of backend adds to its connections: a cluster's start-up nodes, a service's sentinels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core
from django_cachex import option_values as kinds
from django_cachex.location import HIGHEST_PORT, SCHEMES, SENTINEL_PORT, parse_address, parse_url, replica_url
from django_cachex.options import check_connection_names, read_query
from django_cachex.pools import ConnectionPool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_cachex.options import Topology
    from django_cachex.pools import PoolHandle

__all__ = ["build_engine", "check_alike", "find_sentinels", "handle_urls", "server_urls"]

# How long the cache's own callers are ready to wait holds for asking a sentinel on their behalf.
_TIME_LIMITS = ("socket_connect_timeout", "socket_timeout", "operation_timeout", "tcp_user_timeout")
_PORT = kinds.integer(1, HIGHEST_PORT, digits=True)
_PAIR = 2
_NOT_OF_SENTINELS = {
    "db": "sentinels hold no data",
    "host": "the sentinels' addresses belong in Option 'sentinels'",
    "port": "the sentinels' addresses belong in Option 'sentinels'",
}


def server_urls(topology: Topology, locations: list[str]) -> list[str]:
    """Return a client's ``_servers``: the locations, and for a sentinel backend one for the replicas beside it."""
    return [locations[0], replica_url(locations[0])] if topology == "sentinel" else locations


def handle_urls(topology: Topology, locations: list[str]) -> list[str]:
    """Return what the pool handles are made from, in the order of ``server_urls``."""
    return locations * 2 if topology == "sentinel" else locations


def check_alike(handles: Sequence[PoolHandle]) -> None:
    """Check that a cluster's start-up nodes differ in their addresses only: other nodes are found through them.

    Raises:
        ImproperlyConfigured: they differ in more; the message names the options.
    """
    first, *others = ({**handle.connection_kwargs, "host": None, "port": None} for handle in handles)
    for other in others:
        differing = sorted(
            name for name in first.keys() | other.keys() if first.get(name, _NOTHING) != other.get(name, _NOTHING)
        )
        if differing:
            raise ImproperlyConfigured(
                "LOCATION: the nodes of a cluster are all talked to in the same way, and these URLs differ in "
                f"{', '.join(map(repr, differing))}; give that in every URL, or in OPTIONS"
            )


_NOTHING = object()


def find_sentinels(handle: PoolHandle, url: str, options: Mapping[str, Any]) -> tuple[_core.Server, ...]:
    """Return descriptions of the sentinels that a sentinel backend asks.

    Args:
        handle: the handle of the data servers, whose time limits hold unless ``sentinel_kwargs`` sets others.
        url: the location; the sentinels in it beat those of the option.
        options: the cache options, with ``sentinels`` and ``sentinel_kwargs``.

    Raises:
        ImproperlyConfigured: there are none, or one of them or one of their options is wrong.
    """
    in_url = parse_url(url, "sentinel").sentinels
    if not in_url and not options["sentinels"]:
        raise ImproperlyConfigured(
            "A sentinel backend needs sentinels: give Option 'sentinels' a list of (host, port), "
            "or write LOCATION as redis+sentinel://host[:port],host[:port]/service/db"
        )
    limits = {name: getattr(handle.options, name) for name in _TIME_LIMITS if name in handle.options.given}
    common = {**limits, **options["sentinel_kwargs"]}
    option = "sentinel_kwargs"
    try:
        template = _template(common)
        servers = [template.describe(host, port) for host, port in in_url]
        if not in_url:
            option = "sentinels"
            servers = [_sentinel(item, template, common) for item in options["sentinels"]]
    except ImproperlyConfigured as error:
        fault = str(error).removeprefix("LOCATION: ")
    else:
        return tuple(servers)
    raise ImproperlyConfigured(f"Option {option!r}: {fault}")


def _template(common: Mapping[str, object]) -> ConnectionPool:
    for name, reason in _NOT_OF_SENTINELS.items():
        if name in common:
            raise ImproperlyConfigured(f"{name!r} has no meaning there: {reason}")
    check_connection_names(common, "sentinel")
    template = ConnectionPool(**common)
    # Certificates and ciphers are checked by the native description.
    _ = template.server
    return template


def _sentinel(item: object, template: ConnectionPool, common: Mapping[str, object]) -> _core.Server:
    if isinstance(item, str) and item.strip():
        if "://" in item:
            return _sentinel_at(item.strip(), common)
        return template.describe(*parse_address(item.strip(), SENTINEL_PORT))
    if isinstance(item, (tuple, list)) and len(item) == _PAIR and isinstance(item[0], str) and item[0].strip():
        try:
            port = _PORT.check(item[1])
        except kinds.UnfitError:
            message = f"the port of a sentinel must be an integer from 1 to {HIGHEST_PORT}"
            raise ImproperlyConfigured(message) from None
        return template.describe(item[0].strip(), port)
    raise ImproperlyConfigured("each must be (host, port), 'host:port' or 'redis://host:port'")


def _sentinel_at(url: str, common: Mapping[str, object]) -> _core.Server:
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES["cluster"]:
        raise ImproperlyConfigured(f"valid are URLs that begin with {', '.join(f'{s}://' for s in SCHEMES['cluster'])}")
    location = parse_url(url, "cluster", default_port=SENTINEL_PORT)
    if location.db:
        raise ImproperlyConfigured("a database has no meaning there: sentinels hold no data")
    given = {"username": location.username, "password": location.password, "ssl": location.tls or None}
    own = {name: value for name, value in given.items() if value is not None}
    options = {**common, **read_query(location.query, "sentinel"), **own}
    return ConnectionPool(host=location.host, port=location.port, **options).server


def build_engine(
    topology: Topology, handles: Sequence[PoolHandle], sentinels: Sequence[_core.Server], options: Mapping[str, Any]
) -> _core.Engine:
    """Return the engine that serves a backend.

    Args:
        topology: the kind of backend.
        handles: its pool handles, in the order of ``LOCATION``.
        sentinels: its sentinels, if it is a sentinel backend.
        options: the cache options.
    """
    first = handles[0]
    if topology == "cluster":
        # All described by the first: hooks belong to one object, and so do the sockets to each node.
        addresses = [(handle.connection_kwargs["host"], handle.connection_kwargs["port"]) for handle in handles]
        return _core.Engine.cluster(
            [first.describe(host, port) for host, port in addresses],
            read_from_replicas=options["read_from_replicas"],
            address_remap=options["address_remap"],
            max_redirects=first.options.max_redirects,
            topology_refresh_interval=first.options.topology_refresh_interval,
        )
    if topology == "sentinel":
        service = first.connection_kwargs["host"]
        return _core.Engine.sentinel(
            service, list(sentinels), first.describe(None, None), address_remap=options["address_remap"]
        )
    return _core.Engine([handle.server for handle in handles])
