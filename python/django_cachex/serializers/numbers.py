"""Small numbers in MessagePack, one of whose bytes may look like a digit."""

from __future__ import annotations

__all__ = ["unambiguous"]

# MessagePack's own mark of an unsigned integer of one byte.
_UINT8 = b"\xcc"


def unambiguous(packed: bytes) -> bytes:
    """Return *packed* in another spelling if it is the digit that an integer of the server's would be.

    The numbers 48 to 57 are one byte each: the digits 0 to 9. An exact ``int`` never comes here; an ``IntEnum`` may.
    """
    return _UINT8 + packed if len(packed) == 1 and packed.isdigit() else packed
