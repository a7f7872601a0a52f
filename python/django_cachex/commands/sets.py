"""Sets: members without order, none twice."""

# ruff: noqa: D417 - the class says what `key` and `version` are

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex._core import Spec
from django_cachex.commands.arguments import as_keys
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, astream, command, stream, walk
from django_cachex.commands.overloads import popping, taking
from django_cachex.commands.replies import flag, integer, items, page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_cachex.commands.command import Stream

__all__ = ["SetCommands"]

# How many members a step of an iteration asks for.
_COUNT = 1000

_SSCAN = Spec("SSCAN", write=False)


class SetCommands(Commands):
    """Sets. The server compares members as it stores them: what is equal in Python may be stored in two ways.

    *key* and *version* are those of the set, *version* that of all keys; a missing one is empty.
    """

    @command("SADD", write=True)
    def sadd(self, key: str, *members: Any, version: int | None = None) -> Command[int]:
        """Add *members*, at least one; return how many are new (SADD)."""
        return Command.of(integer, self._key(key, version), self._encode_all(members))

    asadd = aio(sadd)

    @command("SREM", write=True)
    def srem(self, key: str, *members: Any, version: int | None = None) -> Command[int]:
        """Remove *members*, at least one; return how many there were (SREM)."""
        return Command.of(integer, self._key(key, version), self._encode_all(members))

    asrem = aio(srem)

    @command("SCARD")
    def scard(self, key: str, version: int | None = None) -> Command[int]:
        """Return how many members the set has (SCARD)."""
        return Command(integer, self._key(key, version))

    ascard = aio(scard)

    @command("SISMEMBER")
    def sismember(self, key: str, member: Any, version: int | None = None) -> Command[bool]:
        """Return whether *member* is in the set (SISMEMBER)."""
        return Command(flag, self._key(key, version), self._encode(member))

    asismember = aio(sismember)

    @command("SMISMEMBER")
    def smismember(self, key: str, *members: Any, version: int | None = None) -> Command[list[bool]]:
        """Return for each of *members*, at least one, whether it is in the set (SMISMEMBER)."""
        stored = self._encode_all(members)
        return Command.of(lambda reply: list(map(flag, items(reply, len(stored)))), self._key(key, version), stored)

    asmismember = aio(smismember)

    @command("SMEMBERS")
    def smembers(self, key: str, version: int | None = None) -> Command[set[Any]]:
        """Return all members at once (SMEMBERS). For large sets use ``sscan_iter``.

        Raises:
            TypeError: a member is not hashable.
        """
        return Command(self._members, self._key(key, version))

    asmembers = aio(smembers)

    @taking
    @command("SPOP", write=True)
    def spop(self, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
        """Remove members at random and return them (SPOP).

        Args:
            count: how many at most; ``None`` is one, returned by itself.

        Returns:
            One member, ``None`` if there is none; with *count* a set.

        Raises:
            ResponseError: *count* is negative.
            TypeError: there is a *count*, and a member is not hashable. It has been removed by then.
        """
        if count is None:
            return Command(self._value, self._key(key, version))
        return Command(self._members, self._key(key, version), count)

    aspop = aio(spop)

    @popping
    @command("SRANDMEMBER")
    def srandmember(self, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
        """Return members at random and leave them where they are (SRANDMEMBER).

        Args:
            count: how many different ones at most; negative: exactly so many, some perhaps several times; ``None`` is
                one, returned by itself.

        Returns:
            One member, ``None`` if there is none; with *count* a list.
        """
        if count is None:
            return Command(self._value, self._key(key, version))
        return Command(self._values, self._key(key, version), count)

    asrandmember = aio(srandmember)

    @command("SMOVE", write=True, keys=(1, 2, 1))
    def smove(
        self,
        src: str,
        dst: str,
        member: Any,
        version: int | None = None,
        version_src: int | None = None,
        version_dst: int | None = None,
    ) -> Command[bool]:
        """Move *member* from the set *src* to the set *dst* in one step; return whether it was in *src* (SMOVE)."""
        return Command(flag, *self._two_keys(src, dst, version, version_src, version_dst), self._encode(member))

    asmove = aio(smove)

    @command("SDIFF", keys=(1, -1, 1))
    def sdiff(self, keys: str | Iterable[str], version: int | None = None) -> Command[set[Any]]:
        """Return what is in the first set and in none of the others (SDIFF).

        Args:
            keys: one key or several; a key that does not exist is an empty set.

        Raises:
            TypeError: a member is not hashable.
            ValueError: there are no keys.
        """
        return self._combined(keys, version)

    asdiff = aio(sdiff)

    @command("SINTER", keys=(1, -1, 1))
    def sinter(self, keys: str | Iterable[str], version: int | None = None) -> Command[set[Any]]:
        """Return what is in all of the sets; see ``sdiff`` (SINTER)."""
        return self._combined(keys, version)

    asinter = aio(sinter)

    @command("SUNION", keys=(1, -1, 1))
    def sunion(self, keys: str | Iterable[str], version: int | None = None) -> Command[set[Any]]:
        """Return what is in any of the sets; see ``sdiff`` (SUNION)."""
        return self._combined(keys, version)

    asunion = aio(sunion)

    @command("SDIFFSTORE", write=True, keys=(1, -1, 1))
    def sdiffstore(
        self,
        dest: str,
        keys: str | Iterable[str],
        version: int | None = None,
        version_dest: int | None = None,
        version_keys: int | None = None,
    ) -> Command[int]:
        """Store what is in the first set and in none of the others (SDIFFSTORE).

        Args:
            dest: where to; whatever it holds is replaced, and deleted if the result is empty. It may be one of *keys*.
            keys: one key or several; a key that does not exist is an empty set.
            version: the version of all keys.
            version_dest: the version of *dest*, where it is another.
            version_keys: the version of *keys*, where it is another.

        Returns:
            How many members the result has.

        Raises:
            ValueError: there are no keys.
        """
        return self._stored(dest, keys, version, version_dest, version_keys)

    asdiffstore = aio(sdiffstore)

    @command("SINTERSTORE", write=True, keys=(1, -1, 1))
    def sinterstore(
        self,
        dest: str,
        keys: str | Iterable[str],
        version: int | None = None,
        version_dest: int | None = None,
        version_keys: int | None = None,
    ) -> Command[int]:
        """Store what is in all of the sets; see ``sdiffstore`` (SINTERSTORE)."""
        return self._stored(dest, keys, version, version_dest, version_keys)

    asinterstore = aio(sinterstore)

    @command("SUNIONSTORE", write=True, keys=(1, -1, 1))
    def sunionstore(
        self,
        dest: str,
        keys: str | Iterable[str],
        version: int | None = None,
        version_dest: int | None = None,
        version_keys: int | None = None,
    ) -> Command[int]:
        """Store what is in any of the sets; see ``sdiffstore`` (SUNIONSTORE)."""
        return self._stored(dest, keys, version, version_dest, version_keys)

    asunionstore = aio(sunionstore)

    # A cursor belongs to one server: scans that hand it out stay with the write server.
    @command("SSCAN", write=True, repeatable=True)
    def sscan(
        self,
        key: str,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: int | None = None,
    ) -> Command[tuple[int, set[Any]]]:
        """Take one step through the members (SSCAN).

        Args:
            cursor: 0 to begin, then what the last step returned.
            match: a glob on members as they are stored, of use where the serializer stores text.
            count: how many members the server looks at; ``None`` leaves that to it.

        Returns:
            The next cursor, 0 when done, and members. A step may find none.

        Raises:
            TypeError: a member is not hashable.
        """

        def step(reply: Any) -> tuple[int, set[Any]]:
            following, found = page(reply)
            return following, self._members(found)

        return Command(step, self._key(key, version), cursor, *_choice(match, count))

    asscan = aio(sscan)

    @stream
    def sscan_iter(
        self, key: str, match: str | bytes | None = None, count: int | None = None, version: int | None = None
    ) -> Stream[Any]:
        """Yield the members, with bounded memory (SSCAN). Nothing is sent before the first step.

        Args:
            match: a glob on members as they are stored, as for ``sscan``.
            count: how many members the server looks at in a step; ``None`` is 1000.

        Yields:
            Members in no particular order; one may come twice while members are added and removed.
        """
        made = self._key(key, version)
        choice = _choice(match, _COUNT if count is None else count)
        yield from walk(
            lambda cursor, server: Command(page, made, cursor, *choice, spec=_SSCAN, at=server),
            self._values,
            self._read_server(),
        )

    asscan_iter = astream(sscan_iter)

    def _members(self, reply: Any) -> set[Any]:
        return set(self._values(reply))

    def _combined(self, keys: str | Iterable[str], version: int | None) -> Command[set[Any]]:
        return Command(self._members, *(self._key(key, version) for key in as_keys(keys)))

    def _stored(
        self,
        dest: str,
        keys: str | Iterable[str],
        version: int | None,
        version_dest: int | None,
        version_keys: int | None,
    ) -> Command[int]:
        version_keys = version if version_keys is None else version_keys
        return Command(
            integer,
            self._key(dest, version if version_dest is None else version_dest),
            *(self._key(key, version_keys) for key in as_keys(keys)),
        )


def _choice(match: str | bytes | None, count: int | None) -> list[Any]:
    args: list[Any] = []
    if match is not None:
        args += ["MATCH", match]
    if count is not None:
        args += ["COUNT", count]
    return args
