"""Pickle with a signature: nothing is unpickled that this site did not write."""

from __future__ import annotations

import pickle
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature
from django.utils.crypto import constant_time_compare, salted_hmac

from django_cachex.exceptions import PickleSerializerError
from django_cachex.serializers.base import BaseSerializer

__all__ = ["SignedPickleSerializer"]

# It shows what the bytes are; no pickle begins like this.
_PREFIX = b"signed1:"
_DIGEST = 32


class SignedPickleSerializer(BaseSerializer):
    """Pickles values behind an HMAC-SHA256 with ``SECRET_KEY``, which is verified before anything is unpickled.

    Values signed with a key of ``SECRET_KEY_FALLBACKS`` are read too. Integers are stored as bare digits, as by every
    serializer, and are not signed.

    Attributes:
        protocol: the pickle protocol that is written.
        salt: keeps the values of one purpose from being taken for another's.
    """

    _error = PickleSerializerError

    def __init__(self, protocol: int | None = None, *, salt: str = "django_cachex") -> None:
        """Keep *protocol* (``None`` is the newest one) and *salt*.

        Raises:
            ImproperlyConfigured: there is no ``SECRET_KEY``.
        """
        _ = settings.SECRET_KEY  # Django raises if it is empty
        self.protocol = pickle.HIGHEST_PROTOCOL if protocol is None else protocol
        self.salt = salt

    def _dumps(self, obj: Any) -> bytes:
        payload = pickle.dumps(obj, self.protocol)
        return b"".join((_PREFIX, self._sign(payload, settings.SECRET_KEY), payload))

    def _loads(self, data: bytes) -> Any:
        start = len(_PREFIX) + _DIGEST
        signature, payload = data[len(_PREFIX) : start], data[start:]
        if not data.startswith(_PREFIX):
            raise BadSignature("There is no signature")
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            if constant_time_compare(self._sign(payload, secret), signature):
                return pickle.loads(payload)
        raise BadSignature("The signature does not match")

    def _sign(self, payload: bytes, secret: str | bytes) -> bytes:
        return salted_hmac(self.salt, payload, secret=secret, algorithm="sha256").digest()
