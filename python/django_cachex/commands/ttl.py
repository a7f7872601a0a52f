"""Time to live."""

# ruff: noqa: D417 - the class says what `key` and `version` are

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex._core import Spec
from django_cachex.commands.arguments import milliseconds, moment
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command
from django_cachex.commands.replies import flag, integer

if TYPE_CHECKING:
    from django_cachex.commands.arguments import Duration, Moment

__all__ = ["TtlCommands"]

_PEXPIRE = Spec("PEXPIRE", write=True, repeatable=True)
_PEXPIREAT = Spec("PEXPIREAT", write=True, repeatable=True)
# Durations and moments before this one are as good as it, and may be more than the server can count.
_OVER = -1_000


def _remaining(reply: Any) -> int | None:
    return None if reply == -1 else integer(reply)


class TtlCommands(Commands):
    """How long keys live. These methods work on keys of any type; *version* is that of the key."""

    @command("TTL")
    def ttl(self, key: str, version: int | None = None) -> Command[int | None]:
        """Return how many seconds *key* has left to live (TTL).

        Returns:
            Seconds; ``None`` if the key has no expiry, -2 if it does not exist.
        """
        return Command(_remaining, self._key(key, version))

    attl = aio(ttl)

    @command("PTTL")
    def pttl(self, key: str, version: int | None = None) -> Command[int | None]:
        """Return how many milliseconds *key* has left to live (PTTL).

        Returns:
            Milliseconds; ``None`` if the key has no expiry, -2 if it does not exist.
        """
        return Command(_remaining, self._key(key, version))

    apttl = aio(pttl)

    @command("EXPIRETIME")
    def expiretime(self, key: str, version: int | None = None) -> Command[int | None]:
        """Return the moment at which *key* expires (EXPIRETIME).

        Returns:
            Unix time in seconds; ``None`` if the key has no expiry, -2 if it does not exist.

        Raises:
            ResponseError: the server is older than Redis 7.
        """
        return Command(_remaining, self._key(key, version))

    aexpiretime = aio(expiretime)

    @command("EXPIRE", write=True, repeatable=True)
    def expire(self, key: str, timeout: Duration, version: int | None = None) -> Command[bool]:
        """Let *key* expire in *timeout* seconds (EXPIRE).

        Args:
            timeout: seconds, or a timedelta; fractions count down to the millisecond. Zero and less deletes the key.

        Returns:
            Whether the key exists.
        """
        return _whole(self._key(key, version), max(milliseconds(timeout), _OVER), _PEXPIRE)

    aexpire = aio(expire)

    @command("PEXPIRE", write=True, repeatable=True)
    def pexpire(self, key: str, timeout: Duration, version: int | None = None) -> Command[bool]:
        """Let *key* expire in *timeout* milliseconds (PEXPIRE).

        Args:
            timeout: milliseconds, or a timedelta. Zero and less deletes the key.

        Returns:
            Whether the key exists.
        """
        return Command(flag, self._key(key, version), _scaled(timeout))

    apexpire = aio(pexpire)

    @command("EXPIREAT", write=True, repeatable=True)
    def expireat(self, key: str, when: Moment, version: int | None = None) -> Command[bool]:
        """Let *key* expire at a moment (EXPIREAT).

        Args:
            when: Unix time in seconds, or a datetime (naive means local time); fractions count down to the
                millisecond. A moment in the past deletes the key.

        Returns:
            Whether the key exists.
        """
        return _whole(self._key(key, version), max(moment(when), _OVER), _PEXPIREAT)

    aexpireat = aio(expireat)

    @command("PEXPIREAT", write=True, repeatable=True)
    def pexpireat(self, key: str, when: Moment, version: int | None = None) -> Command[bool]:
        """Let *key* expire at a moment given in milliseconds (PEXPIREAT).

        Args:
            when: Unix time in milliseconds, or a datetime (naive means local time). A moment in the past deletes the
                key.

        Returns:
            Whether the key exists.
        """
        return Command(flag, self._key(key, version), _scaled_moment(when))

    apexpireat = aio(pexpireat)

    @command("PERSIST", write=True)
    def persist(self, key: str, version: int | None = None) -> Command[bool]:
        """Remove the expiry of *key*; return whether there was one (PERSIST)."""
        return Command(flag, self._key(key, version))

    apersist = aio(persist)


def _whole(key: str, value: int, precise: Spec) -> Command[bool]:
    """Send seconds where *value*, in milliseconds, is whole seconds."""
    if value % 1000:
        return Command(flag, key, value, spec=precise)
    return Command(flag, key, value // 1000)


def _scaled(timeout: Duration) -> int:
    scaled = milliseconds(timeout) if hasattr(timeout, "total_seconds") else milliseconds(timeout) // 1000
    return max(scaled, _OVER)


def _scaled_moment(when: Moment) -> int:
    return max(moment(when) if hasattr(when, "timestamp") else moment(when) // 1000, _OVER)
