"""Made keys, patterns, and the way back: Django's own, overridden, reassigned, patched and hostile."""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.core.cache.backends.base import BaseCache, CacheKeyWarning
from django.core.cache.backends.locmem import LocMemCache
from hypothesis import given
from hypothesis import strategies as st

from django_cachex.cache import RedisCache
from django_cachex.exceptions import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.servers import Server

HOSTILE = ["a b", "\x00", "crlf\r\nDEL x\r\n", "tab\t", "\x7f", "é☃𝄞", "x" * 300, "", ":", "a:b:c", "*?[a]\\", "%s{}"]


def backend(**params: Any) -> RedisCache:
    return RedisCache("redis://nowhere.invalid", params)


def upper(key: str, prefix: str, version: int) -> str:
    return f"{prefix}|{version}|{str(key).upper()}"


def behind(key: str, prefix: str, version: int) -> str:
    return f"<{prefix}>{key}<v{version}>"


def said(make: Callable[..., str], *args: Any, **kwargs: Any) -> tuple[str, list[str]]:
    """Return a made key and the warnings that came with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = make(*args, **kwargs)
    assert all(each.category is CacheKeyWarning for each in caught)
    return made, [str(each.message) for each in caught]


# Making


@pytest.mark.parametrize("prefix", ["", "p", "p:q", "with space", "☃", "*[?"])
@pytest.mark.parametrize("version", [None, 1, 0, -3, 10**30, "beta", 1.5, True])
def test_made_keys_are_django_s(prefix: str, version: Any) -> None:
    ours, djangos = backend(KEY_PREFIX=prefix), LocMemCache("x", {"KEY_PREFIX": prefix})
    for key in [*HOSTILE, "k" * (250 - len(prefix) - 3), "k" * (251 - len(prefix) - 3), 5, None, b"k", ("a", 1)]:
        expected = said(djangos.make_and_validate_key, key, version=version)
        assert said(ours.make_and_validate_key, key, version=version) == expected
        assert said(ours.make_and_validate_key, key, version) == expected
        assert ours.make_key(key, version) == expected[0]


@given(st.text(), st.text(max_size=10), st.integers())
def test_any_key_is_django_s(key: str, prefix: str, version: int) -> None:
    ours, djangos = backend(KEY_PREFIX=prefix), LocMemCache("x", {"KEY_PREFIX": prefix})
    assert said(ours.make_and_validate_key, key, version) == said(djangos.make_and_validate_key, key, version)


def test_warnings_in_full() -> None:
    cache = backend()
    assert said(cache.make_and_validate_key, "a b")[1] == [
        "Cache key contains characters that will cause errors if used with memcached: ':1:a b'"
    ]
    assert said(cache.make_and_validate_key, "x" * 248)[1] == [
        f"Cache key will cause errors if used with memcached: ':1:{'x' * 248}' (longer than 250)"
    ]
    assert said(cache.make_and_validate_key, "x" * 247)[1] == []


@pytest.mark.filterwarnings("always::django.core.cache.backends.base.CacheKeyWarning")
def test_every_command_warns_once(cache: RedisCache, call: Caller) -> None:
    calls: list[tuple[Any, ...]] = [
        (cache.set, "a b", 1),
        (cache.add, "a b", 1),
        (cache.get, "a b"),
        (cache.touch, "a b"),
        (cache.has_key, "a b"),
        (cache.incr, "a b"),
        (cache.decr, "a b"),
        (cache.get_many, ["a b"]),
        (cache.set_many, {"a b": 1}),
        (cache.ttl, "a b"),
        (cache.expire, "a b", 10),
        (cache.persist, "a b"),
        (cache.type, "a b"),
        (cache.delete, "a b"),
        (cache.delete_many, ["a b"]),
    ]
    for method, *args in calls:
        with pytest.warns(CacheKeyWarning, match="contains characters") as caught:
            call(method, *args)
        assert len(caught) == 1, method
    with pytest.warns(CacheKeyWarning) as caught:
        call(cache.get_or_set, "a b", 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(cache.keys, "* *") == ["a b"]
        assert cache.make_pattern("a b") == cache.key_prefix + ":1:a b"


@pytest.mark.filterwarnings("ignore::django.core.cache.backends.base.CacheKeyWarning")
@pytest.mark.parametrize("key", HOSTILE, ids=ascii)
def test_doubtful_keys_work(cache: RedisCache, server: Server, call: Caller, key: str) -> None:
    call(cache.set, key, {"value": key})
    assert call(cache.get, key) == {"value": key}
    assert server.command("EXISTS", cache.make_key(key)) == 1
    assert call(cache.get_many, [key]) == {key: {"value": key}}
    assert call(cache.keys) == [key]
    assert call(cache.delete, key) is True


def test_surrogates(cache: RedisCache, server: Server, call: Caller) -> None:
    key = b"\xff\xfe".decode("utf-8", "surrogateescape")
    call(cache.set, key, 1)
    assert server.command("EXISTS", cache.make_key("").encode() + b"\xff\xfe") == 1
    assert call(cache.keys) == [key]
    assert call(cache.get, key) == 1
    with pytest.raises(UnicodeEncodeError):
        call(cache.get, "\ud800")


# Overriding, reassigning, patching


def test_key_function(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(KEY_FUNCTION=upper, VERSION=3)
    call(cache.set, "k", 1)
    assert server.command("GET", f"{cache.key_prefix}|3|K") == b"1"
    assert call(cache.get, "K") == 1
    dotted = make_cache(KEY_FUNCTION="django.core.cache.backends.base.default_key_func")
    assert dotted.make_and_validate_key("k") == f"{dotted.key_prefix}:1:k"


def test_reassigned_on_a_live_instance(cache: RedisCache, server: Server, call: Caller) -> None:
    prefix = cache.key_prefix
    call(cache.set, "k", 1)
    cache.version = 5
    call(cache.set, "k", 5)
    cache.key_prefix = prefix + "-other"
    call(cache.set, "k", 55)
    cache.key_func = upper
    call(cache.set, "k", 555)
    made = [f"{prefix}:1:k", f"{prefix}:5:k", f"{prefix}-other:5:k", f"{prefix}-other|5|K"]
    assert server.command("MGET", *made) == [b"1", b"5", b"55", b"555"]


@pytest.mark.parametrize("version", ["beta", 1.5, True, 10**30])
def test_versions_of_any_kind(cache: RedisCache, call: Caller, version: Any) -> None:
    call(cache.set, "k", "v", version=version)
    assert call(cache.get, "k") is None
    assert call(cache.get, "k", version=version) == "v"
    cache.version = version
    assert call(cache.keys) == ["k"]
    assert call(cache.clear_all_versions) == 1


def test_overridden_make_key(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    class Cache(RedisCache):
        def make_key(self, key: str, version: Any = None) -> str:
            return f"{super().make_key(key, version)}!"

    cache = make_cache(backend=Cache)
    call(cache.set, "k", 1)
    assert server.command("GET", f"{cache.key_prefix}:1:k!") == b"1"
    assert call(cache.get_many, ["k"]) == {"k": 1}
    assert call(cache.keys) == ["k"]
    assert call(cache.ttl, "k") > 0
    assert call(cache.rename, "k", "l") is True
    assert call(cache.delete_pattern, "*") == 1


def test_overridden_as_django_calls_it(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    class Cache(RedisCache):
        def make_key(self, key: str, *, version: Any = None) -> str:  # type: ignore[override]
            return f"{self.key_prefix}/{version}/{key}"

    cache = make_cache(backend=Cache)
    assert cache.make_pattern("*", 2) == f"{cache.key_prefix}/2/*"
    call(cache.set, "k", 1, version=2)
    assert call(cache.get, "k", version=2) == 1
    assert call(cache.keys, version=2) == ["k"]


@pytest.mark.parametrize("where", ["instance", "class", "django"])
@pytest.mark.parametrize("name", ["make_key", "validate_key", "key_func", "make_and_validate_key"])
def test_patched(cache: RedisCache, call: Caller, monkeypatch: pytest.MonkeyPatch, where: str, name: str) -> None:
    target: Any = {"instance": cache, "class": RedisCache, "django": BaseCache}[where]
    if name == "key_func":  # an attribute of instances
        target = cache
    if name == "make_and_validate_key" and where == "django":  # which ours overrides
        target = RedisCache
    calls: list[tuple[Any, ...]] = []

    def patched(*args: Any, **kwargs: Any) -> str:
        calls.append((args, kwargs))
        return f"{cache.key_prefix}:1:patched"

    monkeypatch.setattr(target, name, patched)
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == 1
    assert call(cache.get_many, ["k"]) == {"k": 1}
    assert call(cache.ttl, "k") > 0
    assert len(calls) == 4, "once for each command"
    monkeypatch.undo()
    assert call(cache.get, "k" if name == "validate_key" else "patched") == 1


def test_a_strict_validate_key(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    class Strict(RedisCache):
        def validate_key(self, key: str) -> None:
            if "x" in key:
                raise LookupError(key)

    cache = make_cache(backend=Strict)
    sent = int(server.info("stats")["total_commands_processed"])
    calls: list[tuple[Any, ...]] = [
        (cache.get, "x"),
        (cache.set, "x", 1),
        (cache.get_many, ["a", "x"]),
        (cache.set_many, {"a": 1, "x": 1}),
        (cache.delete_many, ["a", "x"]),
        (cache.incr, "x"),
        (cache.expire, "x", 5),
        (cache.rename, "a", "x"),
    ]
    for method, *args in calls:
        with pytest.raises(LookupError, match=f"{cache.key_prefix}:1:x"):
            call(method, *args)
    assert int(server.info("stats")["total_commands_processed"]) == sent + 1


# Patterns and the way back


PREFIXES = ["", "p", "p:q", "a*b", "[x]", "a?b", "back\\slash", "^-]", "*", "sp ace"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("function", [None, behind, lambda key, prefix, version: f"{key}{prefix}{version}"])
def test_patterns_match_their_own_keys_only(
    make_cache: Callable[..., RedisCache], key_prefix: str, call: Caller, prefix: str, function: Any
) -> None:
    unique = key_prefix + prefix
    cache = make_cache(KEY_PREFIX=unique, KEY_FUNCTION=function)
    others = [make_cache(KEY_PREFIX=key_prefix + other, KEY_FUNCTION=function) for other in PREFIXES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheKeyWarning)
        for each in [*others, cache]:
            call(each.set_many, {"one": 1, "two": 2, "o*e": 3})
            call(each.set, "one", 4, version=2)
        assert sorted(call(cache.keys)) == ["o*e", "one", "two"]
        assert sorted(call(cache.keys, "o?e")) == ["o*e", "one"]
        assert call(cache.keys, "o\\*e") == ["o*e"]
        assert call(cache.keys, "[^o]*") == ["two"]
        assert call(cache.keys, "[n-t]w*") == ["two"]
        assert call(cache.keys, version=2) == ["one"]
        assert call(cache.delete_pattern, "o*") == 2
        for each in others:
            expected = ["two"] if each.key_prefix == unique else ["o*e", "one", "two"]
            assert sorted(call(each.keys)) == expected


def around(key: str, prefix: str, version: Any) -> str:
    return f"{{{len(key) % 4}}}:{prefix}:{version}:{key}"


def quoting(key: str, prefix: str, version: Any) -> str:
    return f"{prefix}:{version}:{quote(key)}"


@pytest.mark.parametrize("function", [upper, lambda key, prefix, version: str(hash(key)), around, quoting],
                         ids=["upper", "hash", "around", "quoting"])  # fmt: skip
def test_keys_that_cannot_be_found_again(
    make_cache: Callable[..., RedisCache], call: Caller, function: Callable[..., str]
) -> None:
    cache = make_cache(KEY_FUNCTION=function)
    calls: list[tuple[Any, ...]] = [
        (cache.keys,),
        (cache.iter_keys,),
        (cache.scan,),
        (cache.delete_pattern, "*"),
        (cache.clear_all_versions,),
    ]
    for method, *args in calls:
        with pytest.raises(NotSupportedError) as caught:
            call(method, *args)
        assert (caught.value.operation, caught.value.backend) == ("make_pattern", "RedisCache")
    assert cache.reverse_key("anything") == "anything"


def picky(key: str, prefix: str, version: Any) -> str:
    if not key.startswith("app."):
        raise ValueError("not one of ours")
    return f"{prefix}:{version}:{key}"


def test_a_key_function_that_refuses_keys(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    """What it does with others cannot be found out: nothing is deleted by guess."""
    cache = make_cache(KEY_FUNCTION=picky)
    call(cache.set, "app.k", 1)
    calls: list[tuple[Any, ...]] = [
        (cache.keys, "app.*"),
        (cache.scan,),
        (cache.delete_pattern, "app.*"),
        (cache.clear_all_versions,),
    ]
    for method, *args in calls:
        with pytest.raises(NotSupportedError) as caught:
            call(method, *args)
        assert isinstance(caught.value.__cause__, ValueError)
    assert cache.reverse_key(cache.make_key("app.k")) == cache.make_key("app.k")
    assert call(cache.get, "app.k") == 1


class Tenant(RedisCache):
    """Keys of a tenant, by the method that makes the keys of all commands."""

    def make_and_validate_key(self, key: str, version: int | None = None) -> str:
        return f"tenant|{super().make_and_validate_key(key, version=version)}"


@pytest.mark.standalone("of a class of its own")
def test_the_method_that_makes_all_keys(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    shared, cache = make_cache(), make_cache(backend=Tenant)
    for each in (shared, cache):
        call(each.set_many, {"a": 1, "b": 2})
    call(cache.set, "c", 3, None, 2)
    assert set(call(cache.keys)) == {"a", "b"}
    assert set(call(cache.iter_keys, "[a]")) == {"a"}
    assert cache.reverse_key(cache.make_and_validate_key("a")) == "a"
    assert call(cache.delete_pattern, "a*") == 1
    assert call(cache.get_many, ["a", "b"]) == {"b": 2}
    assert call(cache.clear_all_versions) == 2
    assert call(shared.get_many, ["a", "b"]) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("pattern", "closed"),
    [
        ("a*", "a*"),
        ("[a-c]", "[a-c]"),
        ("[a\\]]", "[a\\]]"),
        ("\\\\", "\\\\"),
        ("a\\", "a\\\\"),
        ("[", "[]"),
        ("[^", "[^]"),
        ("*[ab", "*[\\a\\b]"),
        ("[^a-c", "[^a-c]"),
        ("[a-", "[\\a\\-]"),
        ("[a-]", "[a-]]"),
        ("[a\\", "[\\a\\\\]"),
        ("[\\]", "[\\]]"),
        ("[a]\\[", "[a]\\["),
    ],
)
def test_patterns_end_by_themselves(pattern: str, closed: str) -> None:
    """What the key function puts behind is no part of them."""
    assert backend(KEY_FUNCTION=lambda key, *_: f"{key};").make_pattern(pattern) == f"{closed};"
    assert backend(KEY_PREFIX="p").make_pattern(pattern) == f"p:1:{pattern}"


@pytest.mark.standalone("an own database")
def test_patterns_mean_the_same_with_something_behind(
    make_cache: Callable[..., RedisCache], server: Server, call: Caller
) -> None:
    rng = random.Random()
    location = server.url_for(db=11)
    plain = make_cache(location, KEY_PREFIX="", KEY_FUNCTION=lambda key, *_: key)
    behind = make_cache(location, KEY_PREFIX="", KEY_FUNCTION=lambda key, *_: f"{key};b]")
    names = {"".join(rng.choices("ab-^[]\\*", k=rng.randint(1, 3))) for _ in range(150)}
    for _ in range(300):
        pattern = "".join(rng.choices(["a", "b", "-", "^", "[", "[", "]", "\\", "*", "?"], k=rng.randint(1, 6)))
        call(plain.clear)
        call(plain.set_many, dict.fromkeys(names, 1))
        expected = set(call(plain.keys, pattern))
        call(plain.clear)
        call(behind.set_many, dict.fromkeys(names, 1))
        assert set(call(behind.keys, pattern)) == expected, pattern


@pytest.mark.standalone("of a class of its own")
def test_an_overridden_make_pattern(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    class AllVersions(RedisCache):
        def make_pattern(self, pattern: str, version: int | None = None) -> str:
            return f"{self.key_prefix}:*:{pattern}"

    cache = make_cache(backend=AllVersions)
    call(cache.set, "foo", 1)
    call(cache.set, "bar", 1, version=2)
    assert sorted(call(cache.keys)) == sorted(call(cache.iter_keys)) == ["bar", "foo"]


def test_make_pattern() -> None:
    assert backend(KEY_PREFIX="p", VERSION=3).make_pattern("a*") == "p:3:a*"
    assert backend(KEY_PREFIX="p").make_pattern("a*", version=2) == "p:2:a*"
    assert backend(KEY_PREFIX="p").make_pattern("a*", 2) == "p:2:a*"
    assert backend(KEY_PREFIX="[a]?*\\").make_pattern("[b]") == r"\[a\]\?\*\\:1:[b]"
    assert backend(KEY_PREFIX="p", KEY_FUNCTION=behind).make_pattern("*") == "<p>*<v1>"


@pytest.mark.parametrize(
    ("prefix", "made", "expected"),
    [
        ("", ":1:k", "k"),
        ("", ":27:k:l", "k:l"),
        ("p", "p:1:k", "k"),
        ("p", "p:-1:k", "k"),
        ("p", "p:1:", ""),
        ("p", "p:1:a:b:c", "a:b:c"),
        ("p", "p:1:line\nbreak", "line\nbreak"),
        ("p:q", "p:q:1:a:b", "a:b"),
        ("a.c", "abc:1:k", "abc:1:k"),
        ("p", "q:1:k", "q:1:k"),
        ("p", "p:x:k", "k"),
        ("p", "xp:1:k", "xp:1:k"),
        ("p", "", ""),
    ],
)
def test_reverse_key(prefix: str, made: str, expected: str) -> None:
    assert backend(KEY_PREFIX=prefix).reverse_key(made) == expected


@given(st.text(), st.text(max_size=10), st.integers(), st.sampled_from([None, behind]))
def test_back_and_forth(key: str, prefix: str, version: int, function: Any) -> None:
    cache = backend(KEY_PREFIX=prefix, KEY_FUNCTION=function)
    assert cache.reverse_key(cache.make_key(key, version)) == key


def test_reverse_key_function(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache(KEY_FUNCTION=upper, REVERSE_KEY_FUNCTION=lambda made: made.rsplit("|", 1)[-1].lower())
    assert cache.reverse_key("p|1|KEY") == "key"
    dotted = make_cache(REVERSE_KEY_FUNCTION="posixpath.basename")
    call(dotted.set, "a/b", 1)
    assert dotted.reverse_key("x/y") == "y"
    assert call(dotted.keys) == ["b"]
    assert call(dotted.iter_keys) == ["b"]
    assert call(dotted.scan, 0, "*", 100_000) == (0, ["b"])


@pytest.mark.parametrize("where", ["instance", "class", "subclass"])
def test_reverse_key_patched(
    make_cache: Callable[..., RedisCache], call: Caller, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    class Cache(RedisCache):
        pass

    cache = make_cache(backend=Cache)
    call(cache.set, "k", 1)
    target: Any = {"instance": cache, "class": RedisCache.__mro__[1], "subclass": Cache}[where]
    monkeypatch.setattr(target, "reverse_key", lambda *args: f"patched {args[-1][-1]}")
    assert call(cache.keys) == ["patched k"]
    assert call(cache.iter_keys) == ["patched k"]


@pytest.mark.parametrize("function", [None, behind, lambda key, prefix, version: f"{version}{prefix}{key}"])
def test_all_versions(make_cache: Callable[..., RedisCache], call: Caller, function: Any) -> None:
    cache = make_cache(KEY_FUNCTION=function)
    versions = random.sample(range(-50, 50), 20)
    for version in versions:
        call(cache.set, "a:b", version, version=version)
    assert call(cache.clear_all_versions, itersize=7) == 20
    assert call(cache.get, "a:b", version=versions[0]) is None


@pytest.mark.standalone("keys are made before anything is sent")
def test_nobody_is_warned_of_stand_ins(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache(backend=Tenant, KEY_PREFIX="p " * 150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.make_pattern("*").startswith("tenant|p p ")
        assert call(cache.keys) == []
        assert call(cache.clear_all_versions) == 0
