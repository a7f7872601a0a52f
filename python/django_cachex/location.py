"""``LOCATION``: what it names, in pieces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_cachex.options import Topology

__all__ = ["SCHEMES", "SENTINEL_PORT", "Location", "parse_address", "parse_url", "replica_url", "split_location"]

SCHEMES: Mapping[str, tuple[str, ...]] = {
    "standalone": ("redis", "rediss", "valkey", "valkeys", "unix", "embedded"),
    "cluster": ("redis", "rediss", "valkey", "valkeys"),
    "sentinel": (
        "redis",
        "rediss",
        "valkey",
        "valkeys",
        "redis+sentinel",
        "rediss+sentinel",
        "valkey+sentinel",
        "valkeys+sentinel",
    ),
}
"""The URL schemes of each kind of backend."""

ENCRYPTED = frozenset({"rediss", "valkeys"})
DEFAULT_HOST = "localhost"
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
HIGHEST_PORT = 65535
_SENTINEL = "+sentinel"
_HINT = "special characters in user, password and path have to be percent-encoded"


class Location(NamedTuple):
    """One server, as its URL describes it.

    ``path`` is a unix socket's; ``host`` and ``port`` are ``None`` then, and for an embedded server. ``db`` is ``None``
    where the URL names none; ``query`` holds its parameters decoded, apart from ``db``. For a sentinel backend ``host``
    is the name of the service, there is no port, and ``sentinels`` are those that the URL itself names.
    """

    scheme: str
    host: str | None
    port: int | None
    path: str | None
    db: int | None
    username: str | None
    password: str | None
    tls: bool
    query: Mapping[str, str]
    sentinels: tuple[tuple[str, int], ...] = ()

    def __repr__(self) -> str:
        """Show where the server is, and no secret."""
        where = self.path or (f"{self.host}:{self.port}" if self.host and self.port else self.host or "")
        return f"<Location {self.scheme}://{where}>"

    @property
    def embedded(self) -> bool:
        """Whether this is the project's embedded server."""
        return self.scheme == "embedded"


def split_location(location: object, topology: Topology) -> list[str]:
    """Return the URLs that a ``LOCATION`` consists of.

    Args:
        location: a string, split on ``,`` and ``;``, or a sequence of strings.
        topology: the kind of backend.

    Raises:
        ImproperlyConfigured: no URL is left, one has a scheme that this kind of backend does not know, an embedded
            server is not alone, or a sentinel backend has more than one.
    """
    if isinstance(location, str):
        scheme = location.strip().partition("://")[0].lower()
        parts: Sequence[object] = [location] if scheme.endswith(_SENTINEL) else re.split("[,;]", location)
    elif isinstance(location, Sequence) and not isinstance(location, (bytes, bytearray)):
        parts = location
    else:
        raise ImproperlyConfigured(f"LOCATION must be a string or a list of strings, not {type(location).__name__}")
    servers = []
    for part in parts:
        if not isinstance(part, str):
            raise ImproperlyConfigured(
                f"LOCATION must be a string or a list of strings; it holds an item of type {type(part).__name__}"
            )
        if part.strip():
            servers.append(part.strip())
    if not servers:
        raise ImproperlyConfigured(f"LOCATION names no server; valid are URLs that begin with {_schemes(topology)}")
    schemes = [_scheme(server, topology) for server in servers]
    if "embedded" in schemes and len(servers) > 1:
        raise ImproperlyConfigured("LOCATION: embedded:// must be the only location")
    if topology == "sentinel" and len(servers) > 1:
        raise ImproperlyConfigured(
            "LOCATION: a sentinel backend has one location, redis://<service>/<db>; "
            "the sentinels themselves belong in OPTIONS['sentinels']"
        )
    return servers


def replica_url(url: str) -> str:
    """Return what a sentinel backend's replicas are called beside *url*, which stands for the master."""
    return f"{url}{'&' if '?' in url else '?'}is_master=0"


