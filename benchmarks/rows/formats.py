"""Values that are worth compressing, and what a compressor costs the ones that are not."""

from __future__ import annotations

import pickle
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import CACHEX, DJANGO_REDIS
from benchmarks.documents import page, values
from benchmarks.figures import Outcome, at_least, at_most, observed, rates
from benchmarks.payload import VALUE
from benchmarks.rows.operations import batch_of
from benchmarks.rows.registry import row
from benchmarks.samples import interleave

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.cache.backends.base import BaseCache

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender
    from benchmarks.figures import Figure

__all__: list[str] = []

_KEY = "document"
_PLAIN = "django-cachex, uncompressed"


def _cache(bench: Bench, contender: Contender, prefix: str, options: dict[str, Any]) -> BaseCache:
    make: Callable[[str, dict[str, object]], BaseCache] = contender.factory()
    return make(contender.location(bench.server.port), {"KEY_PREFIX": prefix, "OPTIONS": options})


def _caches(bench: Bench) -> dict[str, BaseCache]:
    ours, theirs = "django_cachex.compressors", "django_redis.compressors"
    return {
        _PLAIN: _cache(bench, CACHEX, "plain", {}),
        "django-cachex, lz4": _cache(bench, CACHEX, "lz4", {"compressor": f"{ours}.lz4.Lz4Compressor"}),
        "django-cachex, zstd": _cache(bench, CACHEX, "zstd", {"compressor": f"{ours}.zstd.ZstdCompressor"}),
        "django-redis, lz4": _cache(bench, DJANGO_REDIS, "lz4", {"COMPRESSOR": f"{theirs}.lz4.Lz4Compressor"}),
        "django-redis, zstd": _cache(bench, DJANGO_REDIS, "zstd", {"COMPRESSOR": f"{theirs}.zstd.ZStdCompressor"}),
    }


def _compressed(bench: Bench, name: str, method: str, what: str, value: Any, *, lz4: float | None) -> Outcome:
    """Measure `method` with each compressor against none, and against django-redis with the same.

    `lz4` is the least share of the uncompressed rate that lz4 must reach, None where there is no target.
    """
    caches = _caches(bench)
    for title, cache in caches.items():
        cache.set(_KEY, value, None)
        if pickle.dumps(cache.get(_KEY)) != pickle.dumps(pickle.loads(pickle.dumps(value))):  # noqa: S301 - our own
            raise RuntimeError(f"{title} does not return what was stored: its figures would mean nothing")
    args = (_KEY, value, None) if method == "set" else (_KEY,)
    found = interleave({title: batch_of(cache, method, *args) for title, cache in caches.items()}, bench.pace)
    figures: list[Figure] = []
    for compressor in ("lz4", "zstd"):
        series = found[f"django-cachex, {compressor}"]
        share = series.rate_over(found[_PLAIN])
        text = f"{compressor}: the uncompressed rate"
        figures += [
            at_least(lz4, share, text) if lz4 is not None and compressor == "lz4" else observed(share, text),
            at_least(1.5, series.rate_over(found[f"django-redis, {compressor}"]), f"{compressor}: django-redis' rate"),
        ]
    return Outcome(name, f"sync {method} of {what}", None, tuple(figures), rates(found))


@row("get_values")
def get_values(bench: Bench) -> Outcome:
    """Sync get of a queryset's values, 14 kB."""
    return _compressed(bench, "get_values", "get", "a queryset's values, 14 kB", values(), lz4=0.95)


@row("set_values")
def set_values(bench: Bench) -> Outcome:
    """Sync set of a queryset's values, 14 kB."""
    return _compressed(bench, "set_values", "set", "a queryset's values, 14 kB", values(), lz4=0.95)


@row("get_page")
def get_page(bench: Bench) -> Outcome:
    """Sync get of a rendered page of 100 kB."""
    return _compressed(bench, "get_page", "get", "a rendered page of 100 kB", page(), lz4=None)


@row("set_page")
def set_page(bench: Bench) -> Outcome:
    """Sync set of a rendered page of 100 kB."""
    return _compressed(bench, "set_page", "set", "a rendered page of 100 kB", page(), lz4=None)


@row("small_with_zstd")
def small_with_zstd(bench: Bench) -> Outcome:
    """What a configured compressor costs a value of 150 bytes."""
    caches = {name: cache for name, cache in _caches(bench).items() if name in (_PLAIN, "django-cachex, zstd")}
    stored = pickle.dumps(VALUE)

    def batch(cache: Any, operations: int) -> None:
        decode = cache.decode
        for _ in repeat(None, operations):
            decode(stored)

    found = interleave({name: partial(batch, cache) for name, cache in caches.items()}, bench.pace)
    cost = found["django-cachex, zstd"].cost - found[_PLAIN].cost
    figures = (at_most(0.3, cost, "more per value that is read", "us"),)
    return Outcome("small_with_zstd", "decoding of 150 bytes", None, figures, rates(found))
