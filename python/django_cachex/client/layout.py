"""How a cache's keys are laid out: what its key function puts around a user's key, found out by asking it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django_cachex.exceptions import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["KeyLayout"]

# Stand-ins for a user key and a version, to see what a key function puts around them: the same around any key?
_KEY, _OTHER_KEY = "0Cachex0Key0", "1:another.key-2"
_VERSION = 9071992309
# What may stand for a version. No more than it has to be: digits that follow it directly are the user's.
_INTEGER, _ANY_TEXT = "-?[0-9]+?", ".+?"
_GLOB = re.compile(r"[\\*?\[\]]")


# What a glob is made of as far as servers read it alike with anything behind it; and the members of a class.
_WHOLE = re.compile(r"(?:\\.|\[\^?(?:\\.|[^\]]-.|[^\]])*+\]|[^\\\[])*+", re.DOTALL)
_MEMBER = re.compile(r"\\.|.-.|.", re.DOTALL)


def _closed(pattern: str) -> str:
    """Return a glob that means the same and ends by itself: what comes behind it is no part of it.

    Servers take an open class for one that ends with the glob, and a last backslash for itself.
    """
    whole = _WHOLE.match(pattern)
    rest = pattern[whole.end() :] if whole else pattern
    if len(rest) < 2:  # noqa: PLR2004 - nothing, or the one character that begins something
        return pattern + {"\\": "\\", "[": "]"}.get(rest, "")
    negation = "^" * rest.startswith("[^")
    members = _MEMBER.findall(rest, 1 + len(negation))
    escaped = "".join(member if len(member) > 1 else f"\\{member}" for member in members)
    return f"{pattern[: -len(rest)]}[{negation}{escaped}]"


def _literal(text: str) -> str:
    return _GLOB.sub(r"\\\g<0>", text)


def _layout(around: tuple[list[str], list[str]], version: str) -> re.Pattern[str]:
    before, after = (version.join(map(re.escape, parts)) for parts in around)
    return re.compile(f"{before}(?P<key>.*){after}", re.DOTALL)


class KeyLayout:
    """Globs for a cache's keys, and user keys out of made ones."""

    version: int
    _reverse_key_func: Callable[[str], str] | None

    if TYPE_CHECKING:

        def _probe(self, key: str, version: int | None) -> str:
            """Return the made key."""

    def make_pattern(self, pattern: str, version: int | None = None) -> str:
        r"""Return the glob for the server: *pattern* applies to the user's part of the key, all else is literal.

        Args:
            pattern: a glob: ``*``, ``?``, ``[a-c]``, ``[^a]``, ``\`` escapes.
            version: the keys' version.

        Raises:
            NotSupportedError: the key function does not keep the user's key as it is, or refuses some keys.
        """
        before, after = self._parts("make_pattern", version)
        return f"{_literal(before)}{_closed(pattern) if after else pattern}{_literal(after)}"

    def _parts(self, what: str, version: int | None) -> tuple[str, str]:
        """Return what stands before and what after the user key.

        Raises:
            NotSupportedError: the key function does not keep it as it is, or puts something else around each.
        """
        try:
            before, found, after = self._probe(_KEY, version).partition(_KEY)
            other = self._probe(_OTHER_KEY, version)
        except Exception as error:
            # It does not take any key.
            raise NotSupportedError(what, type(self).__name__) from error
        if not found or _KEY in after or other != f"{before}{_OTHER_KEY}{after}":
            raise NotSupportedError(what, type(self).__name__)
        return before, after

    def reverse_key(self, key: str) -> str:
        """Return the user key of a made key; a key of another layout comes back unchanged."""
        if self._reverse_key_func is not None:
            return self._reverse_key_func(key)
        try:
            before, after = self._parts("reverse_key", None)
        except NotSupportedError:
            return key
        if key.startswith(before) and key.endswith(after) and len(key) >= len(before) + len(after):
            return key.removeprefix(before).removesuffix(after)
        try:
            around = self._around()
        except NotSupportedError:
            return key
        versions = [self._own_version()]
        # Other versions end where what stands between them and the user's key begins.
        if around[0][-1]:
            versions.append(_ANY_TEXT)
        layouts = (_layout(around, version) for version in versions)
        return next((found["key"] for layout in layouts if (found := layout.fullmatch(key))), key)

    def _around(self) -> tuple[list[str], list[str]]:
        """Return what stands before and what after the user key, each parted where the version stands.

        Raises:
            NotSupportedError: that cannot be told.
        """
        self._parts("make_pattern", None)
        before, after = self._parts("clear_all_versions", _VERSION)
        other = self._parts("clear_all_versions", _VERSION + 1)
        found = before.split(str(_VERSION)), after.split(str(_VERSION))
        if other != tuple(str(_VERSION + 1).join(parts) for parts in found):
            # It is in there, but written in another way.
            raise NotSupportedError("clear_all_versions", type(self).__name__)
        return found

    def _own_version(self) -> str:
        """Return what versions look like, if they are what ``VERSION`` is."""
        return _INTEGER if type(self.version) is int else _ANY_TEXT

    def _pattern(self, pattern: str, version: int | None = None) -> str:
        return self.make_pattern(pattern, version=version)

    def _every_version(self) -> str:
        before, after = ("*".join(map(_literal, parts)) for parts in self._around())
        return f"{before}*{after}"

    def _own_keys(self, keys: list[bytes]) -> list[bytes]:
        # The glob for the version also matches what a longer prefix puts there.
        layout = _layout(self._around(), self._own_version())
        texts = ((key, key.decode("utf-8", "surrogateescape")) for key in keys)
        return [key for key, text in texts if layout.fullmatch(text)]

    def _user_keys(self, keys: Iterable[bytes], version: int | None) -> list[str]:
        made = (key.decode("utf-8", "surrogateescape") for key in keys)
        own = self.reverse_key, self.make_pattern
        if self._reverse_key_func is not None or [getattr(method, "__func__", None) for method in own] != _METHODS:
            return [self.reverse_key(key) for key in made]
        # They match a pattern of this version's, so that this is what stands around them.
        before, after = self._parts("keys", version)
        return [key.removeprefix(before).removesuffix(after) for key in made]


# To tell whether one is overridden or patched, on a class or on an instance.
_METHODS = [KeyLayout.reverse_key, KeyLayout.make_pattern]
