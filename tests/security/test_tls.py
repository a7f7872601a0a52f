"""TLS: whom we connect to, whom we do not, and what is said about it; with real handshakes throughout."""

from __future__ import annotations

import logging
import re
import shutil
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from django.core.exceptions import ImproperlyConfigured
from django_cachex.cache import RedisCache, ValkeyCache
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError

from django_cachex import _core
from tests.servers import free_port
from tests.tls_front import TlsFront

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.caller import Caller
    from tests.certificates import Certificates, Pair
    from tests.servers import Family, Server

type MakeCache = Callable[..., RedisCache]

# Nothing here is about being slow, but the machine may be.
_PATIENT = {"socket_connect_timeout": 5}


@pytest.fixture(scope="module")
def tls_server(family: Family, certificates: Certificates) -> Iterator[Server]:
    with family.start(tls=certificates) as running:
        yield running


@pytest.fixture(scope="module")
def mutual_server(family: Family, certificates: Certificates) -> Iterator[Server]:
    with family.start(tls=certificates, mutual_tls=True) as running:
        yield running


@pytest.fixture
def connect(make_cache: MakeCache, certificates: Certificates) -> Callable[..., RedisCache]:
    """Make a cache on a server, with the `ssl_*` options as keywords; the right authority is trusted without."""

    def make(server: Server | str, **options: Any) -> RedisCache:
        location = server if isinstance(server, str) else server.url
        given = {"ssl_ca_certs": str(certificates.ca), **_PATIENT, **options}
        return make_cache(location, OPTIONS={name: value for name, value in given.items() if value is not ...})

    return make


@pytest.fixture
def front(server: Server, certificates: Certificates) -> Iterator[Callable[..., tuple[TlsFront, str]]]:
    """Put TLS of a certain kind in front of the shared server: `front(newest=...)` gives it and its LOCATION."""
    fronts: list[TlsFront] = []

    def start(pair: Pair | None = None, **how: Any) -> tuple[TlsFront, str]:
        port = free_port()
        fronts.append(TlsFront(port, server.plain_port, certificates, pair or certificates.server, **how))
        return fronts[-1], f"rediss://127.0.0.1:{port}"

    yield start
    for each in fronts:
        each.close()


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
    assert any("ssl_cert_reqs" in record.getMessage() for record in caplog.records)


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


