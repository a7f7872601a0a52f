"""The helper that runs one test body on both surfaces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.caller import twin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.caller import Caller


class Both:
    """Says which of its methods was called, and on which loop."""

    def __init__(self) -> None:
        self.loops: set[int] = set()

    def get(self, key: str) -> tuple[str, str]:
        return "sync", key

    async def aget(self, key: str) -> tuple[str, str]:
        self.loops.add(id(asyncio.get_running_loop()))
        return "async", key

    def iter_keys(self) -> Iterator[str]:
        yield from "ab"

    async def aiter_keys(self) -> AsyncIterator[str]:
        for key in "ab":
            yield key

    def get_client(self) -> str:
        return "sync"

    async def get_async_client(self) -> str:
        return "async"

    def alone(self) -> None:
        pass


def test_call_reaches_the_twin(call: Caller) -> None:
    assert call(Both().get, "k") == (call.mode, "k")
    assert call(Both().get_client) == call.mode


def test_call_lists_what_iterates(call: Caller) -> None:
    assert call(Both().iter_keys) == ["a", "b"]


def test_one_loop_for_a_test(call: Caller) -> None:
    both = Both()
    call(both.get, "k")
    call.every([(both.get, "k"), (both.get, "l")])
    assert both.loops == ({id(call.loop)} if call.is_async else set())


def test_any_loop_is_each_loop(call_on_any_loop: Caller, request: pytest.FixtureRequest) -> None:
    wanted = request.node.callspec.params["call_on_any_loop"]
    assert call_on_any_loop.is_async == (wanted != "sync")
    assert (type(call_on_any_loop.loop).__module__ == "uvloop") == (wanted == "uvloop")


def test_a_missing_twin_is_an_error() -> None:
    with pytest.raises(AttributeError, match="aalone"):
        twin(Both().alone)
