"""The device that makes methods out of declarations.

A declaration is an ordinary method, with its real name, signature and docstring, that *builds* a command and sends
nothing. ``@command`` says which Redis command it is; ``aio(method)`` declares the async twin. The class that carries
the declarations decides what becomes of a built command: ``Direct`` sends it at once, ``Queued`` keeps it.

What takes several commands is a generator of them, declared with ``@steps``: each ``yield`` gives back the command's
result, or raises its error, and the generator returns the result of the whole. ``@stream`` is the same for methods
that hand items out on the way. Sync and async are driven from the same generator.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Literal, Self, overload

from django_cachex._core import Command, Spec, Unread
from django_cachex.commands.replies import refuse
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError, ResponseError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable

    from django_cachex.commands.overloads import Overloaded, Twin

__all__ = [
    "Built",
    "Command",
    "Direct",
    "Items",
    "NotOnPipelines",
    "Queued",
    "Steps",
    "Transaction",
    "aio",
    "astream",
    "command",
    "steps",
    "stream",
    "walk",
]


class Transaction[R]:
    """Commands that take effect together, in one round trip.

    Attributes:
        reply: makes the result out of the list of raw replies.
        commands: pairs of command and arguments.
        spread: where keys are spread over servers they need not take effect together.
    """

    __slots__ = ("commands", "reply", "spread")

    def __init__(
        self, reply: Callable[[list[Any]], R], commands: list[tuple[Spec, tuple[Any, ...]]], *, spread: bool = False
    ) -> None:
        """Keep the parts."""
        self.reply = reply
        self.commands = commands
        self.spread = spread


class Items[T](list[T]):
    """Items that a ``@stream`` hands out; its other yields are commands."""


type Built[R] = Command[R] | Transaction[R]
type Steps[R] = Generator[Built[Any], Any, R]
type Stream[T] = Generator[Built[Any] | Items[T], Any, None]


def walk[T](step: Callable[[int, int], Command[Any]], made: Callable[[Any], Iterable[T]], server: int) -> Stream[T]:
    """Walk through what one server has, from cursor to cursor.

    Args:
        step: builds the command for a cursor and a server.
        made: makes items of what a step has found.
        server: the number of a server for reads, which is asked at every step.

    Yields:
        The commands, and between them their items.
    """
    cursor = 0
    while True:
        try:
            cursor, found = yield step(cursor, server)
        except (CacheConnectionError, CacheTimeoutError):
            # No cursor ties the walk to that server yet, and the one that takes writes has everything.
            if cursor or not server:
                raise
            server = 0
        else:
            yield Items(made(found))
            if not cursor:
                return


class Direct:
    """A class whose commands are sent at once, by the engines of its client."""

    # What has the engines: an attribute as any other, because each command takes this way.
    _cache: Any

    # Client classes take made keys: their methods have no ``version*`` parameters.
    _takes_versions: ClassVar[bool] = True

    def _run(self, spec: Spec | None, built: Built[Any]) -> Any:
        raise NotImplementedError

    async def _arun(self, spec: Spec | None, built: Built[Any]) -> Any:
        raise NotImplementedError


class Queued:
    """A class that keeps its commands until it is told to send them."""

    _takes_versions: ClassVar[bool] = True

    def _push(self, spec: Spec, built: Built[Any]) -> Self:
        raise NotImplementedError


class Declaration[**P, R]:
    """A method to be.

    A descriptor until its first use, which puts a plain function in its place: later calls cost no descriptor, and an
    import does not make hundreds of functions of which an application uses ten.

    Attributes:
        build: the function as written.
        drive: makes the method out of it.
        spec: the command, if it is always the same one.
        queued: it can be queued on a pipeline.
        name: what the method is called.
    """

    queued: ClassVar[bool] = True

    def __init__(
        self,
        build: Callable[..., Any],
        drive: Callable[[Callable[..., Any]], Callable[..., Any]],
        spec: Spec | None = None,
    ) -> None:
        """Keep the parts."""
        self.build = build
        self.drive = drive
        self.spec = spec
        self.name = build.__name__
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type[object], name: str) -> None:
        """Learn the method's name."""
        self.name = name

    @overload
    def __get__(self, obj: None, owner: type[object]) -> Callable[Concatenate[Any, P], R]: ...
    @overload
    def __get__[Q: Queued](self, obj: Q, owner: type[object]) -> Callable[P, Q]: ...
    @overload
    def __get__(self, obj: object, owner: type[object]) -> Callable[P, R]: ...
    def __get__(self, obj: Any, owner: type[object]) -> Any:
        """Put the method in place and return it."""
        home = self._home(owner)
        method = self._method(home)
        setattr(home, self.name, method)
        return method if obj is None else method.__get__(obj, owner)

    def _home(self, owner: type[object]) -> type[Any]:
        """Return the class that the method belongs to: the first, from the base up, that sends or queues it."""
        for base in reversed(owner.__mro__):
            if issubclass(base, (Direct, Queued)) and inspect.getattr_static(base, self.name, None) is self:
                return base
        raise TypeError(f"{owner.__qualname__} neither sends commands nor queues them")

    def _method(self, home: type[Any]) -> Callable[..., Any]:
        drive = self.drive
        if issubclass(home, Queued):
            if self.spec is None or not self.queued:
                raise AttributeError(f"{home.__name__!r} object has no attribute {self.name!r}")
            drive = _queue(self.spec)
        build = self.build if home._takes_versions else _without_versions(self.build)  # noqa: SLF001 - a class of ours
        method = functools.wraps(build)(drive(build))
        method.__name__, method.__qualname__ = self.name, f"{home.__qualname__}.{self.name}"
        method.__command__ = self.spec  # type: ignore[attr-defined]
        return method