@pytest.mark.parametrize("asked", ["RC4-MD5", "TLS_AES_128_GCM_SHA256:HIGH", "ecdhe"])
def test_an_unknown_cipher_is_refused_with_the_known_ones(
    connect: Callable[..., RedisCache], tls_server: Server, asked: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        connect(tls_server, ssl_ciphers=asked).get("k")
    text = str(caught.value)
    assert asked.rpartition(":")[2] in text
    assert "ssl_ciphers" in text
    assert "ECDHE-RSA-AES128-GCM-SHA256" in text
    assert "TLS_AES_256_GCM_SHA384" in text


# Files that are no good


def _bad_files(certificates: Certificates, directory: Path) -> dict[str, tuple[dict[str, str], str]]:
    """What is wrong -> options, and what the error says besides the last option and its file."""
    cert, key = str(certificates.client.cert), str(certificates.client.key)
    files = {
        "text": b"no certificate",
        "base64": b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "der": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "cut": certificates.ca.read_bytes()[:300],
        "cut key": certificates.locked_key.read_bytes()[:200],
        "legacy key": _legacy(certificates),
        "empty": b"",
    }
    paths = {}
    for name, content in files.items():
        paths[name] = str(directory / name)
        (directory / name).write_bytes(content)
    empty = directory / "directory"
    empty.mkdir()
    locked = {"ssl_certfile": cert, "ssl_keyfile": str(certificates.locked_key)}
    return {
        "no such authority": ({"ssl_ca_certs": str(directory / "missing")}, "No such file"),
        "authority is a directory": ({"ssl_ca_certs": str(empty)}, "directory"),
        "authority without certificate": ({"ssl_ca_certs": paths["text"]}, "no PEM certificate"),
        "authority of bad base64": ({"ssl_ca_certs": paths["base64"]}, "base64"),
        "authority of bad DER": ({"ssl_ca_certs": paths["der"]}, "no usable certificate"),
        "authority cut off": ({"ssl_ca_certs": paths["cut"]}, "cut off"),
        "authority is a key": ({"ssl_ca_certs": key}, "no PEM certificate"),
        "no such directory": ({"ssl_ca_path": str(directory / "missing")}, "No such file"),
        "empty directory": ({"ssl_ca_path": str(empty)}, "no file with a PEM certificate"),
        "no such certificate": ({"ssl_keyfile": key, "ssl_certfile": str(directory / "missing")}, "No such file"),
        "certificate of bad DER": ({"ssl_keyfile": key, "ssl_certfile": paths["der"]}, "cannot be read"),
        "no such key": ({"ssl_certfile": cert, "ssl_keyfile": str(directory / "missing")}, "No such file"),
        "empty key": ({"ssl_certfile": cert, "ssl_keyfile": paths["empty"]}, "no PEM private key"),
        "no key beside the certificate": ({"ssl_certfile": cert}, "no PEM private key"),
        "another's key": ({"ssl_certfile": cert, "ssl_keyfile": str(certificates.server.key)}, "does not belong"),
        "no password": (locked, "give its ssl_password"),
        "wrong password": ({"ssl_password": "sesame, open", **locked}, "does not open"),
        "cut locked key": (
            {"ssl_password": certificates.password, "ssl_certfile": cert, "ssl_keyfile": paths["cut key"]},
            "cut off",
        ),
        "legacy key": (
            {"ssl_password": certificates.password, "ssl_certfile": cert, "ssl_keyfile": paths["legacy key"]},
            "openssl pkcs8 -topk8",
        ),
    }


def _legacy(certificates: Certificates) -> bytes:
    key = serialization.load_pem_private_key(certificates.client.key.read_bytes(), password=None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(certificates.password.encode()),
    )


def test_bad_files_are_named_with_their_option(
    connect: Callable[..., RedisCache], tls_server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    for what, (options, reason) in _bad_files(certificates, tmp_path).items():
        with pytest.raises(ImproperlyConfigured) as caught:
            connect(tls_server, **options).get("k")
        text = str(caught.value)
        option, path = list(options.items())[-1]
        assert option in text, what
        assert path in text, what
        assert reason in text, what
        assert certificates.password not in text, what
        assert "sesame" not in text, what


@pytest.mark.parametrize("data", ["", b"", "no certificate", b"\x30\x03abc", b"\x30\xff\x00"])
def test_bad_data_is_named_with_its_option(
    connect: Callable[..., RedisCache], tls_server: Server, data: str | bytes
) -> None:
    with pytest.raises(ImproperlyConfigured, match="ssl_ca_data"):
        connect(tls_server, ssl_ca_certs=..., ssl_ca_data=data).get("k")


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_cert_reqs", "ssl_ciphers"])
def test_options_without_tls_are_refused(make_cache: MakeCache, server: Server, option: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{option}.*TLS"):
        make_cache(f"redis://127.0.0.1:{server.port}", OPTIONS={option: "none"}).get("k")


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


# The native description


def test_equal_material_is_equal(certificates: Certificates, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.ca, ca)
    before = _core.Tls(ca_certs=str(ca))
    assert before == _core.Tls(ca_certs=str(ca))
    assert hash(before) == hash(_core.Tls(ca_certs=str(ca)))
    assert before != _core.Tls()
    assert before != _core.Tls(ca_certs=str(ca), check_hostname=False)
    shutil.copy(certificates.other_ca, ca)
    assert before != _core.Tls(ca_certs=str(ca))


def test_no_secret_is_shown(certificates: Certificates) -> None:
    tls = _core.Tls(
        certfile=str(certificates.client.cert),
        keyfile=str(certificates.locked_key),
        key_password=certificates.password,
        ciphers=("TLS_AES_128_GCM_SHA256",),
    )
    text = repr(tls)
    assert certificates.password not in text
    assert str(certificates.locked_key) in text
    assert "ciphers='TLS_AES_128_GCM_SHA256'" in text
