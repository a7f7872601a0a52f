"""Run as a process of its own: a small ASGI application under one uvicorn worker.

Usage: python -m benchmarks.asgi NAME PORT LOOP. NAME is a contender, or anything else for the view without a
cache; PORT is the cache server's. Prints the port it listens on, then serves until it is told to stop.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from django.conf import settings
from django.core.cache import caches
from django.http import HttpResponse
from django.urls import path

from benchmarks.contenders import CONTENDERS
from benchmarks.payload import COUNTER, KEY, VALUE

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["BARE", "main"]

BARE = "bare view"


def _answer(name: object) -> HttpResponse:
    body = f"{name}\n"
    return HttpResponse(body, headers={"Content-Length": str(len(body))})  # or uvicorn would send it in chunks


async def bare(_request: HttpRequest) -> HttpResponse:
    """Answer without asking any cache."""
    return _answer(VALUE["name"])


async def cached(_request: HttpRequest) -> HttpResponse:
    """Answer after six cache operations."""
    cache = caches["default"]
    profile = await cache.aget(KEY)
    for number in range(3):
        await cache.aget(f"profile:{number}")
    await cache.aset("last-seen", profile, timeout=300)
    await cache.aincr(COUNTER)
    return _answer(profile["name"])


urlpatterns = [path("bare", bare), path("cached", cached)]


def main(name: str, port: int, loop: str) -> None:
    """Serve the view; the cache, when there is one, is the contender called `name`."""
    entries = {
        contender.name: {"BACKEND": contender.backend, "LOCATION": contender.location(port)}
        for contender in CONTENDERS
        if contender.name == name
    }
    settings.configure(
        ALLOWED_HOSTS=["*"],
        CACHES={"default": entries.get(name, {"BACKEND": "django.core.cache.backends.dummy.DummyCache"})},
        LOGGING_CONFIG=None,
        ROOT_URLCONF=__name__,
        SECRET_KEY="benchmark",
    )
    from django.core.asgi import get_asgi_application  # noqa: PLC0415  (needs the settings)

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(get_asgi_application(), loop=loop, lifespan="off", access_log=False, log_level="critical")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
