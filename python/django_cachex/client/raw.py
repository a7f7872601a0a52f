"""Raw clients: any command, as it stands. Nothing is prefixed, versioned, encoded or decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django_cachex._core import Spec
from django_cachex.client.command_table import LOOKED_AT, PAIRED, in_resp2_shape, keys_of, refused, wait_of
from django_cachex.commands.info import parse_client_info, parse_info
from django_cachex.exceptions import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex._core import BoundConnection, Engine

__all__ = [
    "AsyncRedis",
    "AsyncRedisCluster",
    "AsyncValkey",
    "AsyncValkeyCluster",
    "BoundClient",
    "Redis",
    "RedisCluster",
    "Valkey",
    "ValkeyCluster",
]


class _RawCommands:
    """Makes commands out of names."""

    # More commands than any server has.
    _MOST_KNOWN = 1000
    # By nature (write or read) and name; append-only, so that threads may share it.
    _known: ClassVar[tuple[dict[str, Spec], dict[str, Spec]]] = ({}, {})

    def __init__(self, engine: Engine, *, write: bool = True) -> None:
        self._engine = engine
        self._write = write

    def _look_up(self, name: str, args: tuple[Any, ...]) -> tuple[Spec, float | None]:
        """Return the command, and how many seconds the server may wait before it answers."""
        first, *others = name.split() or [""]
        first, words = first.upper(), (*others, *args)
        if (operation := refused(first, words)) is not None:
            raise NotSupportedError(operation, type(self).__name__)
        # The server's own table would tell what only reads; a raw client takes no chances.
        # What follows the first word may be a key.
        spec = Spec(" ".join([first, *others]), write=self._write, repeatable=False, keys=keys_of(first, words))
        if first in LOOKED_AT:
            return spec, wait_of(first, words)
        if first in PAIRED:
            return spec, None
        if len(self._known[self._write]) < self._MOST_KNOWN:
            self._known[self._write][name] = spec
        return spec, None


class Redis(_RawCommands):
    """A client of one server of a cache.

    Every public attribute that is not listed here is the command of that name: ``client.publish("ch", "m")`` is
    ``client.execute_command("PUBLISH", "ch", "m")``.
    """

    def execute_command(self, name: str, *args: Any) -> Any:
        """Send a command and return the raw reply. What waits has a connection to itself.

        Args:
            name: the command, with its subcommand or without.
            args: ``bytes`` as they are, ``str`` as UTF-8, ``int`` and ``float`` as text, ``bool`` as 1 or 0.

        Returns:
            ``int``, ``bytes``, ``None``, or a list of these.

        Raises:
            NotSupportedError: the command would change the state of a shared connection.
            ResponseError: the server refuses it.
        """
        spec = self._known[self._write].get(name)
        if spec is not None:
            return self._engine.call(spec, args)
        spec, wait = self._look_up(name, args)
        return in_resp2_shape(spec.name, self._engine.call(spec, args, None, wait))

    def ping(self) -> bool:
        """Return ``True`` if the server answers (PING)."""
        return bool(self.execute_command("PING") == b"PONG")

    def client_info(self) -> dict[str, Any]:
        """Return what the server knows of this connection (CLIENT INFO)."""
        return parse_client_info(self.execute_command("CLIENT INFO"))

    def info(self, section: str | None = None) -> dict[str, Any]:
        """Return the server's statistics, of one section or all (INFO)."""
        return parse_info(self.execute_command("INFO", *([] if section is None else [section])))

    def close(self) -> None:
        """Do nothing: connections belong to the process."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the command of that name; underscores stand for the space before a subcommand or for themselves."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self.execute_command(_words(name), *args)


class BoundClient(Redis):
    """The client that ``on_connect`` gets: its commands go to the new connection, and it is of no use afterwards."""

    def __init__(self, connection: BoundConnection) -> None:
        """Talk to one connection only."""
        self._connection = connection
        self._write = True

    def execute_command(self, name: str, *args: Any) -> Any:
        """Send any command on the new connection and return the raw reply."""
        return self._connection.call(Spec(name, write=True, repeatable=False, keys=(0, 0, 0)), args)


class AsyncRedis(_RawCommands):
    """As ``Redis``, with coroutines for methods."""

    async def execute_command(self, name: str, *args: Any) -> Any:
        """Send a command and return the raw reply; see ``Redis.execute_command``."""
        spec = self._known[self._write].get(name)
        if spec is not None:
            return await self._engine.send(spec, args)
        spec, wait = self._look_up(name, args)
        return in_resp2_shape(spec.name, await self._engine.send(spec, args, None, wait))

    async def ping(self) -> bool:
        """Return ``True`` if the server answers (PING)."""
        return bool(await self.execute_command("PING") == b"PONG")

    async def client_info(self) -> dict[str, Any]:
        """Return what the server knows of this connection (CLIENT INFO)."""
        return parse_client_info(await self.execute_command("CLIENT INFO"))

    async def info(self, section: str | None = None) -> dict[str, Any]:
        """Return the server's statistics, of one section or all (INFO)."""
        return parse_info(await self.execute_command("INFO", *([] if section is None else [section])))

    async def close(self) -> None:
        """Do nothing: connections belong to the process."""

    aclose = close

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the command of that name, as a coroutine function."""
        if name.startswith("_"):
            raise AttributeError(name)

        async def command(*args: Any) -> Any:
            return await self.execute_command(_words(name), *args)

        return command


# Commands whose own name has an underscore, and families whose attribute names join a subcommand with one.
_FAMILIES = ("acl", "client", "cluster", "command", "commandlog", "config", "debug", "function", "latency", "memory",
             "module", "object", "pubsub", "script", "slowlog", "xgroup", "xinfo")  # fmt: skip


def _words(name: str) -> str:
    family, _, rest = name.partition("_")
    if rest and family.lower() in _FAMILIES:
        return f"{family} {rest.replace('_', '-')}"
    return name


class RedisCluster(Redis):
    """A client that routes commands to a cluster's nodes."""


class AsyncRedisCluster(AsyncRedis):
    """As ``RedisCluster``, with coroutines for methods."""


class Valkey(Redis):
    """``Redis`` under Valkey's name."""


class ValkeyCluster(RedisCluster):
    """``RedisCluster`` under Valkey's name."""


class AsyncValkey(AsyncRedis):
    """``AsyncRedis`` under Valkey's name."""


class AsyncValkeyCluster(AsyncRedisCluster):
    """``AsyncRedisCluster`` under Valkey's name."""
