"""What comes back from a transaction."""

from __future__ import annotations

from typing import Any

__all__ = ["check"]


def check(replies: Any) -> Any:
    """Return the replies to a transaction's commands; raise the first error among them."""
    if isinstance(replies, list):
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
    return replies
