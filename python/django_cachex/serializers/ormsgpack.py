"""MessagePack by ormsgpack: as orjson, in binary."""

from __future__ import annotations

import os
from typing import Any

from django_cachex.serializers.base import BaseSerializer
from django_cachex.serializers.numbers import unambiguous
from django_cachex.serializers.plain import plain

try:
    import ormsgpack
except ImportError as error:
    raise ImportError("OrmsgpackSerializer needs the extra django-cachex[ormsgpack]: pip install ormsgpack") from error

__all__ = ["OrmsgpackSerializer"]

# A binary of 16 bytes that nobody can know in advance, and a head that makes it the second of two items.
_MARK = os.urandom(16)
_PAIR, _MARKED = b"\x92", b"\xc4\x10" + _MARK


class OrmsgpackSerializer(BaseSerializer):
    """Writes MessagePack. Dates, decimals, UUIDs and lazy strings are written as text, and come back as text."""

    def _dumps(self, obj: Any) -> bytes:
        return unambiguous(ormsgpack.packb(obj, default=plain, option=ormsgpack.OPT_NON_STR_KEYS))

    def _loads(self, data: bytes) -> Any:
        # ormsgpack does not mind what follows a value: every pickle would be an empty dict.
        value, mark = ormsgpack.unpackb(_PAIR + data + _MARKED, option=ormsgpack.OPT_NON_STR_KEYS)
        if mark != _MARK:
            raise ValueError("there is more than one value")
        return value
