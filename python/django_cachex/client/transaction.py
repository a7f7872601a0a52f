"""What comes back from a transaction."""

from __future__ import annotations

from typing import Any

__all__ = ["check", "results"]


def check(replies: Any) -> None:
    """Raise the first error among the replies to a transaction, or to a single command.

    A command that was refused while queueing says more than the EXECABORT that follows from it.
    """
    if not isinstance(replies, list):
        return
    executed = replies[-1]
    for reply in (*replies, *(executed if isinstance(executed, list) else ())):
        if isinstance(reply, Exception):
            raise reply


def results(replies: list[Any]) -> list[Any]:
    """Return the results of a transaction's commands out of the replies to MULTI, its commands and EXEC.

    Raises:
        ResponseError: one of them was refused.
    """
    check(replies)
    executed: list[Any] = replies[-1]
    return executed
