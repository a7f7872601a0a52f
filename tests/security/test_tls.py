"""TLS: whom we connect to, whom we do not, and what is said about it; with real handshakes throughout."""

from __future__ import annotations

import logging
import re
import shutil
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex.cache import RedisCache, ValkeyCache
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.caller import Caller
    from tests.certificates import Certificates
    from tests.servers import Server
    from tests.tls_front import TlsFront

type MakeCache = Callable[..., RedisCache]

# Nothing here is about being slow, but the machine may be.
_PATIENT = {"socket_connect_timeout": 5}


def _refused(call: Caller, cache: RedisCache, cause: str) -> None:
    with pytest.raises(CacheConnectionError, match=cause):
        call(cache.get, "k")
    with pytest.raises(CacheConnectionError, match=cause):
        call(cache.set, "k", "v")


# What is right


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize(("backend", "scheme"), [(RedisCache, "rediss"), (ValkeyCache, "valkeys"), (RedisCache, "ssl")])
def test_the_right_server_is_served(
    *,
    call: Caller,
    make_cache: MakeCache,
    tls_server: Server,
    certificates: Certificates,
    backend: type[RedisCache],
    scheme: str,
    host: str,
) -> None:
    options: dict[str, Any] = {"ssl_ca_certs": str(certificates.ca), **_PATIENT}
    if scheme == "ssl":
        scheme, options["ssl"] = "redis", True
    cache = make_cache(f"{scheme}://{host}:{tls_server.port}/3", backend=backend, OPTIONS=options)
    call(cache.set, "k", {"a": [1, None]})
    assert call(cache.get, "k") == {"a": [1, None]}
    assert {client["db"] for client in tls_server.clients()} >= {"3"}


def test_options_may_stand_in_the_url(
    call: Caller, make_cache: MakeCache, mutual_server: Server, certificates: Certificates
) -> None:
    query = (
        f"ssl_ca_certs={certificates.ca}&ssl_certfile={certificates.client.cert}&ssl_keyfile={certificates.client.key}"
    )
    cache = make_cache(f"{mutual_server.url}?{query}", OPTIONS=_PATIENT)
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == 1


