"""TLS options whose value or file is no good: refused before anything is connected, by name, without a secret."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_cachex.cache import RedisCache
    from tests.certificates import Certificates
    from tests.servers import Server


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


@pytest.mark.parametrize("data", ["", b"", "no certificate", "\ud800", b"\x30\x03abc", b"\x30\xff\x00"])
def test_bad_data_is_named_with_its_option(
    connect: Callable[..., RedisCache], tls_server: Server, data: str | bytes
) -> None:
    with pytest.raises(ImproperlyConfigured, match="ssl_ca_data"):
        connect(tls_server, ssl_ca_certs=..., ssl_ca_data=data).get("k")


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_cert_reqs", "ssl_ciphers"])
def test_options_without_tls_are_refused(make_cache: Callable[..., RedisCache], server: Server, option: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{option}.*TLS"):
        make_cache(f"redis://127.0.0.1:{server.port}", OPTIONS={option: "none"}).get("k")


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
