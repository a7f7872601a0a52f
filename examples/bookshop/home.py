"""The numbers on the home page: this bookshop's and its peer's."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from examples.bookshop.databases import DATABASE_NUMBERS
from examples.bookshop.readings import ServerReadings
from examples.bookshop.tally import PAGES, tally
from examples.harness.visitor import VisitError, Visitor

__all__ = ["Shop", "own", "shops"]

_readings: list[ServerReadings] = []


@dataclass
class Shop:
    """The numbers of one bookshop; the server's are ``None`` where it is not known or does not answer."""

    backend: str
    cache_class: str
    pages: list[dict[str, Any]] = field(default_factory=list)
    connections: int | None = None
    server: dict[str, Any] | None = None
    problem: str = ""
    address: str = ""


async def own() -> Shop:
    """Return the numbers of this process, and what the server says about its connections."""
    counts = tally.snapshot()
    empty = {"requests": 0, "cached": 0, "computed": 0, "median": 0.0, "p95": 0.0}
    shop = Shop(
        backend=settings.BOOKSHOP_BACKEND,
        cache_class=settings.CACHES["default"]["BACKEND"],
        pages=[{"page": page, "title": title, **counts.get(page, empty)} for page, title in PAGES.items()],
    )
    if not settings.BOOKSHOP_READINGS:
        shop.problem = "Set BOOKSHOP_READINGS, or use make serve, to see what the server says."
        return shop
    if not _readings:
        _readings.append(ServerReadings(settings.BOOKSHOP_READINGS))
    try:
        reading = await _readings[0].reading()
        shop.connections = (await _readings[0].connections())[DATABASE_NUMBERS[shop.backend]]
    except (RedisError, OSError) as error:
        shop.problem = f"The server does not answer: {error}"
    else:
        shop.server = dataclasses.asdict(reading)
    return shop


async def _peer() -> Shop | None:
    if not settings.BOOKSHOP_PEER:
        return None
    try:
        async with asyncio.timeout(2), Visitor.at(settings.BOOKSHOP_PEER) as visitor:
            answer = await visitor.get("/numbers.json")
            return Shop(**json.loads(answer.body) | {"address": settings.BOOKSHOP_PEER})
    except (OSError, VisitError, ValueError) as error:
        return Shop("peer", settings.BOOKSHOP_PEER, problem=f"The other bookshop does not answer: {error}")


async def shops() -> list[Shop]:
    """Return this bookshop first, then its peer if there is one."""
    mine, peer = await asyncio.gather(own(), _peer())
    return [mine] if peer is None else [mine, peer]
