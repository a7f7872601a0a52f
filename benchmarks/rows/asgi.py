"""A whole application: an async Django view with six cache operations, 100 connections, one uvicorn worker."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.asgi import BARE
from benchmarks.children import answer, spawned
from benchmarks.figures import Outcome, Rate, at_least, at_most, observed
from benchmarks.rows.registry import loop_row
from benchmarks.samples import Sample, Series

if TYPE_CHECKING:
    import subprocess

    from benchmarks.admin import Admin
    from benchmarks.bench import Bench, Loop

__all__: list[str] = []

_CONNECTIONS = 100
_SECONDS = 1.2
_WARM_UP_SECONDS = 0.5
_ROUNDS = 9


class _Application:
    """One contender's application in its process, and what was seen of it."""

    def __init__(self, name: str, db: int | None, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._db = db
        self._process = process
        if process.stdout is None:
            raise RuntimeError(f"the application of {name} has no output to read its port from")
        self._port = process.stdout.readline().strip()
        self.series = Series()
        self.errors = 0
        self.connections = 0

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, admin: Admin, seconds: float) -> Sample:
        """Put the application under load once; watch its connections to the cache server meanwhile."""
        cpu = self._cpu_seconds()
        path = "/bare" if self._db is None else "/cached"
        client = spawned("benchmarks.load", self._port, path, str(_CONNECTIONS), str(seconds))
        while client.poll() is None:
            if self._db is not None:
                self.connections = max(self.connections, len(admin.clients(self._db)))
            time.sleep(0.1)
        found = answer(client)
        self.errors += int(found["errors"])
        return Sample(max(1, int(found["requests"])), found["seconds"], self._cpu_seconds() - cpu)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate(timeout=10)


@loop_row("asgi")
def asgi(bench: Bench, loop: Loop) -> Outcome:
    """ASGI view with six async operations, 100 connections."""
    bench.fill()
    subjects: list[tuple[str, int | None]] = [(BARE, None), *((one.name, one.db) for one in bench.contenders)]
    with ExitStack() as stack, bench.server.admin() as admin:
        applications = []
        for name, db in subjects:
            process = spawned("benchmarks.asgi", name, str(bench.server.port), loop.name)
            application = _Application(name, db, process)
            stack.callback(application.stop)
            applications.append(application)
        # Connections that this process holds itself are no application's.
        held = {name: len(admin.clients(db)) for name, db in subjects if db is not None}
        for application in applications:
            application.load(admin, _WARM_UP_SECONDS)
        for number in range(bench.times(_ROUNDS)):
            shift = number % len(applications)
            for application in applications[shift:] + applications[:shift]:
                application.series.samples[number] = application.load(admin, _SECONDS)
    shown = {}
    for one in applications:
        connections = one.connections - held.get(one.name, 0)
        remark = f"connections: {connections}, errors: {one.errors}"
        shown[one.name] = Rate(one.series.rate, one.series.cost, one.series.spread, remark)
    bare = applications[0]
    ours = next(one for one in applications if one.name == bench.subject.name)
    figures = (
        at_least(0.85, ours.series.rate_over(bare.series), "the requests per second of the bare view"),
        at_most(1, ours.connections - held[ours.name], "connections at the server", ""),
        at_most(0, ours.errors, "errors", ""),
        observed(ours.series.cost_over(bare.series), "its CPU per request"),
    )
    return Outcome("asgi", "ASGI view, six async operations, 100 connections", loop.name, figures, shown, "request")
