"""The tables of docs/serializers-and-compressors.md, from a release build: `python -m benchmarks.formats`.

Computation only, in one thread: through `cache.encode` and `cache.decode`, as `set` and `get` do it, without a server.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings

from benchmarks.documents import page, session, values

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

_SERIALIZERS = (
    "pickle.Pickle",
    "json.Json",
    "orjson.Orjson",
    "msgpack.Msgpack",
    "ormsgpack.Ormsgpack",
    "signed.SignedPickle",
)
_COMPRESSORS = (("lz4", 0), ("zstd", 1), ("zstd", 3), ("zstd", 9), ("zlib", 6), ("gzip", 9), ("lzma", 4))
_SECONDS = 0.2


def _time(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes: the best of three runs."""
    work()
    number, best = 1, 0.0
    while best < _SECONDS / 4:
        number *= 2
        start = time.perf_counter()
        for _ in range(number):
            work()
        best = time.perf_counter() - start
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(number):
            work()
        best = min(best, time.perf_counter() - start)
    return best / number


def _table(head: list[str], rows: list[list[str]]) -> None:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    lines.insert(1, "|---" + "|---:" * (len(head) - 1) + "|")
    sys.stdout.write("\n".join(lines) + "\n\n")


def main() -> None:
    """Print the tables as Markdown."""
    settings.configure(SECRET_KEY="benchmarks")
    from django_cachex.cache import RedisCache  # noqa: PLC0415 - needs the settings

    def cache(**options: Any) -> RedisCache:
        return RedisCache("redis://nowhere.invalid", {"OPTIONS": options})

    made = {"values": values(), "page": page(), "session": session()}
    payloads = {name: bytes(cache().encode(value)) for name, value in made.items()}
    rows = []
    for name, level in _COMPRESSORS:
        module = __import__(f"django_cachex.compressors.{name}", fromlist=["x"])
        compressor = getattr(module, f"{name.capitalize()}Compressor")(level=level)
        row = [f"{name} {level}" if name != "lz4" else name]
        for what in made:
            data = payloads[what]
            packed = compressor.compress(data)
            pack, unpack = _time(lambda: compressor.compress(data)), _time(lambda: compressor.decompress(packed))  # noqa: B023
            row += [
                f"{len(data) / len(packed):.1f}",
                f"{len(data) / pack / 1e6:,.0f}",
                f"{len(data) / unpack / 1e6:,.0f}",
            ]
        rows.append(row)
    _table(["", *(word for what in made for word in (f"{what}: ratio", "in", "out"))], rows)

    rows = []
    for path in _SERIALIZERS:
        codec = cache(serializer=f"django_cachex.serializers.{path}Serializer")
        row = [path.split(".", maxsplit=1)[0]]
        for value in made.values():
            stored = bytes(codec.encode(value))
            write, read = _time(lambda: codec.encode(value)), _time(lambda: codec.decode(stored))  # noqa: B023
            row += [f"{len(stored) / 1000:.1f}", f"{write * 1e6:,.1f}", f"{read * 1e6:,.1f}"]
        rows.append(row)
    _table(["", *(word for what in made for word in (f"{what}: kB", "set", "get"))], rows)


if __name__ == "__main__":
    main()