def test_values_larger_than_a_record(call: Caller, connect: Callable[..., RedisCache], tls_server: Server) -> None:
    cache = connect(tls_server)
    values = {f"k{size}": b"\x00\xff" * (size // 2) for size in (16_382, 16_384, 16_386, 100_000, 3_000_000)}
    call(cache.set_many, values)
    assert call(cache.get_many, list(values)) == values
    assert [call(cache.get, key) for key in values] == list(values.values())


def test_many_at_once(call: Caller, connect: Callable[..., RedisCache], tls_server: Server) -> None:
    cache = connect(tls_server)
    big = "x" * 20_000
    call.every([(cache.set, f"k{n}", (n, big)) for n in range(200)])
    assert call.every([(cache.get, f"k{n}") for n in range(200)]) == [(n, big) for n in range(200)]


def test_one_connection_serves_many_calls(call: Caller, connect: Callable[..., RedisCache], tls_server: Server) -> None:
    # TLS 1.3 sends tickets after the handshake; they must not look like a broken connection.
    cache = connect(tls_server)
    call(cache.get, "k")
    before = tls_server.opened()
    for _ in range(20):
        call(cache.get, "k")
    assert tls_server.opened() == before


def test_a_killed_connection_is_replaced(call: Caller, connect: Callable[..., RedisCache], tls_server: Server) -> None:
    cache = connect(tls_server)
    call(cache.set, "k", 1)
    tls_server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert call(cache.get, "k") == 1


# Whom the server is verified against


@pytest.mark.parametrize("authority", ["other", "system"])
def test_a_wrong_authority_is_refused(
    call: Caller, connect: Callable[..., RedisCache], tls_server: Server, certificates: Certificates, authority: str
) -> None:
    trusted = str(certificates.other_ca) if authority == "other" else ...
    cause = r"the server's certificate is not signed by a trusted authority \(ssl_ca_certs\)"
    _refused(call, connect(tls_server, ssl_ca_certs=trusted), cause)


def test_a_wrong_host_is_refused(
    call: Caller,
    connect: Callable[..., RedisCache],
    start_server: Callable[..., Server],
    certificates: Certificates,
) -> None:
    server = start_server(tls=certificates, tls_pair=certificates.misnamed)
    cause = re.escape('is not valid for the host name "127.0.0.1"; it names elsewhere.example')
    _refused(call, connect(server), cause)


@pytest.mark.parametrize(("which", "cause"), [("expired", "has expired"), ("early", "is not valid yet")])
def test_a_certificate_out_of_its_time_is_refused(
    *,
    call: Caller,
    connect: Callable[..., RedisCache],
    start_server: Callable[..., Server],
    certificates: Certificates,
    which: str,
    cause: str,
) -> None:
    server = start_server(tls=certificates, tls_pair=getattr(certificates, which))
    _refused(call, connect(server), cause)


def test_the_cause_names_the_server(
    call: Caller, connect: Callable[..., RedisCache], tls_server: Server, certificates: Certificates
) -> None:
    with pytest.raises(CacheConnectionError, match=f"127.0.0.1:{tls_server.port}"):
        call(connect(tls_server, ssl_ca_certs=str(certificates.other_ca)).get, "k")


@pytest.mark.parametrize("form", ["pem", "pem bytes", "der", "directory"])
def test_authorities_come_in_several_forms(
    *,
    call: Caller,
    connect: Callable[..., RedisCache],
    tls_server: Server,
    certificates: Certificates,
    tmp_path: Path,
    form: str,
) -> None:
    text = certificates.ca.read_text()
    options: dict[str, Any] = {"ssl_ca_certs": ...}
    match form:
        case "pem":
            options["ssl_ca_data"] = text
        case "pem bytes":
            options["ssl_ca_data"] = text.encode()
        case "der":
            other = ssl.PEM_cert_to_DER_cert(certificates.other_ca.read_text())
            options["ssl_ca_data"] = other + ssl.PEM_cert_to_DER_cert(text)
        case _:
            shutil.copy(certificates.ca, tmp_path / "any-name")
            (tmp_path / "README").write_text("not a certificate")
            options["ssl_ca_path"] = str(tmp_path)
    cache = connect(tls_server, **options)
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == 1


def test_a_self_signed_certificate_may_be_trusted_itself(
    call: Caller,
    connect: Callable[..., RedisCache],
    front: Callable[..., tuple[TlsFront, str]],
    certificates: Certificates,
) -> None:
    _, location = front(certificates.self_signed)
    cache = connect(location, ssl_ca_certs=str(certificates.self_signed.cert))
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == 1
    _refused(call, connect(location), "not signed by a trusted authority")
    misnamed = connect(location.replace("127.0.0.1", "localhost"), ssl_ca_certs=str(certificates.self_signed.cert))
    _refused(call, misnamed, 'not valid for the host name "localhost"')


# What may be left out


def test_without_the_name_the_chain_is_verified(
    call: Caller,
    connect: Callable[..., RedisCache],
    start_server: Callable[..., Server],
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start_server(tls=certificates, tls_pair=certificates.misnamed)
    with caplog.at_level(logging.WARNING, "django_cachex"):
        cache = connect(server, ssl_check_hostname=False)
        call(cache.set, "k", 1)
        assert call(cache.get, "k") == 1
    assert any("ssl_check_hostname" in record.getMessage() for record in caplog.records)
    stranger = connect(server, ssl_check_hostname=False, ssl_ca_certs=str(certificates.other_ca))
    _refused(call, stranger, "not signed by a trusted authority")


@pytest.mark.parametrize("value", ["none", None, ssl.CERT_NONE])
def test_without_verification_anybody_will_do_with_a_warning(
    *,
    call: Caller,
    connect: Callable[..., RedisCache],
    front: Callable[..., tuple[TlsFront, str]],
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    value: object,
) -> None:
    for pair in (certificates.expired, certificates.misnamed, certificates.self_signed):
        _, location = front(pair)
        with caplog.at_level(logging.WARNING, "django_cachex"):
            caplog.clear()
            cache = connect(location, ssl_cert_reqs=value, ssl_ca_certs=...)
            call(cache.set, "k", 1)
            assert call(cache.get, "k") == 1
        assert [record.name for record in caplog.records if "ssl_cert_reqs" in record.getMessage()] == ["django_cachex"]


@pytest.mark.parametrize("value", ["optional", ssl.CERT_OPTIONAL])
def test_optional_verifies_what_a_server_always_shows(
    *,
    call: Caller,
    connect: Callable[..., RedisCache],
    front: Callable[..., tuple[TlsFront, str]],
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    value: object,
) -> None:
    _, location = front()
    with caplog.at_level(logging.WARNING, "django_cachex"):
        _refused(
            call,
            connect(location, ssl_cert_reqs=value, ssl_ca_certs=str(certificates.other_ca)),
            "not signed by a trusted authority",
        )
    assert any("is 'optional'" in record.getMessage() for record in caplog.records)
    assert not any("ssl_check_hostname" in record.getMessage() for record in caplog.records)


def test_the_name_cannot_be_checked_without_the_chain(connect: Callable[..., RedisCache], tls_server: Server) -> None:
    with pytest.raises(ImproperlyConfigured, match="ssl_check_hostname"):
        connect(tls_server, ssl_cert_reqs="none", ssl_check_hostname=True).get("k")


# Who we are


def test_a_missing_client_certificate_is_named(
    call: Caller, connect: Callable[..., RedisCache], mutual_server: Server
) -> None:
    _refused(call, connect(mutual_server), r"client certificate \(ssl_certfile\)")


def test_a_missing_client_certificate_is_named_with_tls_1_2(
    call: Caller, connect: Callable[..., RedisCache], front: Callable[..., tuple[TlsFront, str]]
) -> None:
    _, location = front(mutual=True, newest=ssl.TLSVersion.TLSv1_2)
    _refused(call, connect(location), r"client certificate \(ssl_certfile\)")


def test_a_strangers_client_certificate_is_refused(
    call: Caller, connect: Callable[..., RedisCache], mutual_server: Server, certificates: Certificates
) -> None:
    stranger = certificates.stranger
    cache = connect(mutual_server, ssl_certfile=str(stranger.cert), ssl_keyfile=str(stranger.key))
    _refused(call, cache, "does not trust the authority of the client certificate")


@pytest.mark.parametrize("form", ["two files", "one file", "locked key"])
def test_the_right_client_certificate_is_served(
    call: Caller, connect: Callable[..., RedisCache], mutual_server: Server, certificates: Certificates, form: str
) -> None:
    identities: dict[str, dict[str, object]] = {
        "two files": {"ssl_certfile": certificates.client.cert, "ssl_keyfile": certificates.client.key},
        "one file": {"ssl_certfile": certificates.client_in_one},
        "locked key": {
            "ssl_certfile": certificates.client.cert,
            "ssl_keyfile": certificates.locked_key,
            "ssl_password": certificates.password,
        },
    }
    cache = connect(mutual_server, **{name: str(value) for name, value in identities[form].items()})
    call(cache.set, "k", "v")
    assert call(cache.get, "k") == "v"


# Versions and ciphers


def test_an_older_version_than_allowed_is_refused(
    call: Caller, connect: Callable[..., RedisCache], front: Callable[..., tuple[TlsFront, str]]
) -> None:
    old, location = front(newest=ssl.TLSVersion.TLSv1_2)
    _refused(call, connect(location, ssl_min_version=ssl.TLSVersion.TLSv1_3), r"no TLS version .*ssl_min_version")
    call(connect(location).get, "k")
    assert {version for version, _ in old.sessions} == {"TLSv1.2"}


def test_the_newest_version_is_spoken(
    call: Caller, connect: Callable[..., RedisCache], front: Callable[..., tuple[TlsFront, str]]
) -> None:
    new, location = front()
    call(connect(location, ssl_min_version=ssl.TLSVersion.TLSv1_3).get, "k")
    assert {version for version, _ in new.sessions} == {"TLSv1.3"}


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ("TLS_CHACHA20_POLY1305_SHA256", ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256")),
        ("TLS_AES_128_GCM_SHA256", ("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")),
        ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305", ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305")),
    ],
)
def test_only_the_named_ciphers_are_offered(
    call: Caller,
    connect: Callable[..., RedisCache],
    front: Callable[..., tuple[TlsFront, str]],
    asked: str,
    used: tuple[str, str],
) -> None:
    tls, location = front()
    call(connect(location, ssl_ciphers=asked).get, "k")
    assert set(tls.sessions) == {used}


# A port of the other kind


def test_a_port_without_tls_is_an_error_in_time(
    call: Caller, connect: Callable[..., RedisCache], server: Server
) -> None:
    location = f"rediss://127.0.0.1:{server.plain_port}"
    with pytest.raises((CacheConnectionError, CacheTimeoutError)):
        call(connect(location, socket_connect_timeout=0.5).get, "k")


def test_a_port_with_tls_is_an_error_without(call: Caller, make_cache: MakeCache, tls_server: Server) -> None:
    cache = make_cache(f"redis://127.0.0.1:{tls_server.port}", OPTIONS={"socket_connect_timeout": 0.5})
    with pytest.raises((CacheConnectionError, CacheTimeoutError)):
        call(cache.get, "k")
