"""Keys and patterns that mean harm: exact round trips, and nothing deleted beyond the prefix."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

pytestmark = pytest.mark.filterwarnings("ignore::django.core.cache.backends.base.CacheKeyWarning")

ALPHABET = ["*", "?", "[", "]", "\\", "^", "-", "a", "b", "\r\n", "\x00", " ", "é", "{", "}"]
TRIALS = 500
SECONDS = 20.0


def text(rng: random.Random, longest: int) -> str:
    return "".join(rng.choices(ALPHABET, k=rng.randint(0, longest)))


@pytest.mark.one_slot
def test_round_trip(cache: RedisCache, server: Server, call: Caller) -> None:
    keys = [
        "\r\n+OK\r\n",
        "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
        "\x00",
        "a\x00b",
        "*?[]\\",
        "[a-c]",
        "\\",
        "{tag}",
        "k" * 1_000_000,
        "☃" * 300_000,
        "".join(map(chr, range(256))),
    ]
    call(cache.set_many, {key: index for index, key in enumerate(keys)})
    assert call(cache.get_many, keys) == {key: index for index, key in enumerate(keys)}
    assert set(call(cache.keys)) == set(keys)
    assert set(call(cache.iter_keys, itersize=2)) == set(keys)
    for key in keys:
        call(cache.set, key, {"of": key})
        assert call(cache.get, key) == {"of": key}
        assert server.command("EXISTS", cache.make_key(key)) == 1
        assert call(cache.incr_version, key) == 2
        assert call(cache.rename, key, "plain", version_src=2) is True
        assert call(cache.delete, "plain") is True
    assert call(cache.keys) == []


def test_values_of_every_byte(cache: RedisCache, server: Server, call: Caller) -> None:
    value = bytes(range(256)) * 40 + b"\r\n$-1\r\n"
    call(cache.set, "k", value)
    assert call(cache.get, "k") == value


@pytest.mark.standalone("empties a database of its own")
def test_nothing_beyond_the_prefix_is_deleted(
    make_cache: Callable[..., RedisCache], server: Server, call: Caller, record_property: Callable[[str, object], None]
) -> None:
    """Caches whose prefixes look like patterns for each other's, and one of them is emptied."""
    seed = random.getrandbits(32)
    record_property("seed", seed)
    rng = random.Random(seed)
    location = server.url_for(db=10)
    call(make_cache(location).clear)
    start = time.monotonic()
    deleted = spared = trials = 0
    while trials < TRIALS and time.monotonic() - start < SECONDS:
        trials += 1
        prefixes = {text(rng, 4) for _ in range(5)}
        caches = [make_cache(location, KEY_PREFIX=prefix) for prefix in prefixes]
        held = {
            cache.make_key(key, version): (cache.key_prefix, version)
            for cache in caches
            for key in {text(rng, 4) for _ in range(4)}
            for version in (1, 2, 12)
        }
        call(caches[0]._cache.set_many, dict.fromkeys(held, 1), None)
        victim = rng.choice(caches)
        if rng.random() < 0.5:
            gone = {made for made, owner in held.items() if owner == (victim.key_prefix, 1)}
            count = call(victim.delete_pattern, "*", itersize=rng.randint(1, 50))
        else:
            gone = {made for made, owner in held.items() if owner[0] == victim.key_prefix}
            count = call(victim.clear_all_versions, itersize=rng.randint(1, 50))
        left = set(call(caches[0]._cache.keys, "*"))
        assert left == set(held) - gone, f"seed {seed}, prefixes {prefixes!r}, emptied {victim.key_prefix!r}"
        assert count == len(gone)
        deleted += count
        spared += len(left)
        call(victim.clear)
    print(f"{trials} trials: {deleted} keys deleted, {spared} beyond the prefix all left alone")  # noqa: T201 - the figure
    assert trials == TRIALS, "in bounded time"


def test_any_user_key_can_be_deleted_by_its_escaped_pattern(cache: RedisCache, call: Caller) -> None:
    rng = random.Random()
    for _ in range(30):
        keys = {text(rng, 5) for _ in range(8)}
        call(cache.set_many, dict.fromkeys(keys, 1))
        key = rng.choice(sorted(keys))
        pattern = "".join("\\" + character if character in "*?[]\\" else character for character in key)
        assert call(cache.keys, pattern) == [key]
        assert call(cache.delete_pattern, pattern) == 1
        assert set(call(cache.keys)) == keys - {key}
        call(cache.delete_pattern, "*")


def test_patterns_that_take_the_server_long_are_still_bounded(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "a" * 100, 1)
    start = time.monotonic()
    assert call(cache.keys, "a*" * 10 + "b") == []
    assert call(cache.keys, "[" * 1000) == []
    assert time.monotonic() - start < 2
