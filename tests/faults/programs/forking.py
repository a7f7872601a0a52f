"""Forks again and again while threads and a loop use the cache: `forking URL PORT ROUNDS CHILDREN`.

Prints a JSON object with counts. A child that hangs is killed by its alarm, and counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from typing import Any

from tests.faults.programs.application import make_cache

_HANGS_AFTER = 20  # seconds


def _inode(descriptor: int, port: int) -> int | None:
    """Return the inode of a connection to the server; None: it is something else, or not there any more."""
    try:
        # Of our own, because a thread may close the other one and a new one take its number.
        own = os.dup(descriptor)
    except OSError:
        return None
    try:
        found = os.fstat(own)
        if not stat.S_ISSOCK(found.st_mode):
            return None
        with socket.socket(fileno=os.dup(own)) as held:
            peer = held.getpeername()
    except OSError:
        return None
    finally:
        os.close(own)
    return found.st_ino if held.family == socket.AF_INET and peer[1] == port else None


def _sockets(port: int) -> set[int]:
    """Return the inodes of this process's connections to the server."""
    # Not out of /proc/self/net/tcp, which lists the ends of all connections of the last minute.
    inodes = (_inode(int(name), port) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are wanted
    return {inode for inode in inodes if inode is not None}


class _Traffic:
    """Calls without end, in threads and on a loop."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache
        self.over = False
        self.calls = 0
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._sync, args=(number,)) for number in range(3)]
        self._threads += [threading.Thread(target=self._connect), threading.Thread(target=self._async)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.over = True
        for thread in self._threads:
            thread.join()

    def _check(self, found: object, expected: object) -> None:
        self.calls += 1
        if found != expected:
            self.wrong.append(f"{found!r} for {expected!r}")

    def _sync(self, number: int) -> None:
        while not self.over:
            self._check(self.cache.get(f"sync{number}", number), number)
            time.sleep(0.001)

    def _connect(self) -> None:
        while not self.over:
            self.cache._cache._get_connection_pool(write=True).disconnect()
            self._check(self.cache.get("connect", 1), 1)

    def _async(self) -> None:
        async def task(number: int) -> None:
            while not self.over:
                self._check(await self.cache.aget(f"async{number}", number), number)
                await asyncio.sleep(0.005)

        async def tasks() -> None:
            await asyncio.gather(*(task(number) for number in range(10)))

        asyncio.run(tasks())


def _child(cache: Any, port: int, parents: set[int], report: int) -> None:
    signal.alarm(_HANGS_AFTER)
    inherited = _sockets(port) & parents
    number = os.getpid()
    ids = [cache.get_client().execute_command("CLIENT", "ID")]
    wrong = []
    for turn in range(5):
        cache.set(f"child{number}", turn)
        if cache.get(f"child{number}") != turn:
            wrong.append("sync")

    async def tasks() -> None:
        client = await cache.get_async_client()
        ids.append(await client.execute_command("CLIENT", "ID"))
        found = await asyncio.gather(*(cache.aget(f"none{each}", each) for each in range(20)))
        if found != list(range(20)):
            wrong.append("async")

    asyncio.run(tasks())
    answer = {"inherited": sorted(inherited), "ids": ids, "wrong": wrong}
    os.write(report, json.dumps(answer).encode() + b"\n")


def _main(url: str, port: int, rounds: int, children: int) -> None:
    cache = make_cache(url)
    cache.set("preloaded", 1)
    asyncio.run(cache.aget("preloaded"))
    traffic = _Traffic(cache)
    traffic.start()
    hung = failed = 0
    inherited: list[int] = []
    ids: list[int] = []
    wrong: list[str] = []
    for _ in range(rounds):
        reading, writing = os.pipe()
        pids = []
        for _ in range(children):
            parents = _sockets(port)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    _child(cache, port, parents, writing)
                    status = 0
                finally:
                    os._exit(status)
            pids.append(pid)
        os.close(writing)
        for pid in pids:
            status = os.waitpid(pid, 0)[1]
            hung += os.WIFSIGNALED(status)
            failed += status != 0
        with os.fdopen(reading) as reports:
            for line in reports:
                answer = json.loads(line)
                inherited += answer["inherited"]
                ids += set(answer["ids"])
                wrong += answer["wrong"]
    mine = cache.get_client().execute_command("CLIENT", "ID")
    traffic.stop()
    result = {
        "forks": rounds * children,
        "hung": hung,
        "failed": failed,
        "inherited": len(inherited),
        "shared": len(ids) - len({*ids}) + (mine in ids),
        "wrong": wrong + traffic.wrong,
        "calls": traffic.calls,
    }
    print(json.dumps(result))  # noqa: T201 - the report


if __name__ == "__main__":
    _main(sys.argv[1], *map(int, sys.argv[2:5]))
