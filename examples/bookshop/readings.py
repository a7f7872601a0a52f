"""What the Redis or Valkey server itself says: hits and misses, and the connections of each database.

Read over a connection of its own, in a database of its own, through the async client of redis-py: the demo has it
installed for Django's backend anyway, and the readings must not depend on either backend under test.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from examples.bookshop.databases import READINGS_DATABASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Reading", "ServerReadings"]


@dataclass(frozen=True)
class Reading:
    """The server's counters at one moment, all since it started except ``memory`` (bytes in use)."""

    version: str
    hits: int
    misses: int
    commands: int
    opened: int
    memory: int


class ServerReadings:
    """Readings of one server."""

    def __init__(self, url: str) -> None:
        """Prepare for the server at ``url`` (no database number in it); nothing is connected yet."""
        self._client: Any = Redis.from_url(url, db=READINGS_DATABASE, decode_responses=True)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def empty(self, database: int, url: str) -> None:
        """Delete every key of one database."""
        async with Redis.from_url(url, db=database) as client:
            await client.flushdb()

    async def reading(self) -> Reading:
        """Return the counters as they are now.

        Raises:
            redis.exceptions.ConnectionError: the server does not answer.
        """
        info = await self._client.info()
        name, version = "Redis", info["redis_version"]
        if "valkey_version" in info:
            name, version = "Valkey", info["valkey_version"]
        return Reading(
            version=f"{name} {version}",
            hits=int(info["keyspace_hits"]),
            misses=int(info["keyspace_misses"]),
            commands=int(info["total_commands_processed"]),
            opened=int(info["total_connections_received"]),
            memory=int(info["used_memory"]),
        )

    async def connections(self) -> Counter[int]:
        """Return how many connections are open now, by database number, those of the readings left out."""
        clients = await self._client.client_list()
        counts = Counter(int(client["db"]) for client in clients)
        counts.pop(READINGS_DATABASE, None)
        return counts

    async def commands(self, database: int) -> dict[str, int]:
        """Return how many commands each open connection of ``database`` has sent, by its id.

        Servers before Redis 8 and Valkey 8.1 do not count them: then all are 0.
        """
        clients = await self._client.client_list()
        return {client["id"]: int(client.get("tot-cmds", 0)) for client in clients if int(client["db"]) == database}

    @contextlib.asynccontextmanager
    async def peak(self, database: int, every: float = 0.03) -> AsyncIterator[list[int]]:
        """Watch the connections of ``database`` each ``every`` seconds; the list's one item is the most seen."""
        most = [0]
        over = asyncio.Event()

        async def watch() -> None:
            while not over.is_set():
                most[0] = max(most[0], (await self.connections())[database])
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), every)

        task = asyncio.create_task(watch())
        try:
            yield most
        finally:
            # Asked to end, not cancelled: that would cost the connection, and a new one would be counted.
            over.set()
            await task
        most[0] = max(most[0], (await self.connections())[database])
