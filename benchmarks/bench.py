"""What every row is given: the server, the pace, the loops, and the contenders with their values in place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

import uvloop

from benchmarks.contenders import CACHEX, CONTENDERS
from benchmarks.payload import check, fill
from benchmarks.servers import DATABASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.core.cache.backends.base import BaseCache

    from benchmarks.contenders import Contender
    from benchmarks.samples import Pace
    from benchmarks.servers import Server

__all__ = ["LOOPS", "Bench", "Loop"]

# The databases below this one belong to the contenders.
_FIRST_SPARE = 8


@dataclass(frozen=True, slots=True)
class Loop:
    """An event loop implementation under its name."""

    name: str
    factory: Callable[[], asyncio.AbstractEventLoop]

    def runner(self) -> asyncio.Runner:
        """Return a runner whose loop is of this kind."""
        return asyncio.Runner(loop_factory=self.factory)


LOOPS = (Loop("asyncio", asyncio.new_event_loop), Loop("uvloop", uvloop.new_event_loop))


@dataclass
class Bench:
    """One run. `subject` is whose figures are held against the targets; all others are there to compare with."""

    server: Server
    pace: Pace
    quick: bool
    loops: tuple[Loop, ...] = LOOPS
    subject: Contender = CACHEX
    contenders: tuple[Contender, ...] = CONTENDERS
    _spare: Iterator[int] = field(default_factory=lambda: count(_FIRST_SPARE))

    @cached_property
    def caches(self) -> Mapping[str, BaseCache]:
        """One backend object per contender, its values stored and checked; made when first asked for."""
        made = {}
        for contender in self.contenders:
            cache = contender.new(self.server.port)
            fill(cache)
            check(cache, contender.name)
            made[contender.name] = cache
        return made

    def fill(self) -> None:
        """Make sure that every contender's values are stored, for rows that use objects or processes of their own."""
        if not self.caches:
            raise RuntimeError("there is nobody to measure")

    @property
    def cache(self) -> BaseCache:
        """The subject's backend object."""
        return self.caches[self.subject.name]

    def spare_db(self) -> int:
        """Return a database that nobody has used: a configuration no pool has a connection for."""
        return _FIRST_SPARE + (next(self._spare) - _FIRST_SPARE) % (DATABASES - _FIRST_SPARE)

    def times(self, usual: int) -> int:
        """Return how often to repeat what has no rounds: `usual` times, a fifth of it on a quick run."""
        return max(1, usual // 5) if self.quick else usual
