"""Raw replies as results. What a server cannot mean by a command is refused here, not handed on."""

from __future__ import annotations

from typing import Any

from django_cachex.exceptions import ResponseError

__all__ = ["done", "flag", "integer", "items", "text"]


def _unexpected(reply: object) -> ResponseError:
    return ResponseError(f"unexpected reply of type {type(reply).__name__}")


def integer(reply: Any) -> int:
    """Return an integer reply."""
    if type(reply) is not int:
        raise _unexpected(reply)
    return reply


def flag(reply: Any) -> bool:
    """Return an integer reply that means yes or no."""
    return integer(reply) != 0


def text(reply: Any) -> str:
    """Return a status or string reply as text."""
    if not isinstance(reply, bytes):
        raise _unexpected(reply)
    return reply.decode("utf-8", "surrogateescape")


def items(reply: Any, length: int | None = None) -> list[Any]:
    """Return an array reply, of *length* items if that is given."""
    if not isinstance(reply, list) or (length is not None and len(reply) != length):
        raise _unexpected(reply)
    return reply


def done(_: Any) -> bool:
    """Return ``True``: the server did it, or an error would have been raised."""
    return True
