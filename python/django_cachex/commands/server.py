"""What servers tell of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command
from django_cachex.commands.info import parse_info
from django_cachex.commands.replies import integer, items, text, texts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ServerCommands"]


class ServerCommands(Commands):
    """Statistics of a server: of one for reads, on a cluster of the primary that owns slot 0."""

    @command("INFO", keys=(0, 0, 0), queued=False)
    def info(self, section: str | None = None) -> Command[dict[str, Any]]:
        """Return the server's figures and settings (INFO).

        Args:
            section: only this one: ``"memory"``, ``"keyspace"`` and so on; ``None`` is what the server tells unasked.

        Returns:
            Numbers and texts under the server's names; ``db0`` and its like are dicts themselves.
        """
        return Command(parse_info, *([] if section is None else [section]))

    ainfo = aio(info)

    @command("SLOWLOG GET", keys=(0, 0, 0), queued=False)
    def slowlog_get(self, count: int = 10) -> Command[list[dict[str, Any]]]:
        """Return the latest slow commands, latest first (SLOWLOG GET).

        Args:
            count: so many at most.

        Returns:
            Dicts of ``id``, ``start_time`` (Unix seconds), ``duration`` (microseconds), ``command`` (list of str),
            ``client_address`` and ``client_name``.
        """
        return Command(lambda reply: [_slow(row) for row in items(reply)], count)

    aslowlog_get = aio(slowlog_get)

    @command("SLOWLOG LEN", keys=(0, 0, 0), queued=False)
    def slowlog_len(self) -> Command[int]:
        """Return how many slow commands the server remembers (SLOWLOG LEN)."""
        return Command(integer)

    aslowlog_len = aio(slowlog_len)


_SLOW: dict[str, Callable[[Any], Any]] = {
    "id": integer,
    "start_time": integer,
    "duration": integer,
    "command": texts,
    "client_address": text,
    "client_name": text,
}


def _slow(row: Any) -> dict[str, Any]:
    # Servers may add to it.
    told = items(items(row)[: len(_SLOW)], len(_SLOW))
    return {name: made(item) for (name, made), item in zip(_SLOW.items(), told, strict=True)}
