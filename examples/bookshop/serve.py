"""Serve the bookshop on a socket that the starting process has bound: ``python -m examples.bookshop.serve <fd>``."""

from __future__ import annotations

import socket
import sys
import threading

import uvicorn

__all__ = ["main"]


def main() -> None:
    """Serve until standard input closes, which it does with the process that started this one."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        "examples.bookshop.asgi:application",
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)

    def watch() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
