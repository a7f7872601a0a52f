"""Hashes: named values under one key."""

# ruff: noqa: D417 - the class says what `key` and `version` are

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django_cachex.commands.arguments import field_text, some
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command
from django_cachex.commands.replies import fields as with_values
from django_cachex.commands.replies import flag, integer, items, number, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_cachex.commands.arguments import Field

__all__ = ["HashCommands"]


class HashCommands(Commands):
    """Values are encoded as everywhere; fields are plain text and come back as ``str``.

    *key* and *version* are those of the hash; a missing one is empty.

    All raise ``WrongTypeError`` if the key holds something else.
    """

    @command("HSET", write=True)
    def hset(
        self,
        key: str,
        field: Field | None = None,
        value: Any = None,
        version: int | None = None,
        mapping: Mapping[Any, Any] | None = None,
        items: Iterable[Any] | None = None,
    ) -> Command[int]:
        """Set fields of a hash (HSET). The three ways to name them may be combined.

        Args:
            field: one field.
            value: its value; ``None`` is stored as any other.
            mapping: fields and their values.
            items: fields and values in turn: ``["f1", 1, "f2", 2]``.

        Returns:
            How many fields are new.

        Raises:
            TypeError: *mapping* is no mapping, or *items* is one, or text.
            ValueError: there is nothing to set, a field without a value in *items*, or a *value* without its field.
        """
        pairs: list[tuple[Field, Any]] = []
        if field is not None:
            pairs.append((field, value))
        elif value is not None:
            raise ValueError("a value needs a field")
        if mapping is not None:
            if not isinstance(mapping, Mapping):
                raise TypeError(f"a mapping was expected, not {type(mapping).__name__}")
            pairs += mapping.items()
        if items is not None:
            if isinstance(items, (Mapping, str, bytes)):
                raise TypeError(f"items are fields and values in turn, not a {type(items).__name__}")
            flat = list(items)
            if len(flat) % 2:
                raise ValueError("items must be fields and values in turn; the last field has no value")
            pairs += zip(flat[::2], flat[1::2], strict=True)
        words = [word for name, given in some("field", pairs) for word in (field_text(name), self._encode(given))]
        return Command.of(integer, self._key(key, version), words)

    ahset = aio(hset)

    @command("HSETNX", write=True)
    def hsetnx(self, key: str, field: Field, value: Any, version: int | None = None) -> Command[bool]:
        """Set one field of a hash unless it exists; return whether it was set (HSETNX)."""
        return Command(flag, self._key(key, version), field_text(field), self._encode(value))

    ahsetnx = aio(hsetnx)

    @command("HGET")
    def hget(self, key: str, field: Field, version: int | None = None) -> Command[Any]:
        """Return the value of one field (HGET), ``None`` if it does not exist."""
        return Command(self._value, self._key(key, version), field_text(field))

    ahget = aio(hget)

    @command("HMGET")
    def hmget(self, key: str, *fields: Field, version: int | None = None) -> Command[list[Any]]:
        """Return the values of several fields, in their order (HMGET), ``None`` for each that does not exist.

        Raises:
            ValueError: no field is given.
        """
        words = _fields(fields)
        return Command.of(lambda reply: self._values(items(reply, len(words))), self._key(key, version), words)

    ahmget = aio(hmget)

    @command("HGETALL")
    def hgetall(self, key: str, version: int | None = None) -> Command[dict[str, Any]]:
        """Return all fields and their values (HGETALL)."""
        return Command(with_values(self._value), self._key(key, version))

    ahgetall = aio(hgetall)

    @command("HDEL", write=True)
    def hdel(self, key: str, *fields: Field, version: int | None = None) -> Command[int]:
        """Remove fields (HDEL). A hash without fields is gone.

        Returns:
            How many were removed.

        Raises:
            ValueError: no field is given.
        """
        return Command.of(integer, self._key(key, version), _fields(fields))

    ahdel = aio(hdel)

    @command("HEXISTS")
    def hexists(self, key: str, field: Field, version: int | None = None) -> Command[bool]:
        """Return whether a field exists (HEXISTS)."""
        return Command(flag, self._key(key, version), field_text(field))

    ahexists = aio(hexists)

    @command("HLEN")
    def hlen(self, key: str, version: int | None = None) -> Command[int]:
        """Return how many fields there are (HLEN)."""
        return Command(integer, self._key(key, version))

    ahlen = aio(hlen)

    @command("HKEYS")
    def hkeys(self, key: str, version: int | None = None) -> Command[list[str]]:
        """Return all fields (HKEYS)."""
        return Command(texts, self._key(key, version))

    ahkeys = aio(hkeys)

    @command("HVALS")
    def hvals(self, key: str, version: int | None = None) -> Command[list[Any]]:
        """Return the values of all fields (HVALS)."""
        return Command(self._values, self._key(key, version))

    ahvals = aio(hvals)

    @command("HINCRBY", write=True)
    def hincrby(self, key: str, field: Field, amount: int = 1, version: int | None = None) -> Command[int]:
        """Add *amount* to the integer in a field (HINCRBY); a missing field counts as 0.

        Returns:
            The new value.

        Raises:
            ResponseError: the field holds no integer, *amount* is none, or the sum takes more than 64 bits.
        """
        return Command(integer, self._key(key, version), field_text(field), amount)

    ahincrby = aio(hincrby)

    @command("HINCRBYFLOAT", write=True)
    def hincrbyfloat(self, key: str, field: Field, amount: float = 1.0, version: int | None = None) -> Command[float]:
        """Add *amount* to the number in a field (HINCRBYFLOAT); a missing field counts as 0.

        ``hget`` reads the result, as ``float`` or, if it is whole, as ``int``.

        Returns:
            The new value.

        Raises:
            ResponseError: the field holds no plain number; a float that was set with ``hset`` is serialized.
        """
        return Command(number, self._key(key, version), field_text(field), amount)

    ahincrbyfloat = aio(hincrbyfloat)


def _fields(given: tuple[Field, ...]) -> list[str | bytes]:
    return [field_text(field) for field in some("field", given)]
