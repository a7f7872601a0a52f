"""Types that appear in signatures and results."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["KeyType"]


class KeyType(StrEnum):
    """The type of the value that a key holds."""

    STRING = "string"
    LIST = "list"
    SET = "set"
    HASH = "hash"
    ZSET = "zset"
    STREAM = "stream"
