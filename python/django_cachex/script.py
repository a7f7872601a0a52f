"""What hooks of Lua scripts get, and the hooks that come with the package.

``cache.eval_script(script, keys=["a"], args=[1], pre_hook=full_encode_pre, post_hook=decode_single_post)`` runs a
script on this cache's keys and values; without hooks it gets keys and arguments as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["ScriptHelpers", "decode_list_post", "decode_single_post", "full_encode_pre", "keys_only_pre"]


@dataclass(frozen=True)
class ScriptHelpers:
    """A cache's way with keys and values, for hooks.

    Attributes:
        make_key: makes, and validates, a key of a user's key and a version.
        encode: what is stored for a value.
        decode: the value that stored data stand for.
        version: the version that the script was called with.
    """

    make_key: Callable[..., str]
    encode: Callable[[Any], int | bytes]
    decode: Callable[[Any], Any]
    version: Any

    def make_keys(self, keys: Iterable[str]) -> list[str]:
        """Return made keys, of the script's version."""
        return [self.make_key(key, self.version) for key in keys]

    def encode_values(self, values: Iterable[Any]) -> list[int | bytes]:
        """Return what is stored for each of *values*."""
        return [self.encode(value) for value in values]

    def decode_values(self, values: Iterable[Any]) -> list[Any]:
        """Return the value that each of *values* stands for, ``None`` for ``None``."""
        return [None if value is None else self.decode(value) for value in values]


def keys_only_pre(helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Make the keys; leave the arguments as they are."""
    return helpers.make_keys(keys), list(args)


def full_encode_pre(helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Make the keys and encode every argument."""
    return helpers.make_keys(keys), helpers.encode_values(args)


def decode_single_post(helpers: ScriptHelpers, result: Any) -> Any:
    """Decode the result; ``None`` stays ``None``."""
    return None if result is None else helpers.decode(result)


def decode_list_post(helpers: ScriptHelpers, result: Any) -> list[Any]:
    """Decode each item of the result; ``None`` is an empty list."""
    return [] if result is None else helpers.decode_values(result)