def parse_url(url: str, topology: Topology = "standalone", *, default_port: int = DEFAULT_PORT) -> Location:
    """Take one URL apart.

    Args:
        url: the URL of one server, or of a sentinel backend's service.
        topology: the kind of backend.
        default_port: the port where the URL names none.

    Raises:
        ImproperlyConfigured: it is not such a URL; the message shows no part of it but its scheme.
    """
    scheme = _scheme(url, topology)
    hierarchy, _, query_text = url.partition("://")[2].partition("?")
    authority, slash, rest = hierarchy.partition("/")
    userinfo, _, address = authority.rpartition("@")
    username, _, password = userinfo.partition(":")
    query = _query(query_text)
    written_db = query.pop("db", "")
    path = None
    host, port = None, None
    sentinels: tuple[tuple[str, int], ...] = ()
    if topology == "sentinel":
        host, sentinels, rest = _service(address, rest, scheme)
        written_db = written_db or _decoded(rest).strip("/")
    elif scheme == "unix":
        path = _decoded(slash + rest)
        if address or path in ("", "/"):
            raise ImproperlyConfigured(f"LOCATION: write unix:///path/to.sock, with three slashes; {_HINT}")
    else:
        written_db = written_db or _decoded(rest).strip("/")
        if scheme != "embedded":
            host, port = _address(address, f"{scheme}://[user:password@]host[:port][/db]", default_port)
        elif authority:
            raise ImproperlyConfigured("LOCATION: write embedded:// or embedded:///<db>")
    return Location(
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        db=_db(written_db, scheme),
        username=_decoded(username) or None,
        password=_decoded(password) or None,
        tls=scheme.removesuffix(_SENTINEL) in ENCRYPTED,
        query=query,
        sentinels=sentinels,
    )


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of an address that is no URL, as in ``"host:26379"``.

    Args:
        text: the address; an IPv6 host stands in brackets.
        default_port: the port where it names none.

    Raises:
        ImproperlyConfigured: it is not such an address; the message does not show it.
    """
    return _address(text, "host[:port]", default_port)


def _schemes(topology: Topology) -> str:
    return ", ".join(f"{scheme}://" for scheme in SCHEMES[topology])


def _scheme(url: str, topology: Topology) -> str:
    scheme, found, _ = url.partition("://")
    scheme = scheme.lower()
    if scheme in SCHEMES[topology] and found:
        return scheme
    # Without "://" the text may be anything, the second half of a password included.
    what = f"scheme {scheme!r} is unknown" if found and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else "no scheme"
    raise ImproperlyConfigured(f"LOCATION: {what}; valid for {topology} backends are {_schemes(topology)}")


# Most locations need neither of the two modules below, and importing them takes as long as importing this package.


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415

    return unquote(text)


def _query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    if not text:
        return query
    from urllib.parse import parse_qsl  # noqa: PLC0415

    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in query:
            raise ImproperlyConfigured(
                f"LOCATION: query parameter {name!r} is given twice" if name.isidentifier() else "LOCATION: query"
            )
        query[name] = value
    return query


def _db(written: str, scheme: str) -> int | None:
    if not written:
        return None
    if re.fullmatch(r"\d{1,9}", written, re.ASCII):
        return int(written)
    raise ImproperlyConfigured(f"LOCATION: the database after {scheme}:// must be a number; {_HINT}")


def _service(address: str, rest: str, scheme: str) -> tuple[str, tuple[tuple[str, int], ...], str]:
    """Return a service's name, the sentinels that know it, and what follows the name in the URL."""
    if not scheme.endswith(_SENTINEL):
        form = f"{scheme}://[user:password@]service[/db]"
        service = _decoded(address)
        if ":" in address:
            raise ImproperlyConfigured(
                f"LOCATION: write {form}; hosts and ports of the sentinels belong in OPTIONS['sentinels']"
            )
        sentinels: tuple[tuple[str, int], ...] = ()
    else:
        form = f"{scheme}://[user:password@]sentinel1[:port],sentinel2[:port]/service[/db]"
        written, _, rest = rest.partition("/")
        service = _decoded(written)
        parts = [part.strip() for part in address.split(",")]
        sentinels = tuple(_address(part, form, SENTINEL_PORT) for part in parts if part)
    if not service or _UNFIT.search(service):
        raise ImproperlyConfigured(f"LOCATION: write {form}, with the name that the sentinels know the master by")
    return service, sentinels, rest


# What no host and no service is called: one of these shows that the URL was meant otherwise.
_UNFIT = re.compile(r"[\x00-\x20\x7f#,;/\\<>\"]")


def _address(address: str, form: str, default_port: int) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?", address, re.ASCII)
    host = _decoded(match["six"] or match["name"]) if match else ""
    if match is None or _UNFIT.search(host) or (match["six"] and not _is_ipv6(host)):
        hint = "an IPv6 host stands in brackets" if address.count(":") > 1 else _HINT
        raise ImproperlyConfigured(f"LOCATION: write {form}; {hint}")
    port = int(match["port"][:6]) if match["port"] else default_port
    if not 0 < port <= HIGHEST_PORT:
        where = f"after {form.partition('://')[0]}:// " if "://" in form else ""
        raise ImproperlyConfigured(f"LOCATION: the port {where}must be a number from 1 to {HIGHEST_PORT}")
    return host.lower() or DEFAULT_HOST, port


def _is_ipv6(host: str) -> bool:
    import ipaddress  # noqa: PLC0415

    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
