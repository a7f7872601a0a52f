"""Raw replies as results. What a server cannot mean by a command is refused here, not handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["done", "fields", "flag", "integer", "items", "number", "page", "text", "texts", "value", "values"]


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


def number(reply: Any) -> float:
    """Return a number that came as text, "inf" and "-inf" included."""
    digits = text(reply)
    try:
        return float(digits)
    except ValueError as error:
        raise ResponseError("unexpected reply: a number was expected") from error


def texts(reply: Any) -> list[str]:
    """Return an array of strings as text."""
    return [text(item) for item in items(reply)]


def value(decode: Callable[[bytes], Any]) -> Callable[[Any], Any]:
    """Return what makes a value out of a string reply, and ``None`` out of the server's nil."""

    def found(reply: Any) -> Any:
        if reply is None:
            return None
        if type(reply) is not bytes:
            raise _unexpected(reply)
        return decode(reply)

    return found


def values(decode: Callable[[bytes], Any], length: int | None = None) -> Callable[[Any], list[Any]]:
    """Return what makes values out of an array reply, of *length* items if given, with ``None`` for each nil in it."""
    one = value(decode)
    return lambda reply: [one(item) for item in items(reply, length)]


def fields(decode: Callable[[bytes], Any]) -> Callable[[Any], dict[str, Any]]:
    """Return what makes a dict of text to values out of an array of fields and values in turn."""
    one = value(decode)

    def found(reply: Any) -> dict[str, Any]:
        flat = items(reply)
        if len(flat) % 2:
            raise ResponseError("unexpected reply: a field without a value")
        return {text(field): one(data) for field, data in zip(flat[::2], flat[1::2], strict=True)}

    return found


def page(reply: Any) -> tuple[int, list[Any]]:
    """Return the next cursor and the items of one step of a scan."""
    cursor, found = items(reply, 2)
    digits = text(cursor)
    if not digits.isdecimal():
        raise ResponseError("unexpected cursor")
    return int(digits), items(found)


def done(_: Any) -> bool:
    """Return ``True``: the server did it, or an error would have been raised."""
    return True
