"""What comes back for a command or a transaction: errors among the replies are raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check", "refuse"]


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
