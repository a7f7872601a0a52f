"""`LOCATION`: what it is split into, what a URL means, and what is said about a bad one."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex.location import SCHEMES, Location, parse_url, split_location

SECRET = "hunter2-the-secret"


def location(scheme: str, **parts: Any) -> Location:
    defaults = {"host": None, "port": None, "path": None, "db": None, "username": None, "password": None}
    return Location(scheme=scheme, **{**defaults, "tls": scheme in ("rediss", "valkeys"), "query": {}, **parts})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("redis://a", ["redis://a"]),
        (" redis://a , redis://b;;redis://c, ", ["redis://a", "redis://b", "redis://c"]),
        (["redis://a", " ", "redis://:p,;w@b "], ["redis://a", "redis://:p,;w@b"]),
        (("unix:///s",), ["unix:///s"]),
        ("REDIS://a", ["REDIS://a"]),
        ("embedded:///3", ["embedded:///3"]),
    ],
)
def test_split(value: object, expected: list[str]) -> None:
    assert split_location(value, "standalone") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "LOCATION names no server"),
        (" ;, ", "LOCATION names no server"),
        ([], "LOCATION names no server"),
        (None, "LOCATION must be a string or a list of strings, not NoneType"),
        (b"redis://a", "LOCATION must be a string or a list of strings, not bytes"),
        (["redis://a", 5], "it holds an item of type int"),
        ("redsi://a", "LOCATION: scheme 'redsi' is unknown; valid for standalone backends are redis://, rediss://, "),
        (f"{SECRET}@host", "LOCATION: no scheme; valid"),
        (f"redis://:a,{SECRET}@host", "LOCATION: no scheme; valid"),
        ("redis+sentinel://h1,h2/service", "LOCATION: scheme 'redis+sentinel' is unknown; valid for standalone"),
        (["valkeys+sentinel://h1/s"], "LOCATION: scheme 'valkeys+sentinel' is unknown; valid for standalone"),
        ("embedded://,redis://a", "LOCATION: embedded:// must be the only location"),
    ],
)
def test_bad_locations(value: object, expected: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        split_location(value, "standalone")
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", SCHEMES)
def test_each_kind_of_backend_lists_its_own_schemes(kind: Any) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        split_location("memcached://a", kind)
    listed = str(caught.value).partition(f"valid for {kind} backends are ")[2]
    assert listed == ", ".join(f"{scheme}://" for scheme in SCHEMES[kind])
    assert ("embedded" in listed) == (kind == "standalone")
    assert ("+sentinel" in listed) == (kind == "sentinel")


def test_a_sentinel_url_is_one_part() -> None:
    url = "redis+sentinel://h1,h2:5/service;x"
    assert split_location(url, "sentinel") == [url]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", location("redis", host="localhost", port=6379)),
        ("redis://h", location("redis", host="h", port=6379)),
        ("valkey://Host.Example:7000/", location("valkey", host="host.example", port=7000)),
        ("redis://h:/3", location("redis", host="h", port=6379, db=3)),
        ("redis://h/3/", location("redis", host="h", port=6379, db=3)),
        ("redis://h/3?db=4", location("redis", host="h", port=6379, db=4)),
        ("rediss://u:p@h", location("rediss", host="h", port=6379, username="u", password="p")),
        ("valkeys://:p@h:1", location("valkeys", host="h", port=1, password="p")),
        ("redis://u@h", location("redis", host="h", port=6379, username="u")),
        ("redis://:@h", location("redis", host="h", port=6379)),
        ("redis://u%40x:p%2Fw%3A%2C%3B@h", location("redis", host="h", port=6379, username="u@x", password="p/w:,;")),
        ("redis://:a:b@c@h", location("redis", host="h", port=6379, password="a:b@c")),
        ("redis://:p#w@h", location("redis", host="h", port=6379, password="p#w")),
        ("redis://[::1]:7/2", location("redis", host="::1", port=7, db=2)),
        ("redis://[2001:DB8::1]", location("redis", host="2001:db8::1", port=6379)),
        (
            "redis://h?retry=2&client_name=a%20b+c",
            location("redis", host="h", port=6379, query={"retry": "2", "client_name": "a b c"}),
        ),
        ("redis://h?password=", location("redis", host="h", port=6379, query={"password": ""})),
        ("unix:///run/x.sock", location("unix", path="/run/x.sock")),
        ("unix://u:p@/run/a%20b?db=5", location("unix", path="/run/a b", db=5, username="u", password="p")),
        ("embedded://", location("embedded")),
        ("embedded:///7", location("embedded", db=7)),
        ("embedded://?db=2", location("embedded", db=2)),
    ],
)
def test_urls(url: str, expected: Location) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"redis://:{SECRET}/x@h", "have to be percent-encoded"),
        ("redis://h:0", "the port after redis:// must be a number from 1 to 65535"),
        ("redis://h:65536", "the port after redis:// must be"),
        ("redis://h:99999999999999999999", "the port after redis:// must be"),
        ("redis://h:x", "write redis://[user:password@]host[:port][/db]"),
        ("redis://h#1", "write redis://[user:password@]host[:port][/db]"),
        ("redis://h:-1", "write redis://[user:password@]host[:port][/db]"),
        ("rediss://::1", "an IPv6 host stands in brackets"),
        ("redis://[nonsense]", "write redis://"),
        ("redis://a,b", "write redis://"),
        ("redis://a b", "write redis://"),
        ("redis://h\r\nx", "write redis://"),
        (f"redis://h/{SECRET}", "the database after redis:// must be a number"),
        ("redis://h/-1", "the database after redis:// must be a number"),
        ("redis://h?db=x", "the database after redis:// must be a number"),
        ("redis://h?retry=1&retry=2", "query parameter 'retry' is given twice"),
        ("unix://run/x.sock", "write unix:///path/to.sock, with three slashes"),
        ("unix://", "write unix:///path/to.sock"),
        ("embedded://h", "write embedded:// or embedded:///<db>"),
        ("embedded:///x", "the database after embedded:// must be a number"),
    ],
)
def test_bad_urls(url: str, expected: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        parse_url(url)
    assert str(caught.value).startswith("LOCATION: ")
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None, "what int() or urllib say may quote the password"


def test_no_repr_shows_a_secret() -> None:
    assert SECRET not in repr(parse_url(f"redis://u:{SECRET}@h?ssl_password={SECRET}"))
