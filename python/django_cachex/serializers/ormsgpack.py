"""MessagePack by ormsgpack: as orjson, in binary."""

from __future__ import annotations

from typing import Any

from django_cachex.serializers.base import BaseSerializer
from django_cachex.serializers.numbers import unambiguous
from django_cachex.serializers.plain import plain

try:
    import ormsgpack
except ImportError as error:
    raise ImportError("OrmsgpackSerializer needs ormsgpack: pip install 'django-cachex[ormsgpack]'") from error

__all__ = ["OrmsgpackSerializer"]


class OrmsgpackSerializer(BaseSerializer):
    """Writes MessagePack. Dates, decimals, UUIDs and lazy strings are written as text, and come back as text."""

    def _dumps(self, obj: Any) -> bytes:
        return unambiguous(ormsgpack.packb(obj, default=plain, option=ormsgpack.OPT_NON_STR_KEYS))

    def _loads(self, data: bytes) -> Any:
        return ormsgpack.unpackb(data, option=ormsgpack.OPT_NON_STR_KEYS)
