"""Every connection option: what it is normalised to, and what is said about a bad one."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
import pytest
import redis.backoff
import redis.retry
from django.core.exceptions import ImproperlyConfigured

from django_cachex.cache import RedisCache
from django_cachex.option_types import Options
from django_cachex.options import (
    CACHE_OPTIONS,
    CONNECTION_OPTIONS,
    ConnectionOptions,
    check_cache_options,
    default_operation_timeout,
    read_query,
    split_options,
)

SECRET = "hunter2-the-secret"
TLS = {"ssl": True}


def redis_retry(count: int) -> redis.retry.Retry:
    return redis.retry.Retry(redis.backoff.NoBackoff(), count)


class Provider:
    def get_credentials(self) -> tuple[str, str]:
        return "user", SECRET


def provide() -> str:
    return SECRET


def fault(options: dict[str, Any], topology: Any = "standalone") -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        ConnectionOptions.parse(options, topology=topology)
    return str(caught.value)


def test_defaults() -> None:
    parsed = ConnectionOptions.parse({}, lib_version="1.2")
    shown = {name: getattr(parsed, name) for name in ConnectionOptions._fields}
    assert shown == {
        "username": None,
        "password": None,
        "credentials": None,
        "db": 0,
        "socket_connect_timeout": 1.0,
        "socket_timeout": 2.0,
        "operation_timeout": 3.0,
        "keepalive": tuple(sorted({socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}.items())),
        "tcp_user_timeout": 5.0,
        "retry": 1,
        "retry_on_timeout": False,
        "retry_backoff": (0.01, 0.1),
        "reconnect_backoff": (0.05, 1.0),
        "health_check_interval": 0.0,
        "max_connections": 100,
        "timeout": 20.0,
        "max_in_flight": 1000,
        "max_value_size": 67108864,
        "max_decompressed_size": 67108864,
        "max_redirects": 5,
        "topology_refresh_interval": 60.0,
        "client_name": None,
        "protocol": None,
        "lib_name": f"django-cachex(django_v{django.get_version()})",
        "lib_version": "1.2",
        "tls": None,
        "given": frozenset(),
    }


def test_the_user_s_type_has_every_option() -> None:
    assert Options.__annotations__.keys() == CACHE_OPTIONS.keys() | CONNECTION_OPTIONS.keys()


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("username", "u", "username", "u"),
        ("password", None, "password", None),
        ("db", "12", "db", 12),
        ("socket_connect_timeout", 3, "socket_connect_timeout", 3.0),
        ("socket_timeout", None, "socket_timeout", None),
        ("operation_timeout", 0.25, "operation_timeout", 0.25),
        ("operation_timeout", None, "operation_timeout", None),
        ("socket_keepalive", False, "keepalive", None),
        ("socket_keepalive_options", {socket.TCP_KEEPCNT: 9}, "keepalive", ((socket.TCP_KEEPCNT, 9),)),
        ("tcp_user_timeout", None, "tcp_user_timeout", None),
        ("retry", 0, "retry", 0),
        ("retry", redis_retry(4), "retry", 4),
        ("retry", SimpleNamespace(_retries=2), "retry", 2),
        ("retry_backoff", [0, 1], "retry_backoff", (0.0, 1.0)),
        ("reconnect_backoff", (0.5, 0.5), "reconnect_backoff", (0.5, 0.5)),
        ("health_check_interval", 0, "health_check_interval", 0.0),
        ("max_connections", None, "max_connections", None),
        ("timeout", 0, "timeout", 0.0),
        ("max_value_size", None, "max_value_size", None),
        ("max_decompressed_size", 10**12, "max_decompressed_size", 10**12),
        ("protocol", 3, "protocol", 3),
        ("client_name", "web-1", "client_name", "web-1"),
        ("lib_name", None, "lib_name", None),
        ("lib_version", "7", "lib_version", "7"),
        ("driver_info", SimpleNamespace(formatted_name="x(y_v1)", lib_version="2"), "lib_name", "x(y_v1)"),
        ("driver_info", SimpleNamespace(formatted_name="x", lib_version="2"), "lib_version", "2"),
        ("driver_info", SimpleNamespace(formatted_name="x"), "lib_version", None),
        ("encoding", "UTF8", "given", frozenset({"encoding"})),
        ("decode_responses", False, "given", frozenset({"decode_responses"})),
    ],
)
def test_normalised(name: str, value: object, field: str, expected: object) -> None:
    found = getattr(ConnectionOptions.parse({name: value}), field)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("username", [1, b"u", True], "a string, or None"),
        ("password", [1, b"p"], "a string, or None"),
        ("credential_provider", [3, object(), str], "an object with get_credentials(), a callable, or the dotted path"),
        ("db", [-1, True, 1.0, "x", "", "-2", None, 2**31], "an integer from 0 or a string of digits"),
        ("socket_connect_timeout", [0, -1, True, "1", float("nan"), float("inf"), 10**400], "greater than 0, or None"),
        ("socket_timeout", [0, False], "a number of seconds greater than 0, or None"),
        ("operation_timeout", [0, [1]], "a number of seconds greater than 0, or None"),
        ("socket_keepalive", [1, "yes", None], "True or False"),
        ("socket_keepalive_options", [[1], {"a": 1}, {1: 1.5}, {1: True}], "a dict of socket.TCP_* numbers"),
        ("tcp_user_timeout", [0], "a number of seconds greater than 0, or None"),
        ("retry", [True, -1, "1", 1.0, None, redis_retry(-1)], "an integer from 0, or redis-py's Retry"),
        ("retry_on_timeout", [0, None], "True or False"),
        ("retry_backoff", [1, (1,), (2, 1), (-1, 1), "ab", (True, 2)], "a pair (first, last) of seconds"),
        ("reconnect_backoff", [None, (0, float("inf"))], "a pair (first, last) of seconds"),
        ("health_check_interval", [None, -1], "a number of seconds from 0"),
        ("max_connections", [0, "5", True, 1.5], "an integer from 1, or None"),
        ("timeout", [-0.1, "5"], "a number of seconds from 0, or None"),
        ("max_in_flight", [0, None], "an integer from 1"),
        ("max_value_size", [0, 1.5], "an integer from 1, or None"),
        ("max_decompressed_size", [-1], "an integer from 1, or None"),
        ("client_name", ["two words", "", "é", 5], "printable ASCII characters without spaces"),
        ("protocol", [4, "3", 2.0, True], "2, 3 or None"),
        ("lib_name", ["a b"], "printable ASCII characters without spaces"),
        ("driver_info", [object(), "x"], "an object with formatted_name"),
        ("ssl", [1, "true", None], "True or False"),
        ("encoding", ["latin-1", "nonsense", None, 8], "'utf-8'"),
        ("decode_responses", [True, 0, None], "False: values are decoded by the serializer"),
    ],
)
def test_refused(name: str, values: list[Any], expected: str) -> None:
    for value in values:
        message = fault({name: value})
        assert message.startswith(f"Option '{name}' must be ")
        assert expected in message
        assert message.endswith(f"(it is of type {type(value).__name__})")


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("ssl_ca_certs", Path("/ca.pem"), "ca_certs", "/ca.pem"),
        ("ssl_ca_path", "/certs", "ca_path", "/certs"),
        ("ssl_ca_data", b"\x30", "ca_data", b"\x30"),
        ("ssl_certfile", "/both.pem", "keyfile", "/both.pem"),
        ("ssl_cert_reqs", "none", "verify", "none"),
        ("ssl_cert_reqs", None, "verify", "none"),
        ("ssl_cert_reqs", ssl.CERT_NONE, "verify", "none"),
        ("ssl_cert_reqs", ssl.CERT_NONE, "check_hostname", False),
        ("ssl_cert_reqs", "optional", "verify", "required"),
        ("ssl_cert_reqs", ssl.CERT_REQUIRED, "verify", "required"),
        ("ssl_cert_reqs", "required", "check_hostname", True),
        ("ssl_check_hostname", False, "check_hostname", False),
        ("ssl_min_version", ssl.TLSVersion.TLSv1_3, "min_version", "1.3"),
        ("ssl_ciphers", "A: B:", "ciphers", ("A", "B")),
    ],
)
def test_tls_normalised(name: str, value: object, field: str, expected: object) -> None:
    tls = ConnectionOptions.parse({**TLS, name: value}).tls
    assert getattr(tls, field) == expected


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("ssl_ca_certs", [1, b"/ca", ""], "the path of a file or directory, or None"),
        ("ssl_ca_data", [1, "", []], "certificates as a PEM string or DER bytes"),
        ("ssl_password", [b"x"], "a string, or None"),
        ("ssl_cert_reqs", [0, 2, True, "never"], "'required', 'optional', 'none', None or one of ssl.CERT_*"),
        ("ssl_check_hostname", [1, None], "True or False"),
        ("ssl_min_version", [771, "1.2", ssl.TLSVersion.MAXIMUM_SUPPORTED], "ssl.TLSVersion.TLSv1_2 or"),
        ("ssl_ciphers", [["A"], ":", ""], "names of cipher suites in a string, separated by ':'"),
    ],
)
def test_tls_refused(name: str, values: list[Any], expected: str) -> None:
    for value in values:
        message = fault({**TLS, name: value})
        assert message.startswith(f"Option '{name}' must be ")
        assert expected in message


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({}, None),
        ({"ssl_cert_reqs": "required"}, None),
        ({"ssl_cert_reqs": "none"}, "'ssl_cert_reqs' is 'none'"),
        ({"ssl_cert_reqs": ssl.CERT_OPTIONAL}, "'ssl_cert_reqs' is 'optional'"),
        ({"ssl_check_hostname": False}, "'ssl_check_hostname' is False"),
    ],
)
def test_weaker_tls_warns(caplog: pytest.LogCaptureFixture, options: dict[str, Any], warning: str | None) -> None:
    with caplog.at_level(logging.WARNING, "django_cachex"):
        ConnectionOptions.parse({**TLS, **options})
    assert [record.name for record in caplog.records] == ["django_cachex"] * (warning is not None)
    assert (warning or "") in caplog.text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"credential_provider": provide, "password": SECRET}, "'credential_provider' and 'password' exclude"),
        ({"credential_provider": Provider(), "username": "u"}, "'credential_provider' and 'username' exclude"),
        ({"driver_info": SimpleNamespace(formatted_name="x"), "lib_name": "y"}, "'driver_info' and 'lib_name' exclude"),
        ({"socket_keepalive": False, "socket_keepalive_options": {1: 1}}, "needs 'socket_keepalive'"),
        (
            {"ssl_cert_reqs": "none"},
            "Option 'ssl_cert_reqs' needs TLS: a rediss:// or valkeys:// LOCATION, or ssl=True",
        ),
        ({"ssl": False, "ssl_ca_data": SECRET}, "Option 'ssl_ca_data' needs TLS"),
        ({**TLS, "ssl_keyfile": "/k"}, "Option 'ssl_keyfile' needs 'ssl_certfile'"),
        ({**TLS, "ssl_password": SECRET}, "Option 'ssl_password' needs 'ssl_certfile'"),
        ({**TLS, "ssl_cert_reqs": None, "ssl_check_hostname": True}, "Option 'ssl_check_hostname' needs"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], expected: str) -> None:
    message = fault(options)
    assert expected in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SERIALIZER", "serializer"),
        ("passwd", "password"),
        ("user", "username"),
        ("max_connection", "max_connections"),
        ("socket_time_out", "socket_timeout"),
        ("connect_timeout", "socket_connect_timeout"),
        ("CONNECTION_POOL_CLASS", "pool_class"),
        ("max_entries", "MAX_ENTRIES"),
        ("ssl_cafile", "ssl_certfile"),
        ("tls", "ssl"),
        ("Compressor", "compressor"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, nearest: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^Unknown option '{name}'; did you mean '{nearest}'\?$"):
        split_options({name: SECRET}, "standalone", frozenset(CACHE_OPTIONS))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("host", "LOCATION: 'redis://host:port/db'"),
        ("port", "LOCATION: 'redis://host:port/db'"),
        ("unix_socket_path", "LOCATION: 'unix:///path/to.sock'"),
        ("redis_connect_func", "on_connect() of a pool class"),
        ("socket_read_size", "connections are the native engine's own"),
        ("socket_type", "connections are the native engine's own"),
        ("retry_on_error", "use 'retry'"),
        ("single_connection_client", "connections are"),
        ("connection_class", "'pool_class'"),
        ("connection_pool", "use 'pool_class'"),
        ("encoding_errors", "decoded by the serializer"),
        ("cache_config", "no client-side caching"),
        ("event_dispatcher", "connections are"),
        ("command_packer", "connections are"),
        ("auto_close_connection_pool", "connections are"),
        ("ssl_validate_ocsp", "see ssl_cert_reqs"),
        ("TIMEOUT", "beside OPTIONS"),
        ("KEY_PREFIX", "beside OPTIONS"),
        ("CONNECTION_POOL_KWARGS", "give its keys in OPTIONS"),
        ("IGNORE_EXCEPTIONS", "handled by the application"),
    ],
)
def test_names_of_others_are_refused_with_a_hint(name: str, reason: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        split_options({name: SECRET}, "standalone", frozenset(CACHE_OPTIONS))
    assert str(caught.value).startswith(f"Option '{name}' is not valid: ")
    assert reason in str(caught.value)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^Unknown option 'qqq'; valid are CULL_FREQUENCY, .*, username$"):
        split_options({"qqq": 1}, "standalone", frozenset(CACHE_OPTIONS))
    with pytest.raises(ImproperlyConfigured, match="must be a string, not int"):
        split_options({5: 1}, "standalone", frozenset())  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "backends", "valid_on"),
    [
        ("sentinels", "sentinel", "sentinel"),
        ("sentinel_kwargs", "sentinel", "sentinel"),
        ("read_from_replicas", "cluster", "cluster"),
        ("address_remap", "cluster and sentinel", "cluster"),
        ("max_redirects", "cluster", "cluster"),
        ("topology_refresh_interval", "cluster", "cluster"),
    ],
)
def test_options_of_other_backends(name: str, backends: str, valid_on: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^Option '{name}' is for {backends} backends only$"):
        split_options({name: 5}, "standalone", frozenset(CACHE_OPTIONS))
    connection, cache = split_options({name: 5}, valid_on, frozenset(CACHE_OPTIONS))
    assert connection | cache == {name: 5}


def test_a_cluster_has_one_database() -> None:
    assert fault({"db": 1}, "cluster") == "Option 'db' must be 0: a cluster has one database"
    assert ConnectionOptions.parse({"db": "0", "max_redirects": 0}, topology="cluster").max_redirects == 0


def test_options_of_a_client_subclass_are_its_own() -> None:
    own = frozenset({*CACHE_OPTIONS, "shard_by", "db"})
    connection, cache = split_options({"shard_by": "x", "db": "anything", "retry": 2}, "standalone", own)
    assert connection == {"retry": 2}
    assert cache == {"shard_by": "x", "db": "anything"}
    assert check_cache_options(cache)["shard_by"] == "x"


def test_cache_options() -> None:
    assert check_cache_options({})["on_undecodable"] == "raise"
    assert check_cache_options({"on_undecodable": "miss", "parser_class": object()})["on_undecodable"] == "miss"
    assert check_cache_options({"stampede_prevention": {}})["stampede_prevention"] is False
    for options in ({"on_undecodable": "ignore"}, {"on_undecodable": None}, {"stampede_prevention": True}):
        with pytest.raises(ImproperlyConfigured, match=f"^Option '{next(iter(options))}' must be "):
            check_cache_options(options)


@pytest.mark.parametrize(
    ("connect", "reply", "pool", "expected"),
    [
        (1.0, 2.0, None, 3.0),
        (0.1, 0.1, None, 3.0),
        (2.0, 5.0, None, 7.0),
        (1.0, 2.0, 20.0, 23.0),
        (None, 2.0, 5.0, None),
        (1.0, None, None, None),
    ],
)
def test_the_operation_s_limit(
    connect: float | None, reply: float | None, pool: float | None, expected: float | None
) -> None:
    assert default_operation_timeout(connect, reply, pool) == expected
    options = {"socket_connect_timeout": connect, "socket_timeout": reply} | ({"timeout": pool} if pool else {})
    assert ConnectionOptions.parse(options).operation_timeout == expected
    assert ConnectionOptions.parse({**options, "operation_timeout": 9}).operation_timeout == 9.0


@pytest.mark.parametrize("provider", [provide, Provider(), Provider, f"{__name__}.provide"])
def test_credential_providers(provider: object, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(provider, str):
        monkeypatch.setattr("django_cachex.option_values.import_string", {provider: provide}.__getitem__)
    first, second = (ConnectionOptions.parse({"credential_provider": provider}).credentials for _ in range(2))
    assert first is second, "equal settings share sockets, and the engine compares hooks by identity"
    assert first is not None
    assert first() in (SECRET, ("user", SECRET))


def test_a_credential_provider_that_cannot_be_imported() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'credential_provider': cannot import 'no\.such\.thing'") as caught:
        ConnectionOptions.parse({"credential_provider": "no.such.thing"})
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("socket_timeout", "0.5", 0.5),
        ("socket_timeout", "None", None),
        ("socket_timeout", "1e-1", 0.1),
        ("retry", "3", 3),
        ("max_connections", "none", None),
        ("protocol", "3", 3),
        ("retry_on_timeout", "Yes", True),
        ("retry_on_timeout", "NO", False),
        ("retry_on_timeout", "F", False),
        ("socket_keepalive", "0", False),
        ("password", "none", "none"),
        ("ssl_min_version", "771", ssl.TLSVersion.TLSv1_2),
        ("ssl_cert_reqs", "None", None),
        ("client_name", "x", "x"),
        ("decode_responses", "false", False),
    ],
)
def test_query_parameters(name: str, text: str, expected: object) -> None:
    assert read_query({name: text}, "standalone") == {name: expected}
    assert read_query({name: ""}, "standalone") == {}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("socket_timeout", SECRET, "Option 'socket_timeout' in the query of LOCATION must be a number of seconds"),
        ("retry", "1.5", "Option 'retry' in the query of LOCATION must be an integer from 0"),
        ("protocol", "x", "Option 'protocol' in the query of LOCATION must be an integer from 2 to 3, or None"),
        ("retry_on_timeout", "maybe", "Option 'retry_on_timeout' in the query of LOCATION must be true or false"),
        ("retry_backoff", "1,2", "Option 'retry_backoff' in the query of LOCATION must be given in OPTIONS"),
        ("credential_provider", "a.b", "must be given in OPTIONS, a URL cannot express it"),
        ("serializer", "x", "Option 'serializer' in the query of LOCATION does not describe a connection"),
        ("sock_timeout", "1", "Unknown option 'sock_timeout' in the query of LOCATION; did you mean 'socket_timeout'?"),
        ("host", "x", "Option 'host' in the query of LOCATION is not valid: it belongs in LOCATION"),
        ("max_redirects", "1", "Option 'max_redirects' in the query of LOCATION is for cluster backends only"),
        (f"{SECRET}@host", "", "the query has a parameter that is not the name of an option"),
    ],
)
def test_bad_query_parameters(name: str, text: str, expected: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        read_query({name: text}, "standalone")
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    options = {
        **TLS,
        "username": "u",
        "password": SECRET,
        "ssl_certfile": "/c",
        "ssl_password": SECRET,
        "ssl_ca_data": SECRET,
    }
    parsed = ConnectionOptions.parse(options)
    assert parsed.password == SECRET
    assert SECRET not in f"{parsed!r}{parsed.tls!r}{parsed}"


@pytest.mark.parametrize("reverse", [5, [], "os.sep", "no.such.function", ""], ids=repr)
def test_what_cannot_reverse_keys(reverse: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="REVERSE_KEY_FUNCTION"):
        RedisCache("redis://h", {"REVERSE_KEY_FUNCTION": reverse})


class NoLength:
    """A compressor without a length from which on it works."""

    min_length: Any = None

    def compress(self, data: bytes) -> bytes:
        """Return the data."""
        return data

    decompress = compress


@pytest.mark.parametrize(
    "options",
    [
        {"serializer": lambda value: value},
        {"serializer": "zlib.decompress"},
        {"compressor": "zlib.decompress"},
        {"compressor": NoLength},
        *({"compressor": type("Wrong", (NoLength,), {"min_length": length})} for length in ("5", 5.0, -1, True)),
    ],
    ids=repr,
)
def test_what_is_no_serializer_or_compressor(options: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match=next(iter(options))):
        RedisCache("redis://h", {"OPTIONS": options})
