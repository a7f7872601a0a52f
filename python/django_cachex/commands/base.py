"""What declarations of commands may use of the class that carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex.commands.replies import items, unexpected

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Commands"]


class Commands:
    """Caches make keys and patterns; clients take them as they are."""

    def _key(self, key: str, version: int | None = None) -> str:
        raise NotImplementedError

    def _two_keys(
        self, src: str, dst: str, version: int | None, version_src: int | None, version_dst: int | None
    ) -> tuple[str, str]:
        return (
            self._key(src, version if version_src is None else version_src),
            self._key(dst, version if version_dst is None else version_dst),
        )

    def _pattern(self, pattern: str, version: int | None = None) -> str:
        raise NotImplementedError

    def _every_version(self) -> str:
        raise NotImplementedError

    def _own_keys(self, keys: list[bytes]) -> list[bytes]:
        """Return those of *keys*, found by ``_every_version``, that really are this cache's."""
        raise NotImplementedError

    def _user_keys(self, keys: Iterable[bytes], version: int | None) -> list[str]:
        """Return the user keys of made keys of one version."""
        raise NotImplementedError

    def _read_server(self) -> int:
        """Return the index of a server for reads."""
        raise NotImplementedError

    def encode(self, value: Any) -> int | bytes:
        """Return what is stored for *value*: an exact int as it is, anything else serialized and compressed.

        Raises:
            SerializerError: it cannot be serialized.
            CompressorError: it cannot be compressed.
        """
        raise NotImplementedError

    def decode(self, data: int | bytes) -> Any:
        """Return the value that stored *data* stands for.

        Raises:
            SerializerError: no configured serializer can read it.
            ValueTooLargeError: it decompresses to more than ``max_decompressed_size``.
        """
        raise NotImplementedError

    # Caches and pipelines have these natively; see `KeyValueCache._values_of`.

    def _encode(self, value: Any) -> int | bytes:
        return self.encode(value)

    def _encode_all(self, values: tuple[Any, ...]) -> tuple[int | bytes, ...]:
        """Return what is stored for values, of which there must be one."""
        if not values:
            raise ValueError("at least one value is needed")
        return tuple(self.encode(value) for value in values)

    def _value(self, reply: Any) -> Any:
        """Return the value that a string reply stands for, ``None`` for the server's nil."""
        if reply is None:
            return None
        if type(reply) is not bytes:
            raise unexpected(reply)
        return self.decode(reply)

    def _values(self, reply: Any) -> list[Any]:
        """Return the values that an array reply stands for, with ``None`` for each nil in it."""
        return [self._value(item) for item in items(reply)]
