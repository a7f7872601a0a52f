"""Types of methods whose result depends on their arguments. At run time a declaration comes back as it is."""

# ruff: noqa: D103, FBT001, FBT002 - signatures are the methods' own, and so are the docstrings
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["adding", "claiming", "finding", "listing", "popping", "ranging", "ranging_back", "scored",
           "scored_back", "stepping", "taking"]

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from typing import Concatenate, Literal, Protocol, overload

    from django_cachex.commands.arguments import Field, Score
    from django_cachex.commands.command import Declaration, NotOnPipelines, Queued
    from django_cachex.commands.stream_replies import Entry

    type Later[R] = Coroutine[Any, Any, R]
    type Pairs = list[tuple[Any, float]]
    type Page[T] = tuple[str, list[T], list[str]]
    type Version = int | None

    class Overloaded[**P, S, A]:
        """A declaration whose method is an ``S`` and the twin an ``A``. A pipeline's returns the pipeline anyway."""

        @overload
        def __get__(self, obj: None, owner: type[object]) -> Callable[Concatenate[Any, P], Any]: ...
        @overload
        def __get__[Q: Queued](self, obj: Q, owner: type[object]) -> Callable[P, Q]: ...
        @overload
        def __get__(self, obj: object, owner: type[object]) -> S: ...
        def __get__(self, obj: Any, owner: type[object]) -> Any: ...

    class Twin[**P, A](Overloaded[P, A, A]):
        """The twin of one: pipelines have none."""

        @overload  # type: ignore[override] # that is the difference
        def __get__(self, obj: None, owner: type[object]) -> Callable[Concatenate[Any, P], Any]: ...
        @overload
        def __get__(self, obj: Queued, owner: type[object]) -> NotOnPipelines: ...
        @overload
        def __get__(self, obj: object, owner: type[object]) -> A: ...
        def __get__(self, obj: Any, owner: type[object]) -> Any: ...

    class Counted[One, Several](Protocol):
        """One, or with *count* several."""

        @overload
        def __call__(self, key: str, count: None = None, version: Version = None) -> One: ...
        @overload
        def __call__(self, key: str, count: int, version: Version = None) -> Several: ...

    class Found[One, Several](Protocol):
        """One, or with *count* several."""

        @overload
        def __call__(
            self, key: str, value: Any, rank: int | None = None, count: None = None, maxlen: int | None =
            None, version: Version = None
        ) -> One: ...
        @overload
        def __call__(
            self, key: str, value: Any, rank: int | None, count: int, maxlen: int | None = None, version:
            Version = None
        ) -> Several: ...
        @overload
        def __call__(
            self, key: str, value: Any, rank: int | None = None, *, count: int, maxlen: int | None = None,
            version: Version = None
        ) -> Several: ...

    class Added[Count, Sum](Protocol):
        """How many, or with *incr* the new score."""

        @overload
        def __call__(
            self, key: str, mapping: Mapping[Any, Score], *, nx: bool = False, xx: bool = False, ch: bool =
            False, incr: Literal[False] = False, gt: bool = False, lt: bool = False, version: Version = None
        ) -> Count: ...
        @overload
        def __call__(
            self, key: str, mapping: Mapping[Any, Score], *, nx: bool = False, xx: bool = False, ch: bool =
            False, incr: Literal[True], gt: bool = False, lt: bool = False, version: Version = None
        ) -> Sum: ...
        @overload
        def __call__(
            self, key: str, mapping: Mapping[Any, Score], *, nx: bool = False, xx: bool = False, ch: bool =
            False, incr: bool, gt: bool = False, lt: bool = False, version: Version = None
        ) -> Count | Sum: ...

    class Ranged[Members, Scored](Protocol):
        """Members, or *withscores* pairs."""

        @overload
        def __call__(
            self, key: str, start: int, end: int, *, desc: bool = False, withscores: Literal[True], version:
            Version = None
        ) -> Scored: ...
        @overload
        def __call__(
            self, key: str, start: int, end: int, *, desc: bool = False, withscores: bool = False, version:
            Version = None
        ) -> Members: ...

    class RangedBack[Members, Scored](Protocol):
        """Members, or *withscores* pairs."""

        @overload
        def __call__(
            self, key: str, start: int, end: int, *, withscores: Literal[True], version: Version = None
        ) -> Scored: ...
        @overload
        def __call__(
            self, key: str, start: int, end: int, *, withscores: bool = False, version: Version = None
        ) -> Members: ...

    class Scored[Members, Scored](Protocol):
        """Members, or *withscores* pairs."""

        @overload
        def __call__(
            self, key: str, min_score: Score, max_score: Score, *, withscores: Literal[True], start: int |
            None = None, num: int | None = None, version: Version = None
        ) -> Scored: ...
        @overload
        def __call__(
            self, key: str, min_score: Score, max_score: Score, *, withscores: bool = False, start: int |
            None = None, num: int | None = None, version: Version = None
        ) -> Members: ...

    class ScoredBack[Members, Scored](Protocol):
        """Members, or *withscores* pairs."""

        @overload
        def __call__(
            self, key: str, max_score: Score, min_score: Score, *, withscores: Literal[True], start: int |
            None = None, num: int | None = None, version: Version = None
        ) -> Scored: ...
        @overload
        def __call__(
            self, key: str, max_score: Score, min_score: Score, *, withscores: bool = False, start: int |
            None = None, num: int | None = None, version: Version = None
        ) -> Members: ...

    class Claimed[Entries, Ids](Protocol):
        """Entries, or with *justid* ids."""

        @overload
        def __call__(
            self, key: str, group: Field, consumer: Field, min_idle_time: int, entry_ids: Iterable[Field],
            idle: int | None = None, time: int | None = None, retrycount: int | None = None, force: bool =
            False, justid: Literal[False] = False, version: Version = None
        ) -> Entries: ...
        @overload
        def __call__(
            self, key: str, group: Field, consumer: Field, min_idle_time: int, entry_ids: Iterable[Field],
            idle: int | None = None, time: int | None = None, retrycount: int | None = None, force: bool =
            False, *, justid: Literal[True], version: Version = None
        ) -> Ids: ...
        @overload
        def __call__(
            self, key: str, group: Field, consumer: Field, min_idle_time: int, entry_ids: Iterable[Field],
            idle: int | None = None, time: int | None = None, retrycount: int | None = None, force: bool =
            False, *, justid: bool, version: Version = None
        ) -> Entries | Ids: ...

    class Stepped[Entries, Ids](Protocol):
        """Entries, or with *justid* ids."""

        @overload
        def __call__(
            self, key: str, group: Field, consumer: Field, min_idle_time: int, start_id: Field = "0-0",
            count: int | None = None, justid: Literal[False] = False, version: Version = None
        ) -> Entries: ...
        @overload
        def __call__(
            self, key: str, group: Field, consumer: Field, min_idle_time: int, start_id: Field = "0-0",
            count: int | None = None, *, justid: Literal[True], version: Version = None
        ) -> Ids: ...
        @overload
        def __call__(
            self, key: str, group: Field, consumer: Field, min_idle_time: int, start_id: Field = "0-0",
            count: int | None = None, *, justid: bool, version: Version = None
        ) -> Entries | Ids: ...

    class Pending[Summary, Each](Protocol):
        """A summary, or within a range each entry."""

        @overload
        def __call__(
            self, key: str, group: Field, start: None = None, end: None = None, count: None = None,
            consumer: None = None, idle: None = None, version: Version = None
        ) -> Summary: ...
        @overload
        def __call__(
            self, key: str, group: Field, start: Field, end: Field, count: int, consumer: Field | None =
            None, idle: int | None = None, version: Version = None
        ) -> Each: ...

    def popping[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Counted[Any, list[Any]], Counted[Later[Any], Later[list[Any]]]
    ]: ...
    def taking[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Counted[Any, set[Any]], Counted[Later[Any], Later[set[Any]]]
    ]: ...
    def finding[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Found[int | None, list[int]], Found[Later[int | None], Later[list[int]]]
    ]: ...
    def adding[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Added[int, float | None], Added[Later[int], Later[float | None]]
    ]: ...
    def ranging[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Ranged[list[Any], Pairs], Ranged[Later[list[Any]], Later[Pairs]]
    ]: ...
    def ranging_back[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, RangedBack[list[Any], Pairs], RangedBack[Later[list[Any]], Later[Pairs]]
    ]: ...
    def scored[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Scored[list[Any], Pairs], Scored[Later[list[Any]], Later[Pairs]]
    ]: ...
    def scored_back[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, ScoredBack[list[Any], Pairs], ScoredBack[Later[list[Any]], Later[Pairs]]
    ]: ...
    def claiming[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Claimed[list[Entry], list[str]], Claimed[Later[list[Entry]], Later[list[str]]]
    ]: ...
    def stepping[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Stepped[Page[Entry], Page[str]], Stepped[Later[Page[Entry]], Later[Page[str]]]
    ]: ...
    def listing[**P](declared: Declaration[P, Any]) -> Overloaded[
        P, Pending[dict[str, Any], list[dict[str, Any]]], Pending[Later[dict[str, Any]], Later[list[dict[str, Any]]]]
    ]: ...

else:

    def _as_it_is(declared: Any) -> Any:
        """Return the declaration."""
        return declared

    popping = taking = finding = adding = ranging = ranging_back = _as_it_is
    scored = scored_back = claiming = stepping = listing = _as_it_is
