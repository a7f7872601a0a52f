"""Django's methods as commands: for made keys, encoded values, and timeouts in whole seconds or ``None``.

Clients send them, pipelines queue them; what becomes of the replies is the same for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex._core import Spec
from django_cachex.commands.command import Command, Transaction
from django_cachex.commands.replies import done, flag, integer, items
from django_cachex.exceptions import KeyNotFoundError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DEL", "EXISTS", "GET", "INCR", "INCRBY", "MGET", "MSET", "SET", "add", "delete_many", "get_many",
           "plain_set", "set_if", "set_many", "summed", "touch"]  # fmt: skip

type Stored = int | bytes

GET = Spec("GET", write=False)
DEL = Spec("DEL", write=True, repeatable=True, keys=(1, -1, 1), split="sum")
# "Does it exist?" for a decision on what to write: a replica may lag behind.
EXISTS = Spec("EXISTS", write=True, repeatable=True, keys=(1, -1, 1), split="sum")
INCRBY = Spec("INCRBY", write=True)
SET = Spec("SET", write=True, repeatable=True)
MGET = Spec("MGET", write=False, keys=(1, -1, 1), split="list")
MSET = Spec("MSET", write=True, repeatable=True, keys=(1, -1, 2), split="done")
_PERSIST = Spec("PERSIST", write=True)
_GETDEL = Spec("GETDEL", write=True)
_READ = Spec("GET", write=True, repeatable=True)

# Check and change in one step, so that no other client comes between them.
# Scripts count in floating point, so that a large sum has to be read as text.
INCR = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if sum > -9007199254740992 and sum < 9007199254740992 then return sum end
return redis.call('GET', KEYS[1])
"""


def plain_set(key: str, stored: Stored, timeout: int | None) -> tuple[Spec, tuple[Any, ...]]:
    """Return what stores a value; a timeout of zero or less deletes the key."""
    if timeout is None:
        return SET, (key, stored)
    return (SET, (key, stored, "EX", timeout)) if timeout > 0 else (DEL, (key,))


def add(key: str, stored: Stored, timeout: int | None) -> Command[bool]:
    """Return what stores a value unless there is one, or tells whether it could, if it would be gone at once."""
    if timeout is not None and timeout <= 0:
        return Command(_absent, key, spec=EXISTS)
    return Command(_stored, key, stored, "NX", *_expiry(timeout))


def set_if(
    optional: Callable[[Any], Any], key: str, stored: Stored, timeout: int | None, *, nx: bool, xx: bool, get: bool
) -> Command[Any]:
    """Return what stores a value with flags.

    Args:
        optional: makes the previous value out of a reply to GET.
        key: the made key.
        stored: the encoded value.
        timeout: seconds to live.
        nx: only if the key does not exist.
        xx: only if the key exists.
        get: return the previous value.

    Raises:
        ValueError: *nx* together with *xx*.
    """
    if nx and xx:
        raise ValueError("nx and xx exclude each other")
    if timeout is not None and timeout <= 0:
        # What would have been stored is gone at once, so only what was there before matters.
        if get:
            return Command(optional, key, spec=_READ if nx else _GETDEL)
        return Command(_absent, key, spec=EXISTS) if nx else Command(flag, key, spec=DEL)
    flags = [word for word, wanted in (("NX", nx), ("XX", xx), ("GET", get)) if wanted]
    return Command(optional if get else _stored, key, stored, *flags, *_expiry(timeout))


def touch(key: str, timeout: int | None) -> Command[bool] | Transaction[bool]:
    """Return what gives a key another time to live, and tells whether it exists."""
    if timeout is None:
        return Transaction(lambda replies: flag(replies[1]), [(_PERSIST, (key,)), (EXISTS, (key,))])
    return Command(flag, key, timeout)


def get_many(keys: list[str]) -> Command[list[Any]]:
    """Return what reads several keys, of which there must be one at least."""
    return Command(lambda reply: items(reply, len(keys)), *keys, spec=MGET)


def set_many(stored: Mapping[str, Stored], timeout: int | None) -> Command[bool] | Transaction[bool]:
    """Return what stores several values, of which there must be one at least."""
    if timeout is None:
        return Command(done, *(word for pair in stored.items() for word in pair), spec=MSET)
    if timeout <= 0:
        return Command(done, *stored, spec=DEL)
    commands = [(SET, (key, value, "EX", timeout)) for key, value in stored.items()]
    return Transaction(done, commands, spread=True)


def delete_many(keys: list[str]) -> Command[int]:
    """Return what deletes several keys, of which there must be one at least."""
    return Command(integer, *keys, spec=DEL)


def summed(key: str, reply: Any) -> int:
    """Return what the script ``INCR`` says the sum is.

    Raises:
        KeyNotFoundError: there was nothing to add to.
    """
    if reply is None:
        raise KeyNotFoundError(f"Key '{key}' not found")
    # Beyond what Lua counts exactly, the script answers with text.
    if isinstance(reply, bytes):
        if reply.removeprefix(b"-").isdigit():
            return int(reply)
        raise ResponseError("unexpected reply to INCRBY")
    return reply  # type: ignore[no-any-return]


def _expiry(timeout: int | None) -> tuple[str, int] | tuple[()]:
    return () if timeout is None else ("EX", timeout)


def _stored(reply: bytes | None) -> bool:
    return reply is not None


def _absent(reply: Any) -> bool:
    return not flag(reply)
