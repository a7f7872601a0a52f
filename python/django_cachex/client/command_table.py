"""What raw clients have to know of commands that are not declared: keys, waiting, and what must not be sent."""

from __future__ import annotations

import math
from itertools import batched, chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LOOKED_AT", "PAIRED", "in_resp2_shape", "keys_of", "refused", "wait_of"]

# They would change the state of a connection that others share.
_REFUSED = frozenset(
    {
        "SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR", "WATCH",
        "UNWATCH", "MULTI", "EXEC", "DISCARD", "SELECT", "AUTH", "HELLO", "RESET", "QUIT", "CLIENT REPLY",
        "CLIENT TRACKING", "CLIENT CACHING", "CLIENT NO-EVICT", "CLIENT NO-TOUCH", "CLIENT SETNAME", "CLIENT SETINFO",
        "CLIENT CAPA", "CLIENT IMPORT-SOURCE",
        "READONLY", "READWRITE", "ASKING", "SYNC", "PSYNC", "REPLCONF", "FAILOVER", "SHUTDOWN",
        "SCRIPT DEBUG",
    }
)  # fmt: skip

# Where the first key stands, the name at 0; one is enough, as the server wants all of them in one slot. Commands that
# are not named here begin with a key.
_FIRST_KEY = {
    **dict.fromkeys((
        "ACL", "BGREWRITEAOF", "BGSAVE", "CLIENT", "CLUSTER", "COMMAND", "COMMANDLOG", "CONFIG", "DBSIZE", "DEBUG",
        "ECHO", "FLUSHALL", "FLUSHDB", "FUNCTION", "INFO", "KEYS", "LASTSAVE", "LATENCY", "LOLWUT", "MODULE",
        "PFSELFTEST", "PING", "PUBLISH", "PUBSUB", "RANDOMKEY", "REPLICAOF", "ROLE", "SAVE", "SCAN", "SCRIPT",
        "SLAVEOF", "SLOWLOG", "SWAPDB", "TIME", "WAIT", "WAITAOF",
    ), 0),
    **dict.fromkeys((
        "BITOP", "LMPOP", "MEMORY", "MSETEX", "OBJECT", "PFDEBUG", "SINTERCARD", "XGROUP", "XINFO", "ZDIFF", "ZINTER",
        "ZINTERCARD", "ZMPOP", "ZUNION",
    ), 2),
    "MIGRATE": 3,
}  # fmt: skip

# The second argument tells how many keys follow it.
_COUNTED = frozenset({"BLMPOP", "BZMPOP", "EVAL", "EVALSHA", "EVALSHA_RO", "EVAL_RO", "FCALL", "FCALL_RO"})

# Which argument says how long to wait, and how many of its units are a second.
_WAITS = {
    **dict.fromkeys(("BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX"), (-1, 1)),
    **dict.fromkeys(("BLMPOP", "BZMPOP"), (0, 1)),
    **dict.fromkeys(("WAIT", "WAITAOF"), (-1, 1000)),
}

# How many arguments stand before the first option.
_STREAMS = {"XREAD": 0, "XREADGROUP": 3}

# Whether CLIENT and SCRIPT are harmless depends on their arguments, and so does how long others wait.
LOOKED_AT = frozenset({"CLIENT", "SCRIPT", *_WAITS, *_STREAMS})


# Replies whose pairs RESP3 sends as lists of two, and RESP2 one item after the other. `_UNPAIRED`: the reverse.
PAIRED = frozenset({"HRANDFIELD", "ZDIFF", "ZINTER", "ZPOPMAX", "ZPOPMIN", "ZRANDMEMBER", "ZRANGE", "ZRANGEBYSCORE",
                    "ZREVRANGE", "ZREVRANGEBYSCORE", "ZUNION"})  # fmt: skip
_UNPAIRED = frozenset(_STREAMS)


def refused(name: str, args: Sequence[Any]) -> str | None:
    """Return what must not be sent on a shared connection, if that is asked for.

    Args:
        name: the command's first word, in capitals.
        args: the words after it.
    """
    named = [name, *(f"{name} {_text(arg)}" for arg in args[:1])]
    return next((command for command in named if command in _REFUSED), None)


def in_resp2_shape(name: str, reply: Any) -> Any:
    """Return a reply in the shape that it has with RESP2."""
    if not isinstance(reply, list) or not reply:
        return reply
    nested = isinstance(reply[0], list)
    if nested and name in PAIRED:
        return list(chain.from_iterable(reply))
    if not nested and name in _UNPAIRED:
        return [list(pair) for pair in batched(reply, 2)]
    return reply


def keys_of(name: str, args: Sequence[Any]) -> tuple[int, int, int] | str:
    """Return where a command has its keys, as a ``Spec`` takes it; with other arguments it may be elsewhere."""
    if name in _COUNTED:
        return "numkeys"
    first = 1 + _streams(name, args) + 1 if name in _STREAMS else _FIRST_KEY.get(name, 1)
    return first, first, 1


def wait_of(name: str, args: Sequence[Any]) -> float | None:
    """Return how many seconds the server may wait before it answers, 0 for ever; ``None``: it will not."""
    if name in _STREAMS:
        words = [_text(arg) for arg in args[: _streams(name, args)]]
        # A group or a consumer may be called BLOCK.
        if "BLOCK" not in words[_STREAMS[name] :]:
            return None
        at, unit = words.index("BLOCK", _STREAMS[name]) + 1, 1000
    elif name in _WAITS:
        at, unit = _WAITS[name]
    else:
        return None
    try:
        seconds = float(_text(args[at])) / unit
    except (IndexError, ValueError):
        # Refused by the server at once, unless it reads more than we do.
        return 0.0
    return None if seconds < 0 else min(seconds, 1e9) if seconds < math.inf else 0.0


def _streams(name: str, args: Sequence[Any]) -> int:
    """Return at which argument the word STREAMS stands, or how many there are if it is missing."""
    return next((at for at in range(_STREAMS[name], len(args)) if _text(args[at]) == "STREAMS"), len(args))


def _text(arg: object) -> str:
    if isinstance(arg, (bytes, bytearray, memoryview)):
        return str(arg, "utf-8", "replace").upper()
    # What is sent: an enumeration's own str() may be anything.
    return str.upper(arg) if isinstance(arg, str) else str(arg).upper()
