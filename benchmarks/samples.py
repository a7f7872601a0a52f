"""Interleaved rounds: every contender runs a short batch in turn, and rounds are compared with themselves.

The machine is shared and its speed drifts by the second. A ratio taken within one round sees both sides under nearly
the same weather; the median of these ratios is what we report. Garbage is collected before each batch, so that nobody
pays for what the one before left behind.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

__all__ = ["Pace", "Sample", "Series", "interleave", "interleave_on_loop"]

type Plan = Generator[tuple[str, int], Sample, dict[str, Series]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure: the number of rounds, and the seconds that one batch of one contender should take."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch: operations done, wall seconds, CPU seconds of this process with all its threads."""

    operations: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds

    @property
    def cost(self) -> float:
        """Client CPU microseconds per operation."""
        return self.cpu / self.operations * 1e6


@dataclass(slots=True)
class Series:
    """The samples of one contender in one row, by round."""

    samples: dict[int, Sample] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Median operations per second."""
        return statistics.median(sample.rate for sample in self.samples.values())

    @property
    def cost(self) -> float:
        """Median client CPU microseconds per operation."""
        return statistics.median(sample.cost for sample in self.samples.values())

    @property
    def spread(self) -> float:
        """Interquartile range of the rates, as a fraction of their median."""
        rates = [sample.rate for sample in self.samples.values()]
        if len(rates) < 3:  # below three samples there are no quartiles
            return 0.0
        low, _, high = statistics.quantiles(rates, n=4)
        return (high - low) / self.rate

    def _paired(self, other: Series) -> list[tuple[Sample, Sample]]:
        return [(mine, other.samples[number]) for number, mine in self.samples.items() if number in other.samples]

    def rate_over(self, other: Series) -> float:
        """Return the median, over the rounds both took part in, of our rate divided by the other's."""
        return statistics.median(mine.rate / theirs.rate for mine, theirs in self._paired(other))

    def cost_over(self, other: Series) -> float:
        """Return the median, over the rounds both took part in, of our CPU per operation divided by the other's."""
        return statistics.median(mine.cost / theirs.cost for mine, theirs in self._paired(other))


def _rounded(operations: float, step: int) -> int:
    return max(step, int(operations) // step * step)


def _plan(names: list[str], pace: Pace, step: int) -> Plan:
    """Yield (who, how many operations) and take the sample, until every round is done.

    The calibration doubles as warm-up. A contender whose smallest batch is far longer than its share takes part in
    fewer rounds (at least three), so that the slowest peer does not decide how long everything takes.
    """
    sizes: dict[str, int] = {}
    strides: dict[str, int] = {}
    for name in names:
        sample = yield name, step
        while sample.seconds < pace.seconds / 4:
            sample = yield name, _rounded(min(sample.operations * 8, sample.rate * pace.seconds / 2), step)
        sizes[name] = _rounded(sample.rate * pace.seconds, step)
        strides[name] = max(1, min(pace.rounds // 2, ceil(sizes[name] / sample.rate / pace.seconds / 4)))
    found = {name: Series() for name in names}
    for number in range(pace.rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            if number % strides[name] == 0:
                found[name].samples[number] = yield name, sizes[name]
    return found


def interleave(batches: Mapping[str, Callable[[int], object]], pace: Pace, step: int = 1) -> dict[str, Series]:
    """Measure sync batches against each other.

    `batches` maps a contender's name to a function that does the given number of operations, always a multiple of
    `step`. Returns each contender's samples.
    """
    plan = _plan(list(batches), pace, step)
    name, operations = next(plan)
    while True:
        batch = batches[name]
        gc.collect()
        cpu, start = time.process_time(), time.perf_counter()
        batch(operations)
        sample = Sample(operations, time.perf_counter() - start, time.process_time() - cpu)
        try:
            name, operations = plan.send(sample)
        except StopIteration as stop:
            return _result(stop)


async def interleave_on_loop(
    batches: Mapping[str, Callable[[int], Awaitable[object]]], pace: Pace, step: int = 1
) -> dict[str, Series]:
    """Measure async batches against each other on the running loop; otherwise as `interleave`."""
    plan = _plan(list(batches), pace, step)
    name, operations = next(plan)
    while True:
        batch = batches[name]
        gc.collect()
        cpu, start = time.process_time(), time.perf_counter()
        await batch(operations)
        sample = Sample(operations, time.perf_counter() - start, time.process_time() - cpu)
        try:
            name, operations = plan.send(sample)
        except StopIteration as stop:
            return _result(stop)


def _result(stop: StopIteration) -> dict[str, Series]:
    found: dict[str, Series] = stop.value
    return found
