"""Backend objects: Django makes a new one for every thread and every async task."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from benchmarks.figures import Outcome, at_most, rates
from benchmarks.payload import KEY
from benchmarks.rows.operations import batch_of
from benchmarks.rows.registry import row
from benchmarks.samples import interleave

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender

__all__: list[str] = []

# "Costs what any get costs", with what two medians of the same thing differ by on a shared machine.
_SAME = 1.1


def _builder(contender: Contender, port: int) -> Callable[[int], None]:
    backend, location = contender.factory(), contender.location(port)

    def batch(operations: int) -> None:
        for _ in repeat(None, operations):
            backend(location, {})

    return batch


@row("new_object")
def new_object(bench: Bench) -> Outcome:
    """A new backend object for a known configuration."""
    builders = {contender.name: _builder(contender, bench.server.port) for contender in bench.contenders}
    bench.fill()  # the configurations become known
    found = interleave(builders, bench.pace)
    # It is computation only, so its CPU time is its time; the wall's would count what others do on this machine.
    figures = (at_most(15, found[bench.subject.name].cost, "per object", "us"),)
    return Outcome("new_object", "new backend object", None, figures, rates(found), "object")


@row("first_get")
def first_get(bench: Bench) -> Outcome:
    """Object and first get, beside any get."""
    build_only = f"{bench.subject.name}, object only"
    any_get = f"{bench.subject.name}, any get"

    def object_and_get(contender: Contender) -> Callable[[int], None]:
        def batch(operations: int) -> None:
            for _ in repeat(None, operations):
                contender.new(bench.server.port).get(KEY)

        return batch

    def object_then_get(operations: int) -> None:
        # The object is built as in the batch above, but its get is not its first.
        for _ in repeat(None, operations):
            bench.subject.new(bench.server.port)
            bench.cache.get(KEY)

    bench.fill()
    batches = {contender.name: object_and_get(contender) for contender in bench.contenders}
    batches[build_only] = _builder(bench.subject, bench.server.port)
    batches[any_get] = batch_of(bench.cache, "get", KEY)
    usual = f"{bench.subject.name}, object, then any get"
    batches[usual] = object_then_get
    found = interleave(batches, bench.pace)
    ratio = 1 / found[bench.subject.name].rate_over(found[usual])
    figures = (at_most(_SAME, ratio, "the time of building and any other get"),)
    return Outcome("first_get", "new backend object and its first get", None, figures, rates(found))
