"""What a server sees of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers import Server

__all__ = ["connected"]


def connected(server: Server) -> int:
    """Return how many connections a server sees, the tests' own ones left out."""
    return len(server.clients())
