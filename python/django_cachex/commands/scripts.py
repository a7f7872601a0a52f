"""Lua scripts."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django_cachex._core import Spec
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command, steps
from django_cachex.commands.replies import as_is, text
from django_cachex.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django_cachex.commands.command import Steps
    from django_cachex.script import ScriptHelpers

    type PreHook = Callable[[ScriptHelpers, list[Any], list[Any]], tuple[Iterable[Any], Iterable[Any]]]
    type PostHook = Callable[[ScriptHelpers, Any], Any]

__all__ = ["EVAL", "EVALSHA", "QueuedScripts", "ScriptCommands", "digest"]

EVAL = Spec("EVAL", write=True, keys="numkeys")
EVALSHA = Spec("EVALSHA", write=True, keys="numkeys")


@lru_cache
def digest(script: str | bytes) -> str:
    """Return the SHA1 by which servers know *script*."""
    # A few milliseconds that importing the package need not take.
    import hashlib  # noqa: PLC0415

    data = script.encode("utf-8", "surrogateescape") if isinstance(script, str) else script
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


class ScriptCommands(Commands):
    """Run code on the server. Raw replies are ``int``, ``bytes``, ``None``, or lists of these."""

    @steps
    def eval_script(
        self,
        script: str,
        *,
        keys: Iterable[Any] = (),
        args: Iterable[Any] = (),
        pre_hook: PreHook | None = None,
        post_hook: PostHook | None = None,
        version: int | None = None,
    ) -> Steps[Any]:
        """Run a script; its text is sent only to a server that does not know it (EVALSHA, EVAL).

        Args:
            script: Lua.
            keys: the script's ``KEYS``, as they stand on the server if no hook makes them.
            args: its ``ARGV``: ``bytes``, ``str``, ``int``, ``float`` or ``bool``, not encoded if no hook does it.
            pre_hook: gets helpers, keys and args, and returns keys and args to send; see ``django_cachex.script``.
            post_hook: gets helpers and the raw reply, and returns the result.
            version: the keys' version, for the hooks.

        Returns:
            The raw reply, or what *post_hook* makes of it.

        Raises:
            TypeError: a key or an argument is of another type.
            ResponseError: the script cannot be compiled, or fails.
        """
        helpers = _helpers(self, version)
        words = _words(helpers, keys, args, pre_hook)
        try:
            reply = yield Command(as_is, digest(script), *words, spec=EVALSHA)
        except NoScriptError as error:
            # A script that runs may raise one of its own.
            if not str(error).startswith("NOSCRIPT No matching script"):
                raise
            reply = yield Command(as_is, script, *words, spec=EVAL)
        return reply if post_hook is None else post_hook(helpers, reply)

    aeval_script = aio(eval_script)

    @command("EVAL", write=True, keys="numkeys")
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Command[Any]:
        """Run a script; nothing is prefixed or encoded (EVAL).

        Args:
            script: Lua.
            numkeys: how many of *keys_and_args* are keys.
            keys_and_args: ``KEYS`` and then ``ARGV``: ``bytes``, ``str``, ``int``, ``float`` or ``bool``.

        Returns:
            The raw reply.

        Raises:
            TypeError: a key or an argument is of another type.
            ResponseError: the script cannot be compiled, or fails.
        """
        return Command(as_is, *_checked(script, numkeys, *keys_and_args))

    aeval = aio(eval)  # noqa: A003 - the method above, as the contract calls it

    @command("EVALSHA", write=True, keys="numkeys")
    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Command[Any]:
        """Run a script that the server has already; nothing is prefixed or encoded (EVALSHA).

        Args:
            sha: the script's SHA1, as ``script_load`` returns it.
            numkeys: how many of *keys_and_args* are keys.
            keys_and_args: as for ``eval``.

        Returns:
            The raw reply.

        Raises:
            TypeError: a key or an argument is of another type.
            NoScriptError: the server does not know the script.
            ResponseError: the script fails.
        """
        return Command(as_is, *_checked(sha, numkeys, *keys_and_args))

    aevalsha = aio(evalsha)

    @command("SCRIPT LOAD", write=True, keys=(0, 0, 0), everywhere="done", queued=False)
    def script_load(self, script: str) -> Command[str]:
        """Let the server know a script, without running it; return its SHA1 (SCRIPT LOAD).

        Raises:
            ResponseError: the script cannot be compiled.
        """
        return Command(text, script)

    ascript_load = aio(script_load)


class QueuedScripts(ScriptCommands):
    """Scripts on pipelines, where only EVAL will do: a NOSCRIPT inside EXEC would leave the other commands applied."""

    _version: int | None

    @command("EVAL", write=True, keys="numkeys")
    def eval_script(  # noqa: D102 - it has the direct method's
        self,
        script: str,
        *,
        keys: Iterable[Any] = (),
        args: Iterable[Any] = (),
        pre_hook: PreHook | None = None,
        post_hook: PostHook | None = None,
        version: int | None = None,
    ) -> Command[Any]:
        helpers = _helpers(self, self._version if version is None else version)
        words = _words(helpers, keys, args, pre_hook)
        reply = as_is if post_hook is None else lambda raw: post_hook(helpers, raw)
        return Command(reply, *_checked(script), *words)

    eval_script.__doc__ = eval_script.build.__doc__ = vars(ScriptCommands)["eval_script"].__doc__


def _helpers(commands: Commands, version: int | None) -> ScriptHelpers:
    # Few applications run scripts.
    from django_cachex.script import ScriptHelpers  # noqa: PLC0415

    return ScriptHelpers(lambda key, of=version: commands._key(key, of), commands.encode, commands.decode, version)  # noqa: SLF001 - of this package


def _words(
    helpers: ScriptHelpers, keys: Iterable[Any], args: Iterable[Any], pre_hook: PreHook | None
) -> tuple[Any, ...]:
    made, given = _listed(keys), _listed(args)
    if pre_hook is not None:
        made, given = map(_listed, pre_hook(helpers, made, given))
    return _checked(len(made), *made, *given)


def _listed(given: Iterable[Any]) -> list[Any]:
    # Text is an iterable too, though hardly ever meant as one.
    return [given] if isinstance(given, (str, bytes)) else list(given)


def _checked(*words: Any) -> tuple[Any, ...]:
    for word in words:
        if not isinstance(word, (bytes, str, int, float)):
            raise TypeError(f"cannot send a {type(word).__name__}: bytes, str, int, float or bool expected")
    return words