class NotOnPipelines:
    """What type checkers take such a method for on a pipeline: nothing that can be called."""


class Unqueued[**P, R](Declaration[P, R]):
    """A method that pipelines do not have."""

    queued = False

    if TYPE_CHECKING:

        @overload  # type: ignore[override] # that is the difference
        def __get__(self, obj: None, owner: type[object]) -> Callable[Concatenate[Any, P], R]: ...
        @overload
        def __get__(self, obj: Queued, owner: type[object]) -> NotOnPipelines: ...
        @overload
        def __get__(self, obj: object, owner: type[object]) -> Callable[P, R]: ...
        def __get__(self, obj: Any, owner: type[object]) -> Any: ...


@overload
def command[**P, R](
    name: str,
    *,
    write: bool = False,
    repeatable: bool | None = None,
    keys: tuple[int, int, int] | str = (1, 1, 1),
    everywhere: str | None = None,
    queued: Literal[False],
) -> Callable[[Callable[Concatenate[Any, P], Built[R]]], Unqueued[P, R]]: ...
@overload
def command[**P, R](
    name: str,
    *,
    write: bool = False,
    repeatable: bool | None = None,
    keys: tuple[int, int, int] | str = (1, 1, 1),
    everywhere: str | None = None,
) -> Callable[[Callable[Concatenate[Any, P], Built[R]]], Declaration[P, R]]: ...
def command[**P, R](
    name: str,
    *,
    write: bool = False,
    repeatable: bool | None = None,
    keys: tuple[int, int, int] | str = (1, 1, 1),
    everywhere: str | None = None,
    queued: bool = True,
) -> Callable[[Callable[Concatenate[Any, P], Built[R]]], Declaration[P, R]]:
    """Declare a method that sends one command: ``@command("HGET")``, ``@command("HSET", write=True)``.

    Args:
        name: the Redis command; a space separates a subcommand.
        write: it goes to the write server.
        repeatable: it may be sent twice without harm; by default, what is not a write may.
        keys: first, last and step of its keys, as COMMAND INFO gives them; or ``"numkeys"`` if their number comes
            second and they follow, or ``"streams"`` if they are the first half of what follows the word STREAMS.
        everywhere: it goes to all servers that hold keys, and this is what becomes of their answers: ``"list"`` puts
            lists together, ``"sum"`` adds, ``"done"`` takes any, ``"page"`` makes one scan of several.
        queued: it can be queued on a pipeline.
    """
    spec = Spec(name, write=write, repeatable=repeatable, keys=keys, everywhere=everywhere)

    def drive(build: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # Handed on as they are: to take `self` out and put it back would be a third of what a command costs here.
            built = build(*args, **kwargs) if kwargs else build(*args)
            self = args[0]
            if type(built) is Command:
                return self._cache._engine.run(spec, built)  # noqa: SLF001 - of this package
            return self._run(spec, built)

        return call

    return lambda build: (Declaration if queued else Unqueued)(build, drive, spec)


def _queue(spec: Spec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def drive(build: Callable[..., Any]) -> Callable[..., Any]:
        def push(*args: Any, **kwargs: Any) -> Any:
            built = build(*args, **kwargs) if kwargs else build(*args)
            self = args[0]
            return self._push(spec, built)

        return push

    return drive


def steps[**P, R](build: Callable[Concatenate[Any, P], Steps[R]]) -> Unqueued[P, R]:
    """Declare a method that sends several commands, one after another."""

    def drive(build: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            stage = _Stage(build(self, *args, **kwargs))
            while stage.goes_on():
                with stage:
                    stage.result = self._run(None, stage.wanted)
            return stage.result

        return call

    return Unqueued(build, drive)


def stream[**P, T](build: Callable[Concatenate[Any, P], Stream[T]]) -> Unqueued[P, Generator[T]]:
    """Declare a method that sends several commands and yields items on the way."""

    def drive(build: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Generator[Any]:
            stage = _Stage(build(self, *args, **kwargs))
            while stage.goes_on():
                if isinstance(stage.wanted, Items):
                    yield from stage.wanted
                    continue
                with stage:
                    stage.result = self._run(None, stage.wanted)

        return call

    return Unqueued(build, drive)


@overload
def aio[**P, S, A](sync: Overloaded[P, S, A]) -> Twin[P, A]: ...
@overload
def aio[**P, R](sync: Declaration[P, R]) -> Unqueued[P, Coroutine[Any, Any, R]]: ...
def aio(sync: Any) -> Any:
    """Declare the async twin of a method."""
    spec = sync.spec

    def drive(build: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            built = build(*args, **kwargs) if kwargs else build(*args)
            self = args[0]
            if type(built) is not Command:
                return await self._arun(spec, built)
            try:
                result = await self._cache._async_engine.start(spec, built)  # noqa: SLF001 - as above
            except ResponseError as error:
                refuse(built.refused, error)
            return result.result() if type(result) is Unread else result

        async def walk(self: Any, *args: Any, **kwargs: Any) -> Any:
            stage = _Stage(build(self, *args, **kwargs))
            while stage.goes_on():
                with stage:
                    stage.result = await self._arun(None, stage.wanted)
            return stage.result

        return walk if spec is None else call

    return Unqueued(sync.build, drive, spec)


def astream[**P, T](sync: Unqueued[P, Generator[T]]) -> Unqueued[P, AsyncGenerator[T]]:
    """Declare the async twin of a ``@stream``."""

    def drive(build: Callable[..., Any]) -> Callable[..., Any]:
        async def call(self: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
            stage = _Stage(build(self, *args, **kwargs))
            while stage.goes_on():
                if isinstance(stage.wanted, Items):
                    for item in stage.wanted:
                        yield item
                    continue
                with stage:
                    stage.result = await self._arun(None, stage.wanted)

        return call

    return Unqueued(sync.build, drive)


class _Stage:
    """Where a generator of commands has got to. As a context it catches what the command raises, for the generator."""

    __slots__ = ("error", "generator", "result", "wanted")

    def __init__(self, generator: Generator[Any, Any, Any]) -> None:
        self.generator = generator
        self.wanted: Any = None
        self.result: Any = None
        self.error: Exception | None = None

    def goes_on(self) -> bool:
        """Hand over the last result or error; true if there is a next command, else ``result`` is the final one."""
        error, result = self.error, self.result
        self.error = self.result = None
        try:
            self.wanted = self.generator.throw(error) if error is not None else self.generator.send(result)
        except StopIteration as stop:
            self.result = stop.value
            return False
        return True

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False


def _without_versions(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return *build* with its ``version*`` parameters gone."""
    signature = inspect.signature(build)
    kept = [parameter for name, parameter in signature.parameters.items() if not name.startswith("version")]
    if len(kept) == len(signature.parameters):
        return build
    reduced = signature.replace(parameters=kept)
    positional = [p.name for p in kept if p.kind is p.POSITIONAL_OR_KEYWORD]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in kept)

    @functools.wraps(build)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != len(kept) or not (variadic or len(args) <= len(positional)):
            reduced.bind(*args, **kwargs)
        # Behind varargs `version` is keyword-only: positions hold. Elsewhere they may have shifted.
        return build(*args, **kwargs) if variadic else build(**dict(zip(positional, args, strict=False)), **kwargs)

    call.__signature__ = reduced  # type: ignore[attr-defined]
    return call
