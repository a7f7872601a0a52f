"""Run as a process of its own: clients that ask an HTTP server as fast as it answers.

Usage: python -m benchmarks.load PORT PATH CONNECTIONS SECONDS. Each client keeps its connection and has one request
under way. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

__all__ = ["main"]


class _Load:
    """Everything the clients count."""

    def __init__(self, port: int, path: str, seconds: float) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._end = time.perf_counter() + seconds
        self.errors = 0
        self.latencies: list[float] = []

    async def client(self) -> None:
        """Ask until the time is up; a request that fails counts as an error and costs a new connection."""
        while time.perf_counter() < self._end:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    while (start := time.perf_counter()) < self._end:
                        writer.write(self._request)
                        await self._response(reader)
                        self.latencies.append(time.perf_counter() - start)
                finally:
                    writer.close()
            except (OSError, EOFError, ValueError):
                self.errors += 1

    async def _response(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, after = head.partition(b"content-length:")
        await reader.readexactly(int(after.split(b"\r\n", 1)[0]))
        if head.split(b" ", 2)[1] != b"200":
            self.errors += 1


async def main(port: int, path: str, connections: int, seconds: float) -> None:
    """Put `connections` clients to work for `seconds`, then print what they saw."""
    load = _Load(port, path, seconds)
    start = time.perf_counter()
    await asyncio.gather(*(load.client() for _ in range(connections)))
    elapsed = time.perf_counter() - start
    latencies = sorted(load.latencies) or [0.0]
    found = {
        "requests": len(load.latencies),
        "errors": load.errors,
        "seconds": elapsed,
        "median_ms": statistics.median(latencies) * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
