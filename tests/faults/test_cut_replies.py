"""Row 3: connections that end in the middle of a reply. Row 10: writes whose replies are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheConnectionError
from tests.faults.figures import FULL, size
from tests.faults.outcomes import SLACK, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_VALUE = b"a value of forty bytes, pickled: " + b"x" * 7
_LARGE = b"y" * 100_000


class TestCutAtEveryByte:
    @pytest.fixture(params=[False, True], ids=["closed", "reset"])
    def reset(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param)

    @pytest.mark.parametrize("what", ["get", "get_many"])
    def test_without_retries_it_is_an_error(
        self,
        what: str,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
        reset: bool,  # noqa: FBT001 - a fixture
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url, OPTIONS={"retry": 0})
        call(cache.set_many, {"mid": _VALUE, "mid2": 5})
        method: Callable[..., Any]
        method, args, right = (
            (cache.get, ("mid",), _VALUE)
            if what == "get"
            else (cache.get_many, (["mid", "mid2"],), {"mid": _VALUE, "mid2": 5})
        )
        reply = len(cache.encode(_VALUE)) + 7 if what == "get" else len(cache.encode(_VALUE)) + 18  # type: ignore[arg-type]
        errors, longest = 0, 0.0
        for offset in range(reply):
            proxy.cut(after=offset, trigger=b"mid", times=1, reset=reset)
            cut = attempt(call, method, *args)
            longest = max(longest, cut.seconds)
            if cut.error is None:
                assert cut.value == right
            else:
                errors += 1
                assert isinstance(cut.error, CacheConnectionError), cut.error
            after = attempt(call, method, *args)
            assert after.value == right
            assert after.seconds < SLACK
        figure(f"row 3: cut at {reply} offsets, {errors} errors, 0 wrong, longest call {longest * 1000:.0f} ms")
        # An offset may be the reply's end.
        assert errors >= reply - 2
        assert longest < SLACK

    def test_a_read_is_retried_unseen(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        reset: bool,  # noqa: FBT001 - a fixture
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url)
        call(cache.set, "mid", _VALUE)
        for offset in range(0, 60, 3):
            proxy.cut(after=offset, trigger=b"mid", times=1, reset=reset)
            assert call(cache.get, "mid") == _VALUE

    def test_in_a_large_value(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        reset: bool,  # noqa: FBT001 - a fixture
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url, OPTIONS={"retry": 0})
        call(cache.set, "mid", _LARGE)
        total = len(cache.encode(_LARGE)) + 11  # type: ignore[arg-type]
        for offset in [*range(0, total, 1 if FULL else 4_999), total - 3, total - 2, total - 1]:
            proxy.cut(after=offset, trigger=b"mid", times=1, reset=reset)
            cut = attempt(call, cache.get, "mid")
            assert isinstance(cut.error, CacheConnectionError), (offset, cut)
            assert call(cache.get, "mid") == _LARGE


_WRITES = size(1_000, 10_000)


class TestLostReplies:
    def test_incr(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url)
        call(cache.set, "other", 0)
        call(cache.incr, "other")
        call(cache.set, "lost", 0)
        proxy.cut(trigger=b"lost")
        for _ in range(_WRITES):
            with pytest.raises(CacheConnectionError):
                call(cache.incr, "lost")
        proxy.heal()
        assert call(cache.get, "lost") == _WRITES
        figure(f"row 10: {_WRITES} x incr with its reply lost, 0 applied twice, {_WRITES} errors")

    def test_add(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url)
        proxy.cut(trigger=b"lost")
        for number in range(_WRITES):
            # An outage raises: False would mean that somebody else has the key.
            with pytest.raises(CacheConnectionError):
                call(cache.add, f"lost{number}", number)
        proxy.heal()
        assert call(cache.get_many, [f"lost{number}" for number in range(_WRITES)]) == {
            f"lost{number}": number for number in range(_WRITES)
        }
        figure(f"row 10: {_WRITES} x add with its reply lost, {_WRITES} errors")

    def test_lpush(
        self,
        call: Caller,
        start_server: Callable[..., Server],
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        server = start_server()
        proxy = start_proxy(server)
        client = call(make_cache(proxy.url).get_client)
        proxy.cut(trigger=b"lost")
        for number in range(_WRITES):
            with pytest.raises(CacheConnectionError):
                call(client.execute_command, "LPUSH", "lost", number) if not call.is_async else call.run(
                    client.execute_command("LPUSH", "lost", number)
                )
        assert server.command("LLEN", "lost") == _WRITES
        figure(f"row 10: {_WRITES} x LPUSH with its reply lost, 0 applied twice, {_WRITES} errors")

    def test_a_plain_set_is_repeated(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url)
        for number in range(100):
            proxy.cut(trigger=b"lost", times=1)
            call(cache.set, f"lost{number}", number)
            proxy.cut(trigger=b"lost", times=1)
            assert call(cache.get, f"lost{number}") == number
            proxy.cut(trigger=b"lost", times=1)
            call(cache.delete, f"lost{number}")
