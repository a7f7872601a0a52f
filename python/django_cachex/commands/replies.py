"""Raw replies as results. What a server cannot mean by a command is refused here, not handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from django_cachex._core import as_is, done, flag, integer
from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "as_is",
    "check",
    "done",
    "fields",
    "flag",
    "integer",
    "items",
    "number",
    "page",
    "refuse",
    "text",
    "texts",
    "unexpected",
]


def unexpected(reply: object) -> ResponseError:
    """Return the error for a reply of the wrong type."""
    return ResponseError(f"unexpected reply of type {type(reply).__name__}")


def text(reply: Any) -> str:
    """Return a status or string reply as text."""
    if not isinstance(reply, bytes):
        raise unexpected(reply)
    return reply.decode("utf-8", "surrogateescape")


def items(reply: Any, length: int | None = None) -> list[Any]:
    """Return an array reply, of *length* items if that is given."""
    if not isinstance(reply, list) or (length is not None and len(reply) != length):
        raise unexpected(reply)
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


def fields(value: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """Return what makes a dict of text to values out of an array of fields and values in turn."""

    def found(reply: Any) -> dict[str, Any]:
        flat = items(reply)
        if len(flat) % 2:
            raise ResponseError("unexpected reply: a field without a value")
        return {text(field): value(data) for field, data in zip(flat[::2], flat[1::2], strict=True)}

    return found


def page(reply: Any) -> tuple[int, list[Any]]:
    """Return the next cursor and the items of one step of a scan."""
    cursor, found = items(reply, 2)
    digits = text(cursor)
    if not digits.isdecimal():
        raise ResponseError("unexpected cursor")
    return int(digits), items(found)


def check(replies: Any) -> Any:
    """Return the replies to a transaction's commands; raise the first error among them."""
    if isinstance(replies, list):
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
    return replies


def refuse(refused: Callable[[ResponseError], Exception] | None, error: Exception) -> NoReturn:
    """Raise what *refused* makes of the server's refusal."""
    made = refused(error) if refused is not None and isinstance(error, ResponseError) else error
    if made is error:
        raise error
    raise made from error
