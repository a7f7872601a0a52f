"""``LOCATION``: what it names, in pieces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_cachex.options import Topology

__all__ = ["SCHEMES", "Location", "parse_url", "split_location"]

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
HIGHEST_PORT = 65535
_HINT = "special characters in user, password and path have to be percent-encoded"


class Location(NamedTuple):
    """One server, as its URL describes it.

    ``path`` is a unix socket's; ``host`` and ``port`` are ``None`` then, and for an embedded server. ``db`` is ``None``
    where the URL names none; ``query`` holds its parameters decoded, apart from ``db``.
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

    def __repr__(self) -> str:
        """Show where the server is, and no secret."""
        where = self.path or (f"{self.host}:{self.port}" if self.host else "")
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
        ImproperlyConfigured: no URL is left, one has a scheme that this kind of backend does not know, or an embedded
            server is not alone.
    """
    if isinstance(location, str):
        scheme = location.strip().partition("://")[0].lower()
        parts: Sequence[object] = [location] if scheme.endswith("+sentinel") else re.split("[,;]", location)
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
    return servers


def parse_url(url: str, topology: Topology = "standalone") -> Location:
    """Take one URL apart.

    Args:
        url: the URL of one server.
        topology: the kind of backend.

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
    if scheme == "unix":
        path = _decoded(slash + rest)
        if address or path in ("", "/"):
            raise ImproperlyConfigured(f"LOCATION: write unix:///path/to.sock, with three slashes; {_HINT}")
    else:
        written_db = written_db or _decoded(rest).strip("/")
        if scheme != "embedded":
            host, port = _address(address, scheme)
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
        tls=scheme in ENCRYPTED,
        query=query,
    )


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


def _address(address: str, scheme: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?", address, re.ASCII)
    host = _decoded(match["six"] or match["name"]) if match else ""
    if match is None or re.search(r"[\x00-\x20\x7f,;/\\<>\"]", host) or (match["six"] and not _is_ipv6(host)):
        hint = "an IPv6 host stands in brackets" if address.count(":") > 1 else _HINT
        raise ImproperlyConfigured(f"LOCATION: write {scheme}://[user:password@]host[:port][/db]; {hint}")
    port = int(match["port"][:6]) if match["port"] else DEFAULT_PORT
    if not 0 < port <= HIGHEST_PORT:
        raise ImproperlyConfigured(f"LOCATION: the port after {scheme}:// must be a number from 1 to {HIGHEST_PORT}")
    return host.lower() or DEFAULT_HOST, port


def _is_ipv6(host: str) -> bool:
    import ipaddress  # noqa: PLC0415

    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
