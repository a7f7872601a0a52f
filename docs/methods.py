"""Writes the methods of the reference pages out of their docstrings, while mkdocs builds the site.

A page says where, in a line of its own: ``<!-- methods: CLASS -->`` puts all that the class declares, ``<!-- methods:
CLASS NAME ... -->`` these. The class is a dotted path. Commands are declared apart from the classes that carry them;
they are shown as methods of the cache.
"""

# ruff: noqa: INP001 - mkdocs loads it by its path

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from django_cachex.cache import RedisCache
from django_cachex.client.pipeline import BasePipeline
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Direct, Queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["documented", "home_of", "names_of", "on_page_markdown", "rendered", "wanted"]

_MARK = re.compile(r"^<!-- methods: (?P<path>\S+)(?P<names>(?: \w+)*) -->$", re.MULTILINE)
_SECTION = re.compile(r"^(Args|Returns|Yields|Raises):$", re.MULTILINE)
# Elsewhere an argument may be meant that has a method's name.
_SEE = re.compile(r"(?P<words>\b(?:[Ss]ee|use|as|as for|as in) )``(?P<name>\w+)``")
_WIDE = 100

# What a declaration builds, and what the method made of it returns.
_BUILDERS = re.compile(r"^(?:Command|Built|Steps)\[(?P<made>.*)\]$")
_STREAM = re.compile(r"^Stream\[(?P<item>.*)\]$")
_TITLES = {"Args": "Arguments", "Returns": "Returns", "Yields": "Yields", "Raises": "Raises"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put methods where a page wants them. mkdocs calls this for each page."""
    shown = {name for names in wanted(markdown).values() for name in names}
    return _MARK.sub(lambda mark: "\n".join(rendered(*_found(mark), shown)), markdown)


def wanted(markdown: str) -> dict[type[Any], list[str]]:
    """Return the classes whose methods a page shows, with the names of these."""
    found: dict[type[Any], list[str]] = {}
    for owner, names in map(_found, _MARK.finditer(markdown)):
        found.setdefault(owner, []).extend(names)
    return found


def _found(mark: re.Match[str]) -> tuple[type[Any], list[str]]:
    module, _, name = mark["path"].rpartition(".")
    owner: type[Any] = getattr(import_module(module), name)
    return owner, mark["names"].split() or names_of(owner)


def names_of(owner: type[Any]) -> list[str]:
    """Return the public methods that a class itself defines, without async twins."""
    names = [name for name, value in vars(owner).items() if not name.startswith("_") and not isinstance(value, type)]
    return [name for name in names if not (name.startswith("a") and name[1:] in names)]


def home_of(owner: type[Any]) -> type[Any]:
    """Return the class on which the methods of *owner* are to be looked at: declarations need one that sends them."""
    return RedisCache if issubclass(owner, Commands) and not issubclass(owner, (Direct, Queued)) else owner


def rendered(owner: type[Any], names: list[str], shown: set[str]) -> Iterator[str]:
    """Yield the lines that describe methods; references to methods in *shown* are links."""
    home = home_of(owner)
    for name in names:
        method = getattr(home, name)
        yield from (f"### {name}", "", "```python", _signature(name, method), "```", "")
        if facts := _facts(home, name, method):
            yield from (facts, "")
        yield from documented(_linked(inspect.getdoc(method) or "", shown - {name}))


def _linked(text: str, shown: set[str]) -> str:
    def link(see: re.Match[str]) -> str:
        return f"{see['words']}[`{see['name']}`](#{see['name']})" if see["name"] in shown else see[0]

    return _SEE.sub(link, text)


def _signature(name: str, method: Callable[..., Any]) -> str:
    signature = inspect.signature(method)
    parameters = []
    after_star = False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not after_star:
            parameters.append("*")
            after_star = True
        after_star = after_star or parameter.kind is parameter.VAR_POSITIONAL
        parameters.append(_parameter(parameter))
    returned = _returned(str(signature.return_annotation))
    line = f"{name}({', '.join(parameters)}) -> {returned}"
    if len(line) <= _WIDE:
        return line
    return "\n".join([f"{name}(", *(f"    {parameter}," for parameter in parameters), f") -> {returned}"])


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
    text = f"{stars}{parameter.name}: {parameter.annotation}"
    if parameter.default is parameter.empty:
        return text
    # Django's sentinel is an object without a name.
    default = "DEFAULT_TIMEOUT" if parameter.default is DEFAULT_TIMEOUT else repr(parameter.default)
    return f"{text} = {default}"


def _returned(annotation: str) -> str:
    if made := _BUILDERS.match(annotation):
        return made["made"]
    if stream := _STREAM.match(annotation):
        return f"Iterator[{stream['item']}]"
    return annotation


def documented(text: str) -> Iterator[str]:
    """Yield the lines of a docstring as Markdown: what it says, then its sections as lists."""
    about, *sections = _SECTION.split(text)
    yield from (about.strip(), "")
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        yield from (f"**{_TITLES[title]}**", "")
        items = [" ".join(item.split()) for item in re.split(r"\n {4}(?! )", body) if item.strip()]
        if title in {"Args", "Raises"}:
            named = (item.partition(":")[::2] for item in items)
            yield from (f"- `{name}`:{meaning}" for name, meaning in named)
        else:
            yield " ".join(items)
        yield ""


def _facts(home: type[Any], name: str, method: Callable[..., Any]) -> str:
    facts = []
    spec = getattr(method, "__command__", None)
    if spec is not None:
        facts.append(f"Redis: `{spec.name}`, sent to {'the primary' if spec.write else 'a server for reads'}")
    twin = getattr(home, f"a{name}", None)
    if twin is not None:
        facts.append(f"async: `{'await ' if inspect.iscoroutinefunction(twin) else ''}a{name}(...)`")
    if issubclass(home, Direct):
        facts.append(f"on pipelines: {'yes' if hasattr(BasePipeline, name) else 'no'}")
    text = "; ".join(facts)
    return text[:1].upper() + text[1:]
